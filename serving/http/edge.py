"""The outermost layer of the HTTP interface: request ids, limits, security headers, the log line, the last catch."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models import FrontlineError
from serving import metrics
from serving.errors import BodyTooLarge, BodyTooSlow, Overloaded
from serving.http.errors import InternalError, respond
from serving.http.metrics import PATH as METRICS_PATH
from serving.logs import log, where

BODY_SECONDS = 30  # within which a body must have come
CLIENT_LEFT = 499  # as nginx counts those who did not wait for their answer
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        max_in_flight: int,
        admit: Callable[[Scope], None],
        sheds: Callable[[Scope], bool],
    ) -> None:
        self.app = app
        self._admit = admit  # raises Overloaded, before anything was spent on a request
        self._sheds = sheds  # whether the connection is to end with the answer
        self._max_body_bytes = max_body_bytes
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _named(scope)
        started, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
                if self._sheds(scope):
                    headers["Connection"] = "close"
            with self._waiting():
                await send(message)

        self._in_flight += 1
        try:
            self._check(scope)
            await self.app(scope, self._limited(receive), sending)
        except Exception as error:
            answer = _answer(error, request_id, scope["path"])
            if not status:  # later than that, the server can only close the connection
                await answer(scope, receive, sending)
        finally:
            self._in_flight -= 1
            _note(scope, status, time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        if self._in_flight > self._max_in_flight and scope["path"] != METRICS_PATH:  # an overload should be seen
            raise Overloaded("the service has all the requests that it can handle; try again shortly")
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            raise self._too_large()
        self._admit(scope)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """While a request waits for its client it takes no place, or a few slow clients would take them all."""
        self._in_flight -= 1
        try:
            yield
        finally:
            self._in_flight += 1

    def _limited(self, receive: Receive) -> Receive:
        """The same stream, cut off past the limits: a sender need not say how long its body is, nor say the truth."""
        size, more, until = 0, True, asyncio.get_running_loop().time() + BODY_SECONDS

        async def receiving() -> Message:
            nonlocal size, more
            if not more:  # all that is left to come is that the client leaves
                return await receive()
            try:
                with self._waiting():
                    async with asyncio.timeout_at(until):
                        message = await receive()
            except TimeoutError:
                raise BodyTooSlow(f"the body did not come within {BODY_SECONDS} seconds") from None
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
            if size > self._max_body_bytes:
                raise self._too_large()
            return message

        return receiving

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body is larger than {self._max_body_bytes} bytes, which is the most that is taken")


def _named(scope: Scope) -> str:
    """The request's id, its own if that is harmless, which everything that is logged of it names."""
    given = Headers(scope=scope).get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    scope.setdefault("state", {})["request_id"] = request_id
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def _answer(error: Exception, request_id: str, path: str) -> Response:
    """What is answered to a request that failed; the log is told where nobody else would know why."""
    if isinstance(error, FrontlineError):
        return respond(error, request_id, path)
    if isinstance(error, ClientDisconnect):  # nobody reads it, but until there is one BentoML holds on to the request
        log.info("client_left")
        return Response(status_code=CLIENT_LEFT)
    log.error("internal_error", error=type(error).__qualname__, where=where(error))
    return respond(InternalError(), request_id, path)


def _note(scope: Scope, status: int, seconds: float) -> None:
    """Count and log a request that has ended."""
    route = getattr(scope.get("route"), "path", None) or None  # the pattern, as an address may quote anything
    metrics.count_request(scope["method"], route, status, seconds)
    log.info("request", method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000, 1))
