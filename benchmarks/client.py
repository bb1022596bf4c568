"""A client that costs little, so that the service gets the processor: requests made beforehand, answers unparsed."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

IDLE_SECONDS = 2  # a service closes what is idle for longer, and what is sent just then would be lost


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
    """What a run gave: seconds and answer, as it came over the wire, of each request by its number; the status codes,
    and the client's processor time.
    """

    wall: float = 0.0
    processor: float = 0.0
    latency: dict[int, float] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    answers: dict[int, bytes] = field(default_factory=dict)


class _Connection(asyncio.Protocol):
    """One connection, on which one request at a time is asked."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._used = 0.0  # when the last answer came
        self._closes = False

    @classmethod
    async def opened(cls, port: int) -> "_Connection":
        """A connection to a port of this machine."""
        return (await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, data: bytes) -> "asyncio.Future[bytes]":
        """Send a request; the answer comes as it was on the wire."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = bytes(self._buffer).lower().partition(b"\r\n\r\n")
        if found and len(body) >= _length(head) and self._answer and not self._answer.done():
            self._closes = b"\r\nconnection: close" in head
            self._used = time.perf_counter()
            self._answer.set_result(bytes(self._buffer))
            self._buffer.clear()

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the service closed the connection"))

    @property
    def is_closing(self) -> bool:
        """Whether it has ended, or the last answer said that it will."""
        return self._closes or self._transport.is_closing()

    @property
    def is_fresh(self) -> bool:
        """Whether another request can go over it."""
        return not self.is_closing and time.perf_counter() - self._used < IDLE_SECONDS

    def close(self) -> None:
        """Close it."""
        self._transport.close()


def _length(head: bytes) -> int:
    """Bytes of the body, by a head in lower case."""
    start = head.index(b"content-length:") + len(b"content-length:")
    return int(head[start:].split(b"\r\n", 1)[0])


class _Run:
    """What is sent, and what came of it so far."""

    def __init__(self, requests: list[bytes]) -> None:
        self.requests = requests
        self.outcome = Outcome()
        self.started, self._busy = time.perf_counter(), time.process_time()

    async def ask(self, connection: _Connection, number: int, due: float) -> None:
        """Send one request that was due at a time of `time.perf_counter`."""
        answer = await connection.ask(self.requests[number])
        self.outcome.latency[number] = time.perf_counter() - due
        self.outcome.answers[number] = answer
        status = int(answer[9:12])
        self.outcome.statuses[status] = self.outcome.statuses.get(status, 0) + 1

    def ended(self) -> Outcome:
        """The outcome, now that all is answered."""
        self.outcome.wall = time.perf_counter() - self.started
        self.outcome.processor = time.process_time() - self._busy
        return self.outcome


def closed_loop(port: int, requests: list[bytes], connections: int) -> Outcome:
    """Send all requests over so many connections, each with one request at a time."""

    async def run() -> Outcome:
        running, wanted = _Run(requests), iter(range(len(requests)))

        async def work() -> None:
            connection = await _Connection.opened(port)
            for number in wanted:
                if connection.is_closing:
                    connection = await _Connection.opened(port)
                await running.ask(connection, number, time.perf_counter())
            connection.close()

        await asyncio.gather(*(work() for _ in range(connections)))
        return running.ended()

    outcome: Outcome = uvloop.run(run())
    return outcome


def open_loop(port: int, requests: list[bytes], due: list[float]) -> Outcome:
    """Send each request at its time, in seconds from the start, whether or not those before are answered.

    It goes over a connection that is idle, or a new one. The latency counts from the time that a request was due.
    """

    async def run() -> Outcome:
        running, idle = _Run(requests), list[_Connection]()

        async def send(number: int) -> None:
            at = running.started + due[number]
            await asyncio.sleep(at - time.perf_counter())
            while idle and not idle[-1].is_fresh:
                idle.pop().close()
            connection = idle.pop() if idle else await _Connection.opened(port)
            await running.ask(connection, number, at)
            idle.append(connection)

        await asyncio.gather(*(send(number) for number in range(len(requests))))
        for connection in idle:
            connection.close()
        return running.ended()

    outcome: Outcome = uvloop.run(run())
    return outcome
