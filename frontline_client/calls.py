"""The calls without their transport: generators that yield what to send and when, and get what came of it.

So batches, pages and retries are written once, for the synchronous and the asynchronous client.
"""

import itertools
import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx

from frontline_client.errors import FOREIGN, NO_ANSWER, NOT_SENT, ApiError
from frontline_client.retries import Retries
from frontline_client.types import Page, Report, Score

MOST = 256  # reports of a batch
MOST_EXPLAINED = 32
_FAILED = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)


@dataclass(frozen=True)
class Ask:
    """A request to send, after so many seconds."""

    method: str
    path: str
    params: dict[str, str | int] = field(default_factory=dict)
    body: bytes | None = None
    after: float = 0.0


T = TypeVar("T")
Outcome = httpx.Response | httpx.RequestError
Flow = Generator[Ask, Outcome, T]


def fetch(ask: Ask, retries: Retries, field: str) -> Flow[Any]:
    """The decoded answer to a request, an object that has this field. Raises ApiError."""
    for failures in itertools.count(1):
        outcome = yield ask
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return _decoded(outcome, field)
        error = _error(outcome)
        wait = retries.wait(failures, error)
        if wait is None:
            raise error from outcome if isinstance(outcome, Exception) else None
        ask = replace(ask, after=wait)
    raise AssertionError  # the count has no end


def one(path: str, report: Report, retries: Retries, *, explain: bool = False) -> Flow[Score]:
    """The score of one report."""
    answer: Score = yield from fetch(_post(path, report, explain), retries, "report_id")
    return answer


def many(
    path: str, reports: Iterable[Report], retries: Retries, *, explain: bool = False
) -> Flow[list[Score | ApiError]]:
    """A score or an error for each report, in order, in as many batches as it takes.

    Where nothing can be sent any longer the rest has that error; it is raised only if nothing was answered before.
    """
    left, parts, results = iter(reports), list[list[Report]](), list[Score | ApiError]()
    while some := parts.pop() if parts else list(itertools.islice(left, MOST_EXPLAINED if explain else MOST)):
        try:
            results += yield from _batch(path, some, retries, explain)
        except ApiError as error:
            if not _is_for_less(error):
                if not results:
                    raise
                return results + [error for _ in itertools.chain(some, *parts, left)]
            if len(some) == 1:
                results.append(error)
            else:
                half = len(some) // 2
                parts += [some[half:], some[:half]]
    return results


def page(after: int, limit: int, retries: Retries) -> Flow[Page]:
    """At most so many decisions after a cursor."""
    answer: Page = yield from fetch(Ask("GET", "/v1/decisions", {"after": after, "limit": limit}), retries, "decisions")
    return answer


def _batch(path: str, reports: Sequence[Report], retries: Retries, explain: bool) -> Flow[list[Score | ApiError]]:
    answer = yield from fetch(_post(f"{path}/batch", {"reports": reports}, explain), retries, "results")
    return [ApiError.of_item(item["error"]) if "error" in item else item for item in answer["results"]]


def _is_for_less(error: ApiError) -> bool:
    """Whether half of a batch may be fine: it is too large, or one report of it is no JSON."""
    return error.status == 413 or error.code == "invalid_json"


def _decoded(response: httpx.Response, field: str) -> Any:
    try:
        answer = response.json()
        answer[field]
    except (ValueError, LookupError, TypeError):
        message = "the answer is not Frontline's; is the address right?"
        raise ApiError(FOREIGN, message, status=response.status_code) from None
    return answer


def _post(path: str, value: object, explain: bool) -> Ask:
    return Ask("POST", path, {"explain": "spans"} if explain else {}, json.dumps(value).encode())


def _error(outcome: Outcome) -> ApiError:
    if isinstance(outcome, httpx.Response):
        return ApiError.of_response(outcome)
    message = f"no answer came ({type(outcome).__name__})"
    return ApiError(NO_ANSWER if isinstance(outcome, _FAILED) else NOT_SENT, message)
