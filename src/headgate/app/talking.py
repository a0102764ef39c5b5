"""Calls of somebody at the dashboard, made in the name of a key: like any client's, through the same listener."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final

from headgate.app.own.calling import incoming_of
from headgate.core.principal import Principal
from headgate.server.listener import ClientListener
from headgate.server.listening import Spawn

_PIECES_MAX: Final = 256
"""How many pieces may wait for a slow reader."""
_END: Final = b""


class Piped:
    """An exchange whose answer is read from a queue as it comes."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[str, str] = {}
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._callback: Callable[[], None] | None = None
        self._room = asyncio.Event()
        self._is_left = False

    @property
    def is_congested(self) -> bool:
        """Whether the reader is far behind."""
        return self._pieces.qsize() >= _PIECES_MAX and not self._is_left

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        self.status = status
        lines = (line.partition(": ") for line in fields.decode("latin-1").split("\r\n") if line)
        self.fields = {name.lower(): value for name, _, value in lines}

    def write(self, data: bytes) -> None:
        """More of the body."""
        if data and not self._is_left:
            self._pieces.put_nowait(data)

    def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self._callback = None
        self.write(data)
        self.finish()

    async def drained(self) -> None:
        """Waits for the reader."""
        while self.is_congested:
            self._room.clear()
            await self._room.wait()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back if the reader leaves."""
        if self._is_left:
            callback()
        else:
            self._callback = callback

    def finish(self) -> None:
        """Nothing more comes."""
        self._pieces.put_nowait(_END)

    def leave(self) -> None:
        """The reader wants no more."""
        self._is_left = True
        self._room.set()
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    async def next(self) -> bytes:
        """The next piece; empty: that was all."""
        piece = await self._pieces.get()
        self._room.set()
        return piece


async def talk(listener: ClientListener, spawn: Spawn, caller: Principal, body: bytes) -> AsyncGenerator[bytes]:
    """Makes a chat completion; yields a comment with the call's id, then the answer's bytes as they come."""
    piped = Piped()
    spawn(_serve(listener, caller, body, piped))
    try:
        piece = await piped.next()
        yield f": {piped.fields.get('x-headgate-request-id', '')}\n\n".encode()
        while piece:
            yield piece
            piece = await piped.next()
    finally:
        piped.leave()


async def _serve(listener: ClientListener, caller: Principal, body: bytes, piped: Piped) -> None:
    headers = {b"content-type": b"application/json"}
    try:
        await listener.serve(incoming_of(caller, "POST", "/v1/chat/completions", body, headers), piped)
    finally:
        piped.finish()


async def quoted(listener: ClientListener, caller: Principal, body: bytes, tags: str) -> tuple[int, bytes]:
    """What `POST /v1/quote` answers to that caller: the status, and the quote or an error."""
    piped = Piped()
    headers = {b"content-type": b"application/json"} | ({b"x-headgate-tags": tags.encode()} if tags else {})
    await listener.serve(incoming_of(caller, "POST", "/v1/quote", body, headers), piped)
    piped.finish()
    parts: list[bytes] = []
    while piece := await piped.next():
        parts.append(piece)
    return piped.status, b"".join(parts)
