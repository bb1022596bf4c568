"""Errors as OpenAI's clients know them, whoever in the service raised them; nothing that was sent is quoted."""

from starlette.responses import JSONResponse, Response

from models import FrontlineError
from serving.http.headers import headers_of

# What the protocol has another status for. A failure of ours is a 503: its clients try again after that.
_INSTEAD = {403: 401, 415: 400, 500: 503}
# By our code, where theirs is not the same: their code (none for failures of the server), and words as theirs.
_CODES: dict[str, str | None] = {
    "unauthenticated": "invalid_api_key",
    "forbidden": None,
    "invalid_json": None,
    "not_found": None,
    "method_not_allowed": None,
    "unsupported_media_type": "unsupported_content_type",
    "overloaded": "rate_limit_exceeded",
}
_FAILED = "The server had an error while processing your request. Its log has the cause under the request id."
_MESSAGES = {
    "unauthenticated": "Incorrect API key provided. Make one with `frontline token create`.",
    "forbidden": "You have insufficient permissions for this operation: its key is not that of an intake system.",
    "invalid_json": "We could not parse the JSON body of your request. The API expects a JSON payload, but what was "
    "sent was not valid JSON in UTF-8.",
    "not_found": "Invalid URL. There is POST /v1/moderations.",
    "method_not_allowed": "Not allowed at /v1/moderations. (HINT: Perhaps you meant to use a different HTTP method?)",
    "unsupported_media_type": "Unsupported content type. This API method only accepts 'application/json' requests. "
    "Please try again with a supported content type.",
    "internal_error": _FAILED,
    "scoring_failed": _FAILED,
}
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)


class Refused(FrontlineError):
    """A body that the protocol refuses; `code` is the protocol's and `field` what it calls `param`."""

    status = 400

    def __init__(self, code: str, message: str, *, param: str | None) -> None:
        super().__init__(message, field=param)
        self.code = code


def respond(error: FrontlineError, _request_id: str | None) -> Response:
    """The response that an error becomes; the request id is in its headers alone."""
    status = _INSTEAD.get(error.status, error.status)
    code, message = _CODES.get(error.code, error.code), _MESSAGES.get(error.code, error.message)
    if error.code == "unauthenticated" and error.field:  # the header is missing
        code, message = None, _NO_KEY
    detail = {
        "message": message,
        "type": "requests" if status == 429 else "server_error" if status >= 500 else "invalid_request_error",
        "param": error.field if isinstance(error, Refused) else None,
        "code": code if status < 500 else None,
    }
    return JSONResponse({"error": detail}, status, headers_of(error, status))
