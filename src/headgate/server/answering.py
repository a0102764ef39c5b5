"""One request on a client's connection and its answer in HTTP/1.1. Must not know what is served."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from headgate.server.incoming import Incoming, Reply
from headgate.server.listening import Tenant

if TYPE_CHECKING:
    from headgate.server.http1 import ClientConnection

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, "").encode()) for status in range(100, 1000)
}
"""Of every status: providers have some of their own, such as Anthropic's 529."""

_BODILESS: Final = frozenset({204, 304})
"""Statuses whose answers end with their head: https://www.rfc-editor.org/rfc/rfc9110#section-6.4.1"""


class Http1Exchange:
    """One request on a connection, and its answer."""

    __slots__ = (
        "_callback",
        "_connection",
        "_is_chunked",
        "_keeps_alive",
        "_version",
        "body_bytes",
        "incoming",
        "is_complete",
        "is_greeted",
        "is_over",
        "parts",
        "reply",
    )

    def __init__(self, connection: "ClientConnection", incoming: Incoming, version: str, *, keeps_alive: bool) -> None:
        self._connection: ClientConnection | None = connection
        self.incoming = incoming
        self._version = version
        self._keeps_alive = keeps_alive
        self._callback: Callable[[], None] | None = None
        self._is_chunked = False
        self.is_complete = self.is_over = False
        self.is_greeted = True
        self.reply: Reply | None = None
        """The answer that needs no serving."""
        self.parts: list[bytes] = []
        self.body_bytes = 0

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write."""
        return self._connection is not None and self._connection.is_congested

    @property
    def peer(self) -> str:
        """The address at the other end of the connection; empty: it is gone."""
        return "" if self._connection is None else self._connection.peer

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        connection = self._connection
        if connection is None:
            return
        more = b"\r\n"
        if status in _BODILESS:
            pass
        elif b"content-length: " not in fields:
            if self._version == "1.1":
                self._is_chunked = True
                more = b"transfer-encoding: chunked\r\n\r\n"
            else:
                self._keeps_alive = False
        if not self._keeps_alive or connection.is_last or not self.is_complete:
            self._keeps_alive = False
            more = b"connection: close\r\n" + more
        elif self._version == "1.0":
            more = b"connection: keep-alive\r\n" + more
        connection.write(STATUS_LINES[status] + fields + more)

    def write(self, data: bytes) -> None:
        """More of the body."""
        if data and self._connection is not None and self.incoming.head.method != "HEAD":
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self.is_over = True
        self._callback = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        if data and self.incoming.head.method != "HEAD":
            connection.write(data)
        connection.answered(self, keeps_alive=self._keeps_alive)

    async def drained(self) -> None:
        """Waits until the client has caught up, or has gone."""
        if self._connection is not None:
            await self._connection.drained()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back at most once, if the client goes away before `end`."""
        self._callback = callback
        if self._connection is None and not self.is_over:
            self.lost()

    def lost(self) -> None:
        """The client has gone away."""
        self._connection = None
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def abandon(self) -> None:
        """Whoever served it has ended without ending it: cut off, so that nobody takes it for whole."""
        connection, self._connection = self._connection, None
        self.is_over = True
        if connection is not None:
            connection.abort()

    def switch(self, tenant: Tenant, head: bytes) -> bool:
        """Answers with `head` and gives the socket to another protocol; False: the client has gone already."""
        connection, self._connection = self._connection, None
        self.is_over, self._callback = True, None
        if connection is None:
            return False
        connection.switch(tenant, head)
        return True

    def tell(self, reply: Reply, *, closes: bool = False) -> None:
        """The whole answer at once."""
        self._keeps_alive = self._keeps_alive and not closes
        self.start(reply.status, reply.head)
        self.end(reply.body)
