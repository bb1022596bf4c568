"""The headers that say when and how to come again after an error, whatever the shape in which it is told."""

from models import FrontlineError

_RETRY_SECONDS = 1  # where the error knows no better


def retry_after(error: FrontlineError) -> int:
    """In how many seconds to come again after a 429 or 503."""
    return int(getattr(error, "retry_after", _RETRY_SECONDS))


def headers_of(error: FrontlineError, status: int) -> dict[str, str]:
    """The headers of an error that is answered with this status."""
    if status in (429, 503):
        return {"Retry-After": str(retry_after(error))}
    if status == 408:
        return {"Connection": "close"}  # as the rest of the body may still come
    return {}
