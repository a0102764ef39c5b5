"""One connection to a fake upstream: reads requests, plays steps, writes down what happened. Callbacks only."""

import asyncio
import socket
import struct
import time
from collections import deque
from typing import Final, Protocol, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from headgate.transport.fake.live import Live
from headgate.transport.fake.log import Attempt
from headgate.transport.fake.playbook import Play
from headgate.transport.fake.steps import Close, Repeat, ResetNow, Send, Silence, Step, Wait

_WRITE_BUFFER_BYTES: Final = 64 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class House(Protocol):
    """What a session needs of its upstream."""

    def opened(self, session: "Session") -> int:
        """A connection came; its number."""
        ...

    def closed(self, session: "Session") -> None:
        """It is gone."""
        ...

    def control(self, attempt: Attempt) -> list[Step] | None:
        """The answer to a control call, or None if it is none."""
        ...

    def receive(self, attempt: Attempt) -> Play:
        """Writes the attempt down and decides."""
        ...

    def live(self, attempt: Attempt) -> Live | Play:
        """The same for a wish for a WebSocket."""
        ...


class Session(asyncio.Protocol):
    """Requests are answered one after the other, pipelined ones too."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(self)
        self._waiting: deque[Attempt] = deque()
        self._attempt: Attempt | None = None
        self._steps: deque[Step] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._number = 0
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self.is_control = False
        self._live: Live | None = None
        """What the connection becomes."""

    def abort(self) -> None:
        """Breaks the connection."""
        connection = cast(socket.socket | None, self._transport.get_extra_info("socket"))
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def close(self) -> None:
        """Ends the connection in the orderly way."""
        self._end_attempt()
        self._transport.close()

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._number = self._house.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError:
            raise  # a bug of ours
        except HttpParserUpgrade as upgrade:
            if self._live is not None:
                self._transport.set_protocol(self._live)
                self._house.closed(self)
                self._live.begin(self._transport, data[int(upgrade.args[0]) :])
        except HttpParserError:
            self._transport.close()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._timer is None:
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._steps.clear()
        attempt, self._attempt = self._attempt, None
        if attempt is not None and attempt.closed_s is None:
            attempt.closed_s = time.monotonic()
            attempt.closed_early = True
        self._house.closed(self)

    # What the parser tells

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1").strip()
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        attempt = Attempt(
            number=0,
            connection=self._number,
            arrived_at=time.time(),
            arrived_s=time.monotonic(),
            method=self._parser.get_method().decode("ascii"),
            path=self._url.decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._body),
        )
        self._waiting.append(attempt)
        if self._attempt is None:
            self._next()

    # Playing

    def _next(self) -> None:
        if not self._waiting or self._transport.is_closing():
            return
        self._attempt = attempt = self._waiting.popleft()
        control = self._house.control(attempt)
        self.is_control = control is not None
        if control is None:
            wants_live = attempt.headers.get("upgrade", "").lower() == "websocket"
            play = self._house.live(attempt) if wants_live else self._house.receive(attempt)
            if isinstance(play, Live):
                self._live, self._attempt = play, None
                return
            attempt.fault, attempt.status = play.fault, play.status
            control = play.steps
        self._steps.extend(control)
        self._advance()

    def _advance(self) -> None:
        self._timer = None
        while self._attempt is not None and not self._is_paused:
            if not self._steps:
                self._attempt.completed = True
                self._attempt = None
                self._next()
                return
            if not self._play(self._steps.popleft()):
                return

    def _play(self, step: Step) -> bool:
        """Does it; answers whether the next may follow at once."""
        match step:
            case Send(data):
                self._write(data)
                return True
            case Wait(s):
                self._timer = self._loop.call_later(s, self._advance)
            case Repeat(data, gap_s):
                self._write(data)
                self._steps.appendleft(step)
                self._timer = self._loop.call_later(gap_s, self._advance)
            case Silence():
                self._steps.appendleft(step)
            case Close():
                self.close()
            case ResetNow():
                self._end_attempt()
                self.abort()
        return False

    def _end_attempt(self) -> None:
        if self._attempt is not None:
            self._attempt.closed_s = time.monotonic()

    def _write(self, data: bytes) -> None:
        self._transport.write(data)
        if self._attempt is not None:
            self._attempt.bytes_sent += len(data)
            self._attempt.sent.append((time.monotonic(), len(data)))
