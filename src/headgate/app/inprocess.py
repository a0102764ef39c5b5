"""The vendors' SDK clients without a network: an HTTP transport that calls the client listener in process.

Streams stay streams: each piece is handed over as it is written, and leaving early tells the engine so. Imported
only when a client is asked for, since it needs the SDKs' own HTTP library.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import httpx2

from headgate.server.asgi import ClientListener
from headgate.server.exchange import Message, Spawn

BASE_URL = "http://headgate.local"
"""Never looked up: the transport below answers for it."""
Answer = TypeVar("Answer")


class AsyncTransport(httpx2.AsyncBaseTransport):
    """Answers requests on the running loop."""

    def __init__(self, listener: ClientListener, spawn: Spawn) -> None:
        self._listener = listener
        self._spawn = spawn

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One exchange; returns when its head is known."""
        visit = _Visit(request, await request.aread())
        status, headers = await visit.begin(self._spawn, self._listener)
        return httpx2.Response(status, headers=headers, stream=_AsyncBody(visit))


class SyncTransport(httpx2.BaseTransport):
    """Answers requests of any thread on the loop of another."""

    def __init__(self, listener: ClientListener, spawn: Spawn, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._spawn = spawn
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """One exchange; returns when its head is known."""
        visit = _Visit(request, request.read())
        status, headers = self._wait(visit.begin(self._spawn, self._listener))
        return httpx2.Response(status, headers=headers, stream=_SyncBody(visit, self._wait))

    def _wait(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        if self._loop.is_closed():
            coroutine.close()
            raise _closed()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _closed() -> httpx2.ConnectError:
    return httpx2.ConnectError("the gateway of this client is closed")


class _Visit:
    """One request as the listener sees it."""

    def __init__(self, request: httpx2.Request, body: bytes) -> None:
        url = request.url
        self._scope: Message = {
            "type": "http",
            "method": request.method,
            "path": url.path,
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }
        self._body = body
        self._is_read = False
        self._is_left = asyncio.Event()
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=64)

    async def begin(self, spawn: Spawn, listener: ClientListener) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers, when they are known; a caller who does not wait so long has left."""
        running = self._run(listener)
        try:
            spawn(running)
        except RuntimeError:  # the task group has ended
            running.close()
            raise _closed() from None
        try:
            message = await self._messages.get()
        except asyncio.CancelledError:
            self.leave()
            raise
        if message is None:
            raise httpx2.RemoteProtocolError("Headgate ended this call without an answer")
        return message["status"], list(message["headers"])

    async def _run(self, listener: ClientListener) -> None:
        try:
            await listener(self._scope, self._receive, self._send)
        finally:
            if not self._is_left.is_set():
                await self._messages.put(None)

    async def next(self) -> bytes:
        """More of the body; b"" at its end."""
        while (message := await self._messages.get()) is not None:
            if message["body"]:
                return message["body"]
            if not message.get("more_body", False):
                break
        return b""

    def leave(self) -> None:
        """The caller wants no more."""
        self._is_left.set()
        while not self._messages.empty():  # a writer that waits for room must not wait for ever
            self._messages.get_nowait()

    async def _receive(self) -> Message:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._is_left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if not self._is_left.is_set():
            await self._messages.put(message)


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, visit: _Visit) -> None:
        self._visit = visit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._visit.next():
            yield data

    async def aclose(self) -> None:
        self._visit.leave()


class _SyncBody(httpx2.SyncByteStream):
    def __init__(self, visit: _Visit, wait: Any) -> None:
        self._visit = visit
        self._wait = wait

    def __iter__(self) -> Iterator[bytes]:
        while data := self._wait(self._visit.next()):
            yield data

    def close(self) -> None:
        with suppress(httpx2.ConnectError):  # the gateway was closed first: there is nothing left to leave
            self._wait(self._leave())

    async def _leave(self) -> None:
        self._visit.leave()
