"""A client that costs little, so that the service gets the processor: requests made beforehand, answers unparsed."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop


def request(path: str, body: bytes, token: str | None = None) -> bytes:
    """A whole request as it goes over the wire."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


@dataclass
class Outcome:
    """What a run gave: seconds of each request by its number, the status codes, and the client's processor time.

    An open loop also keeps the answers, as they came over the wire.
    """

    wall: float = 0.0
    processor: float = 0.0
    latency: dict[int, float] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    answers: dict[int, bytes] = field(default_factory=dict)


class _Caller(asyncio.Protocol):
    """One connection, which sends the next request once the one before is answered."""

    def __init__(self, wanted: Iterator[tuple[int, bytes]], outcome: Outcome, ended: asyncio.Future[None]) -> None:
        self._wanted, self._outcome, self._ended = wanted, outcome, ended
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        self._number, data = next(self._wanted, (-1, b""))
        if self._number < 0:
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = bytes(self._buffer).partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._outcome.latency[self._number] = time.perf_counter() - self._started
        status = int(head[9:12])
        self._outcome.statuses[status] = self._outcome.statuses.get(status, 0) + 1
        self._buffer.clear()
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(b"content-length:") + len(b"content-length:")
    return int(lowered[start:].split(b"\r\n", 1)[0])


def closed_loop(port: int, requests: list[bytes], connections: int) -> Outcome:
    """Send all requests over so many connections, each with one request at a time."""
    outcome, wanted = Outcome(), iter(enumerate(requests))

    async def run() -> None:
        loop = asyncio.get_running_loop()
        endings = [loop.create_future() for _ in range(connections)]
        started, busy = time.perf_counter(), time.process_time()
        for ended in endings:
            await loop.create_connection(lambda ended=ended: _Caller(wanted, outcome, ended), "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.gather(*endings)
        outcome.wall, outcome.processor = time.perf_counter() - started, time.process_time() - busy

    uvloop.run(run())
    return outcome


def open_loop(port: int, requests: list[bytes], due: list[float]) -> Outcome:
    """Send each request at its time, in seconds from the start, whether or not those before are answered.

    The latency counts from the time that a request was due.
    """
    outcome = Outcome()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        started, busy = time.perf_counter(), time.process_time()

        async def send(number: int) -> None:
            await asyncio.sleep(started + due[number] - time.perf_counter())
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            outcome.answers[number] = head + await reader.readexactly(_length(head))
            outcome.latency[number] = time.perf_counter() - started - due[number]
            status = int(head[9:12])
            outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
            writer.close()

        await asyncio.gather(*(loop.create_task(send(number)) for number in range(len(requests))))
        outcome.wall, outcome.processor = time.perf_counter() - started, time.process_time() - busy

    uvloop.run(run())
    return outcome
