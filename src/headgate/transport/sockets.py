"""Opens WebSockets to upstreams: the same names, addresses and certificates as the pool's. Must not know what is said.

Failures are those of `base`; a server that answers in HTTP instead is no failure here, but a `Refusal` with its body.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from msgspec import Struct
from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.uri import WebSocketURI

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.faults import connect_problem, problem
from headgate.transport.origins import HeadWriter, Place, parse_place
from headgate.transport.pool import Pool
from headgate.transport.websocket import SocketBounds, WebSocket

_SWITCH: Final = (
    b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: %b\r\n\r\n"
)
_CLOSE_S_MAX: Final = 1.0


class Refusal(Struct, frozen=True, kw_only=True):
    """An answer in HTTP where a WebSocket was wished for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Sockets:
    """WebSockets to upstreams. Close it with `aclose`, before the pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._heads = HeadWriter()
        self._open: set[WebSocket] = set()
        self._emptied: asyncio.Future[None] | None = None

    async def open(self, request: UpstreamRequest, timeouts: Timeouts, bounds: SocketBounds) -> WebSocket | Refusal:
        """A WebSocket at an `http:` or `https:` URL, or what the server said instead. Raises `UpstreamError`."""
        place = parse_place(request.url)
        head = self._heads.render("GET", place, request.headers)
        socket = await self._dialled(place, head, timeouts, bounds)
        try:
            async with asyncio.timeout(timeouts.head_s):
                answer = await asyncio.shield(socket.answer)
        except TimeoutError:
            socket.abort()
            words = f"no answer from {place.origin} in {timeouts.head_s:g} s"
            raise UpstreamError(problem(Outcome.SLOW, words)) from None
        except asyncio.CancelledError:
            socket.abort()
            raise
        if answer is None:
            raise UpstreamError(problem(Outcome.CUT, f"cut: {place.origin} ended before its answer"))
        if answer.status_code == 101 and socket.is_agreed:
            return socket  # which may be over by now: what was said before is still to be read
        socket.abort()
        if answer.status_code == 101:
            raise UpstreamError(problem(Outcome.PROTOCOL, f"the answer of {place.origin} opens no WebSocket"))
        return _refusal(answer)

    async def aclose(self) -> None:
        """Ends every socket."""
        for socket in tuple(self._open):
            socket.abort()
        if self._open:
            self._emptied = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):  # a TLS connection whose peer is silent: the loop closes its socket later
                async with asyncio.timeout(_CLOSE_S_MAX):
                    await self._emptied

    async def _dialled(self, place: Place, head: bytes, timeouts: Timeouts, bounds: SocketBounds) -> WebSocket:
        origin = place.origin
        uri = WebSocketURI(origin.is_tls, origin.host, origin.port, "/", "")
        framing = ClientProtocol(uri, max_size=bounds.message_bytes_max)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeouts.connect_s):
                dialled = await self._pool.dialler.socket_to(origin)
                try:
                    transport, socket = await loop.create_connection(
                        lambda: WebSocket(framing, bounds),
                        sock=dialled,
                        ssl=self._pool.tls if origin.is_tls else None,
                        server_hostname=origin.host if origin.is_tls else None,
                    )
                except BaseException:
                    dialled.close()
                    raise
        except TimeoutError:
            words = f"connect timeout: no connection to {origin} in {timeouts.connect_s:g} s"
            raise UpstreamError(problem(Outcome.CONNECT, words)) from None
        except OSError as error:
            raise UpstreamError(connect_problem(error, str(origin))) from None
        socket.on_gone = self._gone
        self._open.add(socket)
        transport.write(head + _SWITCH % framing.key.encode())
        return socket

    def _gone(self, socket: WebSocket) -> None:
        self._open.discard(socket)
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)


def _refusal(answer: Response) -> Refusal:
    headers = {name.lower(): value for name, value in answer.headers.raw_items()}
    return Refusal(status=answer.status_code, headers=headers, body=bytes(answer.body or b""))
