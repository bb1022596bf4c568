"""Errors as Perspective's callers know them: google.rpc statuses, and its own error types in the details."""

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from models import FrontlineError
from serving.http.headers import headers_of, retry_after

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
# What the protocol has no status for. A failure of ours is a 503: its callers try again after that.
_INSTEAD = {405: 404, 409: 400, 413: 400, 415: 400, 422: 400, 500: 503}
_ERROR = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
_HARMLESS = re.compile(r"[\w@.$-]{1,64}", re.ASCII)


class Refused(FrontlineError):
    """A call that the protocol refuses, with the details that it gives."""

    code, status = "refused", 400

    def __init__(self, message: str, *details: dict[str, Any], status: int = 400) -> None:
        super().__init__(message)
        self.details = details
        self.status = status


def refused(message: str, error_type: str = "INVALID_REQUEST", **more: Any) -> Refused:
    """A request refused for one of the protocol's own reasons."""
    return Refused(message, {"@type": _ERROR, "errorType": error_type, **more})


def bad_field(path: str, description: str) -> Refused:
    """A request with a field that does not fit, or with one that does not exist."""
    violation = {"field": path, "description": description} if path else {"description": description}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return Refused(f"Invalid JSON payload received. {description}", detail)


def bad_key() -> Refused:
    """A key that is unknown or revoked; a 400, as the original had it."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "commentanalyzer.googleapis.com"},
    }
    return Refused("API key not valid. Please pass a valid API key.", info)


def harmless(name: str) -> str:
    """A name that a caller chose, if it is one; otherwise a question mark, as it could be anything."""
    return name if _HARMLESS.fullmatch(name) else "?"


def respond(error: FrontlineError, _request_id: str | None) -> Response:
    """Any error as this protocol's answer; the request id is in the header `X-Request-ID`."""
    status = _INSTEAD.get(error.status, error.status)
    details = list(error.details) if isinstance(error, Refused) else []
    if status in (429, 503):
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after(error)}s"})
    headers = headers_of(error, status)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"code": status, "message": error.message, "status": _STATUSES.get(status, "UNKNOWN")}
    return JSONResponse({"error": body | ({"details": details} if details else {})}, status, headers)
