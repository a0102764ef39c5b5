"""The vendors' SDK clients without a network: an HTTP transport that calls the client listener in process.

Streams stay streams: each piece is handed over as it is written, and leaving early tells the engine so. Imported
only when a client is asked for, since it needs the SDKs' own HTTP library.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import httpx2

from headgate.server.incoming import Incoming, Reply, RequestHead
from headgate.server.listener import ClientListener
from headgate.server.listening import Spawn

BASE_URL = "http://headgate.local"
"""Never looked up: the transport below answers for it."""
Answer = TypeVar("Answer")
_PIECES_MAX = 64
"""How many pieces may wait for a reader before the writer does."""


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
    """One request as the listener sees it, and the exchange that its answer comes through."""

    def __init__(self, request: httpx2.Request, body: bytes) -> None:
        url = request.url
        headers = {name.lower(): value for name, value in request.headers.raw if name.lower() != b"content-length"}
        head = RequestHead(request.method, url.path, url.query, headers)
        head.raw_path = url.raw_path.partition(b"?")[0].decode("latin-1")
        self._incoming = Incoming(head, len(body))
        self._incoming.body = body
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]]
        self._pieces: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._callback: Callable[[], None] | None = None
        self._is_over = self._is_left = self._is_ended = False

    async def begin(self, spawn: Spawn, listener: ClientListener) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers, when they are known; a caller who does not wait so long has left."""
        self._head = asyncio.get_running_loop().create_future()
        running = self._run(listener)
        try:
            spawn(running)
        except RuntimeError:  # the task group has ended
            running.close()
            raise _closed() from None
        try:
            return await self._head
        except asyncio.CancelledError:
            self.leave()
            raise

    async def _run(self, listener: ClientListener) -> None:
        try:
            greeting = listener.greet(self._incoming)
            reply = greeting if greeting is None or isinstance(greeting, Reply) else await greeting
            if reply is None and len(self._incoming.body) > self._incoming.body_bytes_max:
                reply = listener.too_large(self._incoming)
            if reply is None:
                await listener.serve(self._incoming, self)
            else:
                self.start(reply.status, reply.head)
                self.end(reply.body)
        finally:
            self._callback = None
            if not self._head.done():
                self._head.set_exception(httpx2.RemoteProtocolError("Headgate ended this call without an answer"))
                self._head.exception()  # whoever waited may have left
            self._finish()

    async def next(self) -> bytes:
        """More of the body; b"" at its end. Raises `RemoteProtocolError` where it breaks off."""
        while not self._pieces and not self._is_over:
            self._news.clear()
            await self._news.wait()
        if not self._pieces and not self._is_ended and not self._is_left:
            raise httpx2.RemoteProtocolError("the answer ended before it was whole")
        data = self._pieces.popleft() if self._pieces else b""
        self._room.set()
        return data

    def leave(self) -> None:
        """The caller wants no more."""
        self._is_left = True
        self._pieces.clear()
        self._room.set()
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    # The exchange

    @property
    def is_congested(self) -> bool:
        """Whether the reader is far behind."""
        return len(self._pieces) >= _PIECES_MAX

    def start(self, status: int, fields: bytes) -> None:
        """Status and headers."""
        if not self._head.done():
            lines = (line.partition(b": ") for line in fields.split(b"\r\n") if line)
            self._head.set_result((status, [(name, value) for name, _, value in lines]))

    def write(self, data: bytes) -> None:
        """More of the body."""
        if data and not self._is_left:
            self._pieces.append(data)
            self._news.set()

    def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self._callback = None
        self._is_ended = True
        self.write(data)
        self._finish()

    async def drained(self) -> None:
        """Waits for the reader."""
        while self.is_congested and not self._is_left:
            self._room.clear()
            await self._room.wait()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back if the caller leaves."""
        if self._is_left:
            callback()
        else:
            self._callback = callback

    def _finish(self) -> None:
        self._is_over = True
        self._news.set()


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
