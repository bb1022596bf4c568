"""Routes that FastAPI documents and that are called directly: its own way to an endpoint takes longer than a report's
arithmetic does.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError


class DirectRoute(APIRoute):
    """A route whose endpoint and dependencies are coroutines that take the request, one another, and models of the
    query (`Annotated[Model, Query()]`), and nothing else.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        return partial(_call, self.dependant)


async def _call(dependant: Dependant, request: Request) -> Any:
    values = {inner.name: await _call(inner, request) for inner in dependant.dependencies}
    values |= {field.name: _query(field.field_info.annotation, request) for field in dependant.query_params}
    for name in (dependant.request_param_name, dependant.http_connection_param_name):
        if name:
            values[name] = request
    return await dependant.call(**values)  # type: ignore[arg-type, misc]


def _query(model: Any, request: Request) -> Any:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
