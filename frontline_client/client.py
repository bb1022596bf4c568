"""The two clients, over httpx: one that waits, and one for asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Self

import httpx

from frontline_client import calls
from frontline_client.calls import Ask, Flow, Outcome, T
from frontline_client.errors import ApiError
from frontline_client.retries import Retries
from frontline_client.types import Decision, Report, Score

SCORE, REPORTS = "/v1/score", "/v1/reports"
PAGE = 100  # decisions fetched at once
TIMEOUT = httpx.Timeout(75, connect=5)  # seconds; the service itself gives up after 60
_DEFAULT = Retries()


def _options(url: str, token: str, timeout: httpx.Timeout | float) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "User-Agent": "frontline-client"}
    return {"base_url": url, "headers": headers, "timeout": timeout}


class Frontline:
    """A client that waits for its answers; safe to share between threads, and to be closed after use.

    `token` is one of the role intake, `timeout` in seconds. `transport` is how httpx reaches the service. Every call
    raises ApiError. Handing the same report in again gives the first answer, so calls are simply retried.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: Retries = _DEFAULT,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self._http = httpx.Client(transport=transport, **_options(url, token, timeout))

    def score(self, report: Report, *, explain: bool = False) -> Score:
        """The score of a report, of which nothing is kept; `explain` adds hints."""
        return self._run(calls.one(SCORE, report, self._retries, explain=explain))

    def score_many(self, reports: Iterable[Report], *, explain: bool = False) -> list[Score | ApiError]:
        """For each report in order its score, or why it has none; nothing is kept."""
        return self._run(calls.many(SCORE, reports, self._retries, explain=explain))

    def report(self, report: Report) -> Score:
        """Hand a report in: it is scored, kept once, and its case waits for a reviewer."""
        return self._run(calls.one(REPORTS, report, self._retries))

    def report_many(self, reports: Iterable[Report]) -> list[Score | ApiError]:
        """Hand reports in; for each in order its score, or why it was not taken."""
        return self._run(calls.many(REPORTS, reports, self._retries))

    def decisions(self, after: int = 0) -> Iterator[Decision]:
        """The decisions after a cursor, up to the last for now. Keep each one's `seq`, and start from it next time."""
        while True:
            page = self._run(calls.page(after, PAGE, self._retries))
            yield from page["decisions"]
            if page["next"] == after:
                return
            after = page["next"]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        try:
            ask = next(flow)
            while True:
                if ask.after:
                    time.sleep(ask.after)
                ask = flow.send(self._send(ask))
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, ask: Ask) -> Outcome:
        try:
            return self._http.request(ask.method, ask.path, params=ask.params, content=ask.body)
        except httpx.RequestError as error:
            return error


class AsyncFrontline:
    """The same as Frontline, for asyncio."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: Retries = _DEFAULT,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self._http = httpx.AsyncClient(transport=transport, **_options(url, token, timeout))

    async def score(self, report: Report, *, explain: bool = False) -> Score:
        """See Frontline."""
        return await self._run(calls.one(SCORE, report, self._retries, explain=explain))

    async def score_many(self, reports: Iterable[Report], *, explain: bool = False) -> list[Score | ApiError]:
        """See Frontline."""
        return await self._run(calls.many(SCORE, reports, self._retries, explain=explain))

    async def report(self, report: Report) -> Score:
        """See Frontline."""
        return await self._run(calls.one(REPORTS, report, self._retries))

    async def report_many(self, reports: Iterable[Report]) -> list[Score | ApiError]:
        """See Frontline."""
        return await self._run(calls.many(REPORTS, reports, self._retries))

    async def decisions(self, after: int = 0) -> AsyncIterator[Decision]:
        """See Frontline."""
        while True:
            page = await self._run(calls.page(after, PAGE, self._retries))
            for decision in page["decisions"]:
                yield decision
            if page["next"] == after:
                return
            after = page["next"]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        try:
            ask = next(flow)
            while True:
                if ask.after:
                    await asyncio.sleep(ask.after)
                ask = flow.send(await self._send(ask))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, ask: Ask) -> Outcome:
        try:
            return await self._http.request(ask.method, ask.path, params=ask.params, content=ask.body)
        except httpx.RequestError as error:
            return error
