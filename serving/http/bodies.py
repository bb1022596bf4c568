"""Reading request bodies: bytes to JSON values to checked models, with errors that quote nothing."""

from typing import Annotated, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from models.report import first_error
from serving.errors import InvalidJson, InvalidRequest, UnsupportedMediaType

M = TypeVar("M", bound=BaseModel)


async def json_body(request: Request) -> object:
    """The decoded body. Raises UnsupportedMediaType or InvalidJson."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("the Content-Type must be application/json", field="Content-Type")
    try:
        # Refuses what json.loads lets pass: NaN, lone surrogates, invalid UTF-8, endless nesting.
        value: object = from_json(await request.body(), allow_inf_nan=False)
    except ValueError:
        raise InvalidJson("the body is not valid JSON in UTF-8; NaN, Infinity and lone surrogates are not") from None
    return value


Body = Annotated[object, Depends(json_body)]


def as_model(model: type[M], value: object) -> M:
    """A decoded value as a model. Raises InvalidRequest, which names the first wrong field."""
    if not isinstance(value, dict):
        raise InvalidRequest("the body is not a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "extra_forbidden":  # its name is the caller's text, so it is not quoted
            known = ", ".join(model.model_fields)
            raise InvalidRequest(f"the body holds a field that is not one of {known}") from None
        invalid = first_error(error, model)
        raise InvalidRequest(invalid.message, field=invalid.field) from None
