"""One WebSocket, on whichever side of it we are: messages out, messages in, bounds on both. Must not know what they
say.

Frames are read and written by `websockets`' protocol without I/O (RFC 6455). What is ours is everything that waits:
how much may be unread, how long a peer may be silent, how a close ends.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from msgspec import Struct
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol

REASON_BYTES_MAX: Final = 123
"""Of a close frame: https://www.rfc-editor.org/rfc/rfc6455#section-5.5 (2026-11)."""
_UNSENDABLE: Final = frozenset({1005, 1006, 1015})
"""Codes that only say that no code came."""


class Message(NamedTuple):
    """One message. Text is UTF-8, and has been checked to be."""

    data: bytes
    is_text: bool = True


class SocketBounds(Struct, frozen=True, kw_only=True):
    """What the peer of a WebSocket may take of us."""

    message_bytes_max: int = 20 * 1024 * 1024
    """Of one message; over it the socket is closed with 1009."""
    fragments_max: int = 1024
    """Of one message; over it the socket is closed with 1008."""
    waiting_messages_max: int = 64
    """Messages that nobody has taken yet; from there on nothing more is read."""
    waiting_bytes_max: int = 1024 * 1024
    """The same in bytes."""
    unread_pings_max: int = 64
    """Pings answered to a peer that reads nothing; over it the socket is closed with 1008."""
    ping_s: float = 20.0
    """How long a peer may be silent before it is sent a ping."""
    pong_s_max: float = 20.0
    """How long it may then go on being silent."""
    idle_s_max: float = 900.0
    """How long neither side may say anything, pings apart, while nothing is under way; then 1001."""
    unread_s_max: float = 300.0
    """How long a peer may leave unread what was sent to it."""
    close_s_max: float = 2.0
    """How long a peer may take to close after it was told to."""


class WebSocket(asyncio.Protocol):
    """The protocol of one socket that has become a WebSocket, or is about to. One coroutine at a time may `receive`."""

    def __init__(self, framing: ServerProtocol | ClientProtocol, bounds: SocketBounds | None = None) -> None:
        self.bounds = bounds or SocketBounds()
        self.on_gone: Callable[[WebSocket], None] | None = None
        """Whom it tells when its connection is closed."""
        self._framing = framing
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._is_text = True
        self._incoming: deque[Message] = deque()
        self._incoming_bytes = 0
        self._is_reading = True
        self._reader: asyncio.Future[None] | None = None
        self._drains: list[asyncio.Future[None]] = []
        self._leaving: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._unread_pings = 0
        self._said_s = self._heard_s = self._unread_since_s = self._closing_since_s = 0.0
        self._is_busy = self._is_stopping = False
        self.is_congested = False
        """Whether the peer reads slower than we write."""
        self.is_over = False
        """Whether nothing more can be sent."""
        self.answer: asyncio.Future[Response | None] = self._loop.create_future()
        """What a server said to our wish for a WebSocket; None: nothing that is HTTP."""

    # What the owner asks for

    @property
    def close_code(self) -> int:
        """The code that the socket was closed with, the peer's if it spoke first; 1006: it just ended."""
        closed = self._framing.close_rcvd if self._framing.close_rcvd_then_sent else self._framing.close_sent
        return closed.code if closed is not None else 1006

    @property
    def close_reason(self) -> str:
        """The words that came with it."""
        closed = self._framing.close_rcvd if self._framing.close_rcvd_then_sent else self._framing.close_sent
        return closed.reason if closed is not None else ""

    @property
    def is_agreed(self) -> bool:
        """Whether the handshake came to a WebSocket, be it over already."""
        return self._framing.handshake_exc is None

    @property
    def is_left(self) -> bool:
        """Whether it was the peer that ended it, with or without a word."""
        return self.is_over and (self._framing.close_sent is None or bool(self._framing.close_rcvd_then_sent))

    async def receive(self) -> Message | None:
        """The next message; None: there will be none."""
        while not self._incoming:
            if self.is_over:
                return None
            self._reader = self._loop.create_future()
            await self._reader
        message = self._incoming.popleft()
        self._incoming_bytes -= len(message.data)
        if not self._is_reading and self._has_room():
            self._is_reading = True
            self._heard_s = self._loop.time()
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return message

    def send(self, message: Message) -> None:
        """Sends a message; to a socket that is over, nothing."""
        if self.is_over:
            return
        self._said_s = self._loop.time()
        if message.is_text:
            self._framing.send_text(message.data)
        else:
            self._framing.send_binary(message.data)
        self._flush()

    async def drained(self) -> None:
        """Waits until the peer has read most of what was sent, or is gone."""
        if self.is_congested and not self.is_over:
            waiter = self._loop.create_future()
            self._drains.append(waiter)
            await waiter

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Tells the peer that it is over. A code that cannot be sent is sent as its meaning."""
        if self._framing.state is State.OPEN:
            words = reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")
            if code == CloseCode.NO_STATUS_RCVD:
                self._framing.send_close()
            else:
                self._framing.send_close(CloseCode.INTERNAL_ERROR if code in _UNSENDABLE else code, words)
            self._flush()

    def abort(self) -> None:
        """Ends the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def on_leaving(self, callback: Callable[[], None]) -> None:
        """Calls back once, when the socket is over; at once if it is."""
        if self.is_over:
            callback()
        else:
            self._leaving.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Takes `on_leaving` back."""
        if callback in self._leaving:
            self._leaving.remove(callback)

    def busy(self, *, is_busy: bool) -> None:
        """Says whether something is under way: then silence is no idleness, and the server's stop can wait."""
        self._is_busy = is_busy
        self._said_s = self._loop.time()
        if self._is_stopping and not is_busy:
            self.close_when_idle()

    def close_when_idle(self) -> None:
        """Closes now, or as soon as nothing is under way: we are about to stop."""
        self._is_stopping = True
        if not self._is_busy:
            self.close(CloseCode.GOING_AWAY, "Headgate is stopping")

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._said_s = self._heard_s = self._loop.time()
        self._look_later()
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard_s = self._loop.time()
        self._framing.receive_data(data)
        self._take_all()

    def eof_received(self) -> None:
        self._framing.receive_eof()
        self._take_all()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        if not self.answer.done():
            self.answer.set_result(None)
        self._end()
        if self.on_gone is not None:
            self.on_gone(self)

    def pause_writing(self) -> None:
        self.is_congested = True
        self._unread_since_s = self._loop.time()

    def resume_writing(self) -> None:
        self.is_congested = False
        self._unread_pings = 0
        self._wake_drains()

    # Helpers

    def _take_all(self) -> None:
        """What has come, event by event, and what the framing says to it."""
        for event in self._framing.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response) and not self.answer.done():
                self.answer.set_result(event)
        self._flush()
        if self._reader is not None and not self._reader.done() and (self._incoming or self.is_over):
            self._reader.set_result(None)
        if self._is_reading and not self._has_room() and self._transport is not None:
            self._is_reading = False
            self._transport.pause_reading()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self._unread_pings += self.is_congested
            if self._unread_pings > self.bounds.unread_pings_max:
                self._fail(
                    CloseCode.POLICY_VIOLATION, f"more pings than unread_pings_max={self.bounds.unread_pings_max}"
                )
            return
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if len(self._parts) > self.bounds.fragments_max:
            self._fail(CloseCode.POLICY_VIOLATION, f"more fragments than fragments_max={self.bounds.fragments_max}")
        elif frame.fin:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self._arrived(data)

    def _arrived(self, data: bytes) -> None:
        if self._is_text and not _is_utf8(data):
            self._fail(CloseCode.INVALID_DATA, "a text message is not UTF-8")
            return
        self._said_s = self._loop.time()
        self._incoming.append(Message(data, self._is_text))
        self._incoming_bytes += len(data)

    def _has_room(self) -> bool:
        bounds = self.bounds
        return len(self._incoming) < bounds.waiting_messages_max and self._incoming_bytes < bounds.waiting_bytes_max

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._parts.clear()
        if self._framing.state is State.OPEN:
            self._framing.fail(code, reason)

    def _flush(self) -> None:
        """Writes what the framing has to say; its empty piece is the end."""
        transport = self._transport
        if transport is None:
            return
        for data in self._framing.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():  # the peer may still send: reset now, it might never read the close
                transport.write_eof()
            else:
                transport.close()
        if self._framing.state in (State.CLOSING, State.CLOSED) or self._framing.close_expected():
            if not self._closing_since_s:
                self._closing_since_s = self._loop.time()
                self._look_later(self.bounds.close_s_max)
                if not self._is_reading:  # the peer's close is still to come
                    self._is_reading = True
                    transport.resume_reading()
            self._end()

    def _end(self) -> None:
        """Nothing more can be sent: whoever waits is told."""
        if self.is_over:
            return
        self.is_over = True
        self._parts.clear()
        self._wake_drains()
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        leaving, self._leaving = self._leaving, []
        for callback in leaving:
            callback()

    def _wake_drains(self) -> None:
        for waiter in self._drains:
            if not waiter.done():
                waiter.set_result(None)
        self._drains.clear()

    def _look_later(self, delay_s: float | None = None) -> None:
        bounds = self.bounds
        if self._timer is not None:
            self._timer.cancel()
        usual_s = min(bounds.ping_s, bounds.pong_s_max, bounds.idle_s_max, bounds.unread_s_max) / 2
        self._timer = self._loop.call_later(usual_s if delay_s is None else delay_s, self._look)

    def _look(self) -> None:
        """Whether the peer does its part."""
        bounds, now_s = self.bounds, self._loop.time()
        silent_s = now_s - self._heard_s if self._is_reading else 0.0
        if self._closing_since_s or (self.is_congested and now_s - self._unread_since_s >= bounds.unread_s_max):
            self.abort()
            return
        if self._framing.state is State.OPEN:
            if silent_s >= bounds.ping_s + bounds.pong_s_max:
                self._fail(CloseCode.INTERNAL_ERROR, f"no answer to a ping in pong_s_max={bounds.pong_s_max:g} s")
            elif not self._is_busy and now_s - self._said_s >= bounds.idle_s_max:
                self.close(CloseCode.GOING_AWAY, f"idle for idle_s_max={bounds.idle_s_max:g} s")
            elif silent_s >= bounds.ping_s:
                self._framing.send_ping(b"")
            self._flush()
        if not self._closing_since_s:
            self._look_later()


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
