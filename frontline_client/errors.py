"""The one exception of the client: what the service refused, or that no answer of it came."""

from collections.abc import Mapping
from typing import Any, Self

import httpx

NO_ANSWER = "no_answer"  # where the connection failed, or nothing came in time
NOT_SENT = "not_sent"  # where the address or the token cannot be
FOREIGN = "foreign_answer"  # where something answered that is not Frontline, such as a proxy


class ApiError(Exception):
    """Why a call, or one report of a batch, failed.

    `code` is the service's stable code, or one of those above; `message` says what to do; `field` is the dotted path of
    what was wrong; `request_id` finds the request in the service's log. `status` is the HTTP status, None for one
    report of a batch and where no answer came. `retry_after` is in seconds, where the service says so.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message)  # which is what a copy is made from
        self.code = code
        self.message = message
        self.field = field
        self.request_id = request_id
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def of_item(cls, detail: Mapping[str, Any]) -> Self:
        """The error of one report of a batch."""
        return cls(detail["code"], detail["message"], field=detail.get("field"), request_id=detail.get("request_id"))

    @classmethod
    def of_response(cls, response: httpx.Response) -> Self:
        """The error that a response is, or that it is not ours."""
        after = response.headers.get("retry-after", "")
        known: dict[str, Any] = {
            "status": response.status_code,
            "retry_after": float(after) if after.isdecimal() else None,
        }
        try:
            detail = response.json()["error"]
            return cls(
                detail["code"],
                detail["message"],
                field=detail.get("field"),
                request_id=detail.get("request_id"),
                **known,
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            message = f"an answer with status {response.status_code} is not Frontline's; is the address right?"
            return cls(FOREIGN, message, request_id=response.headers.get("x-request-id"), **known)
