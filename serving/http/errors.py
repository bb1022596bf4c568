"""One error shape for everything that goes wrong, whoever noticed."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from models import FrontlineError
from serving import pages
from serving.errors import InvalidRequest

_RETRY_SECONDS = 1  # where the error knows no better
_CODES = {404: "not_found", 405: "method_not_allowed"}
_MESSAGES = {
    404: "there is nothing at this address; see /openapi.json",
    405: "this address does not take that method; see /openapi.json",
}


class InternalError(FrontlineError):
    """Anything unforeseen; says nothing of the cause, which is in the log under the request id."""

    code, status = "internal_error", 500

    def __init__(self) -> None:
        super().__init__("the service failed; its log has the cause under this request_id")


def respond(error: FrontlineError, request_id: str | None) -> Response:
    """The response that an error becomes."""
    headers = {}
    if error.status in (429, 503):
        headers["Retry-After"] = str(getattr(error, "retry_after", _RETRY_SECONDS))
    if error.status == 408:
        headers["Connection"] = "close"  # as the rest of the body may still come
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error.as_dict(request_id)}, error.status, headers)


def request_id_of(request: Request) -> str | None:
    """The id that the edge gave this request."""
    return getattr(request.state, "request_id", None)


async def _frontline(request: Request, error: Exception) -> Response:
    assert isinstance(error, FrontlineError)  # noqa: S101  (registered for no other)
    if request.url.path.startswith("/console"):
        return pages.render("error.html", error.status, error=error, request_id=request_id_of(request))
    return respond(error, request_id_of(request))


async def _parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    name = str(error.errors()[0]["loc"][-1])
    return respond(
        InvalidRequest(f"the parameter {name} has a value that it cannot have", field=name), request_id_of(request)
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = {
        "code": _CODES.get(error.status_code, "invalid_request"),
        "message": _MESSAGES.get(error.status_code, "the request cannot be handled"),
        "field": None,
        "request_id": request_id_of(request),
    }
    return JSONResponse({"error": detail}, error.status_code, dict(error.headers or {}))


def install(app: FastAPI) -> None:
    """Give an application the one error shape."""
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        FrontlineError: _frontline,
        RequestValidationError: _parameters,
        HTTPException: _http,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
