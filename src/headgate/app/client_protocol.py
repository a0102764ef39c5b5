"""uvicorn's HTTP/1.1 connection with what it leaves to a proxy in front: bounds on a request's head and on how slowly
a request may come, and an ear for clients that offer HTTP/2. Must not know what is served.
"""

import asyncio
import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 32 * 1024
"""Of a request line with its header fields; a longer one is answered with 431."""
HEAD_FIELDS_MAX: Final = 100
REQUEST_S_MAX: Final = 10.0
"""How long a head may take, and how often a body is looked at."""
BODY_BYTES_PER_LOOK_MIN: Final = 10 * 1024
"""How much of a body must have come between two looks: 1 KiB/s."""

_H2C: Final = re.compile(rb"\r\nupgrade:[ \t]*h2c[^\r\n]*", re.IGNORECASE)
_ANSWERS: Final = {
    408: b"The request came too slowly.",
    431: b"The request's head is over the limit of %d bytes or %d fields." % (HEAD_BYTES_MAX, HEAD_FIELDS_MAX),
}


class _LongHead(Exception):
    """Ends the parsing of a head."""


class ClientProtocol(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_begun = False
        """Whether a request is under way."""
        self._is_in_head = False
        self._head_bytes = 0
        self._seen_bytes = 0
        self._status = 400
        self._watch: asyncio.TimerHandle | None = None

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # pyright: ignore[reportArgumentType] - as uvicorn declares it
        self._watch = self.loop.call_later(REQUEST_S_MAX, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_begun:
            data = without_h2c(data)
        self._seen_bytes += len(data)
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse(431)
        if self._is_begun and self._watch is None:
            self._watch = self.loop.call_later(REQUEST_S_MAX, self._look)

    # What the parser tells

    def on_message_begin(self) -> None:
        self._is_begun = self._is_in_head = True
        self._head_bytes = self._seen_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._seen_bytes = BODY_BYTES_PER_LOOK_MIN  # of the first look, whatever came with the head
        if len(self.headers) > HEAD_FIELDS_MAX or _size(self.url, self.headers) > HEAD_BYTES_MAX:
            self._status = 431
            raise _LongHead
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_begun = False
        self._unwatch()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers to what is not HTTP, or to what this class has refused."""
        if self._status == 400:
            super().send_400_response(msg)
        else:
            self._refuse(self._status)

    def _look(self) -> None:
        """Is this request still coming?"""
        self._watch = None
        if self.transport.is_closing():
            return
        if self._is_in_head or self._seen_bytes < BODY_BYTES_PER_LOOK_MIN:
            self._refuse(408)
            return
        self._seen_bytes = 0
        self._watch = self.loop.call_later(REQUEST_S_MAX, self._look)

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _refuse(self, status: int) -> None:
        """Tells why, unless an answer has begun, and closes."""
        if self.cycle is None or self.cycle.response_complete:
            answer = _ANSWERS[status]
            head = b"HTTP/1.1 %d \r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            self.transport.write((head + b"connection: close\r\n\r\n") % (status, len(answer)) + answer)
        self.transport.close()


def without_h2c(data: bytes) -> bytes:
    """A request without its offer of HTTP/2, which a server may ignore (RFC 9110, 7.8): the parser would take it for
    agreed and lose the body. Java's and JetBrains' clients offer it (https://github.com/Kludex/uvicorn/issues/2722,
    2026-11)."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or data.find(b"h2c", 0, end) < 0:
        return data
    return _H2C.sub(b"", data[: end + 4], count=1) + data[end + 4 :]


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
