"""One error shape for everything that goes wrong, whoever noticed."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models import FrontlineError
from serving import pages
from serving.errors import InvalidRequest, MethodNotAllowed, NotFound
from serving.http.facades import shape_at
from serving.http.headers import headers_of

_PAGES = "/console"  # where people are told, on a page
_MESSAGES = {
    404: "there is nothing at this address; see /openapi.json",
    405: "this address does not take that method; see /openapi.json",
}


class InternalError(FrontlineError):
    """Anything unforeseen; says nothing of the cause, which is in the log under the request id."""

    code, status = "internal_error", 500

    def __init__(self) -> None:
        super().__init__("the service failed; its log has the cause under this request_id")


class Unreadable(FrontlineError):
    """A request that is none, such as a form of too many fields."""

    code, status = "invalid_request", 400


def respond(error: FrontlineError, request_id: str | None, path: str) -> Response:
    """The response that an error becomes at an address."""
    if shape := shape_at(path):
        return shape(error, request_id)
    headers = headers_of(error, error.status)
    if path.startswith(_PAGES):
        page = pages.render("error.html", error.status, error=error, request_id=request_id)
        page.headers.update(headers)
        return page
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error.as_dict(request_id)}, error.status, headers)


def request_id_of(request: Request) -> str | None:
    """The id that the edge gave this request."""
    return getattr(request.state, "request_id", None)


async def _frontline(request: Request, error: Exception) -> Response:
    assert isinstance(error, FrontlineError)  # noqa: S101  (registered for no other)
    return respond(error, request_id_of(request), request.url.path)


async def _parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    name = str(error.errors()[0]["loc"][-1])
    invalid = InvalidRequest(f"the parameter {name} has a value that it cannot have", field=name)
    return respond(invalid, request_id_of(request), request.url.path)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    response = respond(_refused(error.status_code, request.url.path), request_id_of(request), request.url.path)
    response.headers.update(error.headers or {})
    return response


def _refused(status: int, path: str) -> FrontlineError:
    """What Starlette refuses, in our words."""
    if status not in _MESSAGES:
        return Unreadable("the request cannot be read")
    kind = MethodNotAllowed if status == 405 else NotFound
    return kind("there is no such page" if path.startswith(_PAGES) else _MESSAGES[status])


def install(app: FastAPI) -> None:
    """Give an application the one error shape."""
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        FrontlineError: _frontline,
        RequestValidationError: _parameters,
        HTTPException: _http,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
