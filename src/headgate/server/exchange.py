"""The engine's four verbs over ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

WATCH_AFTER_S = 0.02
"""A call that is answered sooner needs nobody watching whether its client is still there: it costs a task."""


class AsgiExchange:
    """One answer over one ASGI `send`; notices a client that leaves through `receive`."""

    __slots__ = ("_callback", "_is_over", "_receive", "_send", "_spawn", "_task", "_timer", "is_started")

    def __init__(self, receive: Receive, send: Send, spawn: Spawn) -> None:
        self._receive = receive
        self._send = send
        self._spawn = spawn
        self._callback: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = False
        self.is_started = False

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Status and headers."""
        self.is_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """More of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self.close()
        await self._send({"type": "http.response.body", "body": data})

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Watches for the client leaving, from a little later on."""
        self._callback = callback
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)

    def close(self) -> None:
        """Stops watching, and lets go of whoever wanted to know: a cycle would keep the call's body in memory."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._callback = self._timer = self._task = None

    def _watch(self) -> None:
        if not self._is_over:
            self._task = self._spawn(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._is_over and self._callback is not None:
            self._callback()
