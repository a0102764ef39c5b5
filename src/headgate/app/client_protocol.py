"""uvicorn's HTTP/1.1 connection with what it leaves to a proxy in front: bounds on a request's head and on how slowly
a request may come, and an ear for clients that offer HTTP/2. Must not know what is served.
"""

import asyncio
import re
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES_MAX: Final = 32 * 1024
"""Of a request line with its header fields; a longer one is answered with 431."""
HEAD_FIELDS_MAX: Final = 100
REQUEST_S_MAX: Final = 10.0
"""How long a head may take, and how often a body that comes slowly is looked at."""
BODY_BYTES_PER_LOOK_MIN: Final = 10 * 1024
"""How much of a body must have come between two looks: 1 KiB/s."""
UNREAD_S_MAX: Final = 300.0
"""How long a client may leave unread what was sent to it."""

_H2C: Final = re.compile(rb"\r\nupgrade:[ \t]*h2c[^\r\n]*", re.IGNORECASE)
_WORDS: Final = {
    408: b"The request came too slowly.",
    431: b"The head of the request is over the limit of %d bytes or %d fields." % (HEAD_BYTES_MAX, HEAD_FIELDS_MAX),
}


class _LongHead(Exception):
    """Ends the parsing of a head."""


class ClientProtocol(HttpToolsProtocol):
    """One client's connection. A request that comes whole in one read creates no timer."""

    request_s_max = REQUEST_S_MAX
    unread_s_max = UNREAD_S_MAX

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_begun = self._is_in_head = False
        self._read_bytes = self._head_bytes = self._body_bytes = 0
        self._status = 400
        self._timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection that is never used is kept no longer than one that was."""
        super().connection_made(transport)  # pyright: ignore[reportArgumentType] - as the loop calls it
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(self.unread_s_max, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if not self._is_begun:
            data = without_h2c(data)
        self._read_bytes = len(data)
        self._body_bytes += self._read_bytes
        if self._is_in_head:
            self._head_bytes += self._read_bytes
        super().data_received(data)
        if self.transport.is_closing() or not self._is_begun:
            return
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(431)
        elif self._timer is None:
            self._timer = self.loop.call_later(self.request_s_max, self._look)

    def on_message_begin(self) -> None:
        self._is_begun = self._is_in_head = True
        self._head_bytes = self._read_bytes
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        is_suspect = self._head_bytes > HEAD_BYTES_MAX or len(self.headers) > HEAD_FIELDS_MAX
        if is_suspect and _is_long(self.url, self.headers):
            self._status = 431
            raise _LongHead
        self._is_in_head = False
        self._body_bytes = BODY_BYTES_PER_LOOK_MIN  # the first look only starts the count
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_begun = False
        self._stop_looking()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn answers when parsing failed, be it that we ended it."""
        if self._status == 400:
            super().send_400_response(msg)
        else:
            self._refuse(self._status)

    def _look(self) -> None:
        """Whether the request is still coming."""
        self._timer = None
        if self._is_in_head or (self._body_bytes < BODY_BYTES_PER_LOOK_MIN and not self.flow.read_paused):
            self._refuse(408)
            return
        self._body_bytes = 0
        self._timer = self.loop.call_later(self.request_s_max, self._look)

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int) -> None:
        """Says why, if nothing has been said to this request or is being said to the one before; and closes."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_silent = cycle is None or (cycle.response_complete if self._is_in_head else not cycle.response_started)
        if is_silent:
            words = _WORDS[status]
            head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(words) + words)
        self.transport.close()


def without_h2c(data: bytes) -> bytes:
    """A request without its offer to go on in HTTP/2, which a server may ignore (RFC 9110, 7.8). The parser would take
    it for agreed and lose the body: https://github.com/Kludex/uvicorn/issues/2722 (2026-11), for the clients of Java
    and of JetBrains' editors."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or data.find(b"h2c", 0, end) < 0:
        return data
    return _H2C.sub(b"", data[:end], count=1) + data[end:]


def _is_long(url: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    size = len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
    return size > HEAD_BYTES_MAX or len(headers) > HEAD_FIELDS_MAX
