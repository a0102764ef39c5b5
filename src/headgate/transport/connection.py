"""One HTTP/1.1 connection: writes a request, parses the answer, and then is free for another. Must not know the pool's
rules.

Hot: every call and every streamed read comes through `data_received`. What it avoids, and what that saves, is
measured by bench/client.py.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from headgate.core.problems import Outcome, Problem, UpstreamError
from headgate.transport.faults import problem
from headgate.transport.flight import PooledFlight
from headgate.transport.inflate import INFLATED, Inflater
from headgate.transport.origins import Origin
from headgate.transport.settings import PoolSettings

_COPY_BYTES_MAX: Final = 64 * 1024
_DECODING: Final = frozenset({b"content-encoding", b"transfer-encoding"})


class Keeper(Protocol):
    """Who owns a connection while no request does."""

    origin: Origin
    settings: PoolSettings
    loop: asyncio.AbstractEventLoop

    def freed(self, connection: Connection) -> None:
        """It has an answer behind it and may carry another request."""
        ...

    def leaving(self, connection: Connection) -> None:
        """It is closing, and must get no further request."""
        ...

    def gone(self, connection: Connection) -> None:
        """Its socket is closed."""
        ...


class _Surplus(Exception):
    """Bytes of a second answer to one request."""


class Connection(asyncio.Protocol):
    """The protocol object of one socket; at most one flight at a time."""

    __slots__ = (
        "_barren_bytes",
        "_deadline_s",
        "_fault",
        "_fields",
        "_flight",
        "_inflater",
        "_is_answered",
        "_is_begun",
        "_is_reused",
        "_keeper",
        "_keeps_alive",
        "_parser",
        "_parts",
        "_phase_ends_s",
        "_time",
        "_timer",
        "_timer_s",
        "_transport",
        "is_full",
        "is_lost",
        "is_paused",
        "on_body",
    )

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._time = keeper.loop.time
        self._flight: PooledFlight | None = None
        self._parts: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self._parts.append  # C calls C: no Python frame for each chunk
        self._fields: list[tuple[bytes, bytes]] = []
        self._inflater: Inflater | None = None
        self._barren_bytes = 0
        self._is_begun = False
        self._is_answered = False
        self._is_reused = False
        self._keeps_alive = False
        self._fault: Problem | None = None
        self._deadline_s = self._phase_ends_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        self.is_full = False
        """Whether the upstream reads slower than is written to it."""
        self.is_lost = False
        self.is_paused = False
        self._parser = HttpResponseParser(self)

    # What the flight and the pool ask for

    def send(self, flight: PooledFlight) -> None:
        """Puts the flight's request on the wire."""
        self._flight = flight
        flight.connection = self
        self._is_begun = self._is_answered = False
        self._barren_bytes = 0
        body = flight.request.body
        if len(body) <= _COPY_BYTES_MAX:
            self._transport.write(flight.head_bytes + body)
        else:
            self._transport.writelines((flight.head_bytes, body))
        self._watch(self._time() + flight.timeouts.head_s)

    def send_more(self, data: bytes) -> None:
        """More of the body of the request that was sent last."""
        if data:
            self._transport.write(data)
        if self._flight is not None:
            self._watch(self._time() + self._flight.timeouts.head_s)

    def rest(self, idle_s: float) -> None:
        """Waits for the next request, at most so long."""
        self._watch(self._time() + idle_s)

    def resume(self) -> None:
        """The reader has caught up."""
        self.is_paused = False
        self._transport.resume_reading()
        if self._flight is not None:
            self._watch(self._time() + self._flight.timeouts.idle_s)

    def look_again(self) -> None:
        """What the flight may take has changed."""
        self._watch(self._phase_ends_s)

    def drop(self) -> None:
        """Closes the socket at once, whatever is under way."""
        self._flight = None
        self._keeper.leaving(self)
        self._transport.abort()

    def fail(self, fault: Problem) -> None:
        """Ends the flight with `fault`, if there is one, and closes the socket at once."""
        flight = self._flight
        self.drop()
        if flight is not None:
            flight.fail(fault)

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        flight = self._flight
        if flight is None:
            self.drop()  # nobody asked: a 408 before closing, or the rest of an answer longer than it said
            return
        self._barren_bytes += len(data)
        is_broken = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            is_broken = True
            if self._fault is None and not self._is_answered:
                self._fault = self._protocol(f"is not HTTP/1.1 ({error})")
        if self._parts:
            if self._inflater is None and self._fault is None:
                flight.push(self._parts, self._barren_bytes)  # close enough for back-pressure: counts the framing too
                self._parts.clear()
                self._barren_bytes = 0
            else:
                self._inflate(flight)
        if self._fault is not None:
            self.fail(self._fault)
        elif self._is_answered:
            self._finish(flight, is_reusable=self._keeps_alive and not is_broken)
        elif self._barren_bytes > self._keeper.settings.head_bytes_max:
            self.fail(self._protocol(f"is over head_bytes_max={self._keeper.settings.head_bytes_max}"))
        elif self._is_begun:
            if flight.unread_bytes > self._keeper.settings.unread_bytes_high:
                self.is_paused = True
                self._transport.pause_reading()
            self._watch(self._time() + flight.timeouts.idle_s)
            flight.wake()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        if self._flight is not None:
            self._flight.wake()

    def eof_received(self) -> None:
        flight = self._flight
        if flight is not None and self._is_begun and self._ends_with_connection(flight):
            self._finish(flight, is_reusable=False)
        else:
            self._keeper.leaving(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        flight, self._flight = self._flight, None
        self._keeper.gone(self)
        if flight is None:
            return
        flight.connection = None
        has_heard = self._is_begun or self._barren_bytes > 0
        if self._is_reused and not has_heard and not flight.is_second_try:
            # The server closed while we sent: it had the right to, and has not read the request
            flight.is_second_try = True
            flight.wake()
            return
        cause = "was reset" if exc is not None else "ended"
        where = "in the midst of its answer" if has_heard else "before its answer"
        flight.fail(problem(Outcome.CUT, f"cut: the connection to {self._keeper.origin} {cause} {where}"))

    # What the parser tells

    def on_message_begin(self) -> None:
        if self._is_answered:
            raise _Surplus

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_begun:  # else a trailer
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        flight = self._flight
        status = self._parser.get_status_code()
        if flight is None or status < 200:
            self._fields.clear()
            if status == 101:
                self._fault = self._protocol("switches to another protocol")
            return
        fields = self._fields
        settings = self._keeper.settings
        if len(fields) > settings.head_fields_max or self._barren_bytes > settings.head_bytes_max:
            self._check_limits()
        flight.status = status
        flight.fields = fields
        self._fields = []
        flight.has_head = self._is_begun = True
        self._keeps_alive = self._parser.should_keep_alive()
        self._inflater = None
        for name, _ in fields:
            if name.lower() in _DECODING:
                self._choose_decoding(flight.headers)
                break
        if flight.request.method == "HEAD":
            self._is_answered, self._keeps_alive = True, False  # the parser would wait for the body that HEAD has not

    def on_message_complete(self) -> None:
        if self._is_begun:  # else an interim answer, 1xx
            self._is_answered = True

    # Helpers

    def _choose_decoding(self, headers: Mapping[str, str]) -> None:
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self._fault = self._protocol("has a transfer-encoding that was not asked for")
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding in INFLATED:
            self._inflater = Inflater(self._keeper.settings, str(self._keeper.origin))
        elif encoding not in {"identity", ""}:
            self._fault = self._protocol(f"has an unknown content-encoding: {encoding[:40]!r}")

    def _check_limits(self) -> None:
        settings = self._keeper.settings
        if len(self._fields) > settings.head_fields_max:
            self._fault = self._protocol(f"has more headers than head_fields_max={settings.head_fields_max}")
        # One read may bring the head and much of the body: only the fields count
        elif sum(len(name) + len(value) + 4 for name, value in self._fields) > settings.head_bytes_max:
            self._fault = self._protocol(f"is over head_bytes_max={settings.head_bytes_max}")

    def _inflate(self, flight: PooledFlight) -> None:
        """Passes on what came, uncompressed; after a fault, nothing."""
        data = b"".join(self._parts)
        self._parts.clear()
        self._barren_bytes = 0
        if self._inflater is None or self._fault is not None:
            return
        try:
            piece = self._inflater.feed(data)
        except UpstreamError as error:
            self._fault = error.problem
            return
        if piece:
            flight.push([piece], len(piece))

    def _finish(self, flight: PooledFlight, *, is_reusable: bool) -> None:
        if self._inflater is not None and not self._inflater.is_whole:
            self.fail(problem(Outcome.CUT, f"cut: the compressed answer of {self._keeper.origin} is not whole"))
            return
        self._flight = None
        flight.complete()
        # An answer to a request that is still being sent (413, say) leaves the rest of it in the way
        if is_reusable and not flight.is_sending and not self._transport.get_write_buffer_size():
            self._is_reused = True
            self._keeper.freed(self)
        else:
            self.drop()
        flight.wake()

    def _ends_with_connection(self, flight: PooledFlight) -> bool:
        """Whether the answer names neither length nor chunks, so that only the connection's end tells its own."""
        return "content-length" not in flight.headers and "transfer-encoding" not in flight.headers

    def _protocol(self, what: str) -> Problem:
        return problem(Outcome.PROTOCOL, f"the answer of {self._keeper.origin} {what}")

    def _watch(self, deadline_s: float) -> None:
        """Sets the deadline. A timer that is due earlier stays and looks again then: so requests that end in time
        create and cancel no timer."""
        self._phase_ends_s = deadline_s
        flight = self._flight
        if flight is not None and flight.due_s < deadline_s:
            deadline_s = flight.due_s
        self._deadline_s = deadline_s
        if deadline_s < self._timer_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_s = deadline_s
            self._timer = self._keeper.loop.call_at(deadline_s, self._look)

    def _look(self) -> None:
        self._timer = None
        self._timer_s = math.inf
        now_s, flight = self._time(), self._flight
        if self._deadline_s > now_s:
            self._watch(self._phase_ends_s)
        elif flight is None:
            self.drop()
        elif flight.due_s <= now_s:
            flight.abort(flight.due_outcome)
        elif not self._is_begun:
            words = f"no answer from {self._keeper.origin} in {flight.timeouts.head_s:g} s"
            self.fail(problem(Outcome.SLOW, words))
        elif flight.unread_bytes:  # our reader is the slow one
            self._watch(self._time() + flight.timeouts.idle_s)
        else:
            words = f"stalled: nothing more from {self._keeper.origin} in {flight.timeouts.idle_s:g} s"
            self.fail(problem(Outcome.STALL, words))
