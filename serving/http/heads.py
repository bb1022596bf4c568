"""Request heads that are too large: uvicorn takes any size, and the time that it takes is everybody else's."""

from uvicorn import config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 2**10


class LimitedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which gives up on a client that sends so much of a head, or of trailers, without end."""

    _size = 0  # bytes that came since the last that ended a head or was body, in whole reads

    def on_message_begin(self) -> None:
        """A request begins."""
        self._size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head ends."""
        self._size = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of its body has come."""
        self._size = 0
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Something has come over the wire."""
        self._size += len(data)
        super().data_received(data)
        if self._size > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is larger than {MAX_HEAD_BYTES} bytes.")


def limit() -> None:
    """Have uvicorn use it; BentoML, which starts uvicorn, has no setting for this."""
    config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedHeads.__name__}"
