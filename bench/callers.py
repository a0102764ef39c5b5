"""Connections that call a gateway and check every answer; what is counted is in `Tally`."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Literal

import httptools
import msgspec

from bench import procs, wire

FULL_CHECK_EVERY = 64
REOPEN_WAIT_S = 0.05


class Errand(msgspec.Struct, frozen=True):
    """One load: its kind, where it goes, how much of it. `core` is the gateway's. Warming takes `warm_s` and goes on
    until `warm_calls` answers have come; `patience_s` bounds that, the wait for first events and that for late ones."""

    kind: Literal["closed", "open", "stream"]
    target: wire.Target
    body_bytes: int
    connections: int
    seconds: float
    warm_s: float = 1.0
    warm_calls: int = 1_000
    rate_per_s: int = 200
    events: int = 100
    core: int = 0
    patience_s: float = 20.0


class Outcome(msgspec.Struct):
    """`calls` whole answers or finished streams and `failed` calls with any fault, in `seconds`, of which the gateway
    worked `cpu_s` and anyone else on its core `others_s`."""

    seconds: float = 0.0
    calls: int = 0
    failed: int = 0
    first_fault: str = ""
    events: int = 0
    cpu_s: float = 0.0
    others_s: float = 0.0
    latency_ms_p50: float = 0.0
    latency_ms_p99: float = 0.0
    unanswered: int = 0


class Tally:
    """What is counted between `begin` and `end`; faults are kept before and after too."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.outcome = Outcome()
        self.is_counting = False
        self.is_open = True
        self._pids: list[int] = []

    def _clocks(self) -> tuple[float, float, float]:
        return time.perf_counter(), procs.cpu_s(self._pids), procs.core_busy_s(self.errand.core)

    def begin(self) -> None:
        if root := self.errand.target.root_pid:
            self._pids = procs.tree(root)
        self._before = self._clocks()
        self.is_counting = True

    def end(self) -> None:
        self.is_counting = False
        seconds, cpu, core = (new - old for new, old in zip(self._clocks(), self._before, strict=True))
        self.outcome.seconds, self.outcome.cpu_s = seconds, cpu
        self.outcome.others_s = max(0.0, core - cpu) if self._pids else 0.0

    def fault(self, what: str) -> None:
        self.outcome.failed += 1
        self.outcome.first_fault = self.outcome.first_fault or what


class Caller(asyncio.Protocol):
    """Closed loop: calls, waits for the whole answer, checks it, calls again."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.tally = load.tally
        self.is_waiting = False
        self.body: list[bytes] = []
        self.length = 0
        self.length_usual = 0
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self.ready()

    def ready(self) -> None:
        """The connection is free."""
        if self.tally.is_open:
            self.call()

    def call(self) -> None:
        self.is_waiting = True
        self.body.clear()
        self.length = 0
        self.transport.write(self.load.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as broken:
            self.tally.fault(f"not HTTP: {broken!r}")
            self.is_waiting = False
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self.body.append(body)
        self.length += len(body)

    def on_message_complete(self) -> None:
        self.is_waiting = False
        status = self.parser.get_status_code()
        if status != 200:
            self.tally.fault(f"status {status}: {b''.join(self.body)[:200]!r}")
        elif fault := self.fault_of_answer():
            self.tally.fault(fault)
        elif self.tally.is_counting:
            self.tally.outcome.calls += 1
        if self.parser.should_keep_alive():
            self.ready()
        else:
            self.transport.close()

    def fault_of_answer(self) -> str:
        """Every answer by its length, every sixty-fourth by its text and usage too."""
        self.answers += 1
        if self.answers % FULL_CHECK_EVERY == 1:
            body = b"".join(self.body)
            if not wire.is_right_answer(body):
                return f"another answer: {body[:200]!r}"
            self.length_usual = self.length_usual or self.length
        if abs(self.length - self.length_usual) > wire.LENGTH_SLACK_BYTES:
            return f"{self.length} bytes in place of {self.length_usual}"
        return ""

    def connection_lost(self, exc: Exception | None) -> None:
        if self.tally.is_open:
            if self.is_waiting:
                self.tally.fault(f"the connection ended before the answer: {exc!r}")
            self.load.open_one()


class StreamCaller(Caller):
    """Reads one stream after another and counts events with text as they come; all must come, and the end too."""

    events = 0
    tail = b""
    has_begun = False
    has_end = False

    def call(self) -> None:
        self.events = 0
        self.tail = b""
        super().call()

    def on_body(self, body: bytes) -> None:
        text = self.tail + body
        if events := text.count(wire.EVENT_MARK):
            self.has_begun = True
            self.events += events
            if self.tally.is_counting:
                self.tally.outcome.events += events
        elif not self.events:
            self.body.append(body)
        self.has_end = wire.LAST_EVENT in text
        self.tail = text[1 - len(wire.EVENT_MARK) :]

    def fault_of_answer(self) -> str:
        if self.events != self.tally.errand.events:
            return f"{self.events} events in place of {self.tally.errand.events}: {b''.join(self.body)[:200]!r}"
        return "" if self.has_end else "a stream without its end"


class TimedCaller(Caller):
    """Open loop: calls when a call is due, and times the answer from then, however long the call had to wait."""

    due_s = 0.0

    def ready(self) -> None:
        if self.load.overdue:
            self.call_due(self.load.overdue.popleft())
        elif self.tally.is_open:
            self.load.free.append(self)

    def call_due(self, due_s: float) -> None:
        self.due_s = due_s
        self.call()

    def on_message_complete(self) -> None:
        self.load.latencies.append((self.due_s, time.perf_counter() - self.due_s))
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.load.free:
            self.load.free.remove(self)
        super().connection_lost(exc)


class Load:
    """The connections of one errand, opened again when a gateway ends one between two calls."""

    def __init__(self, errand: Errand, group: asyncio.TaskGroup) -> None:
        self.tally = Tally(errand)
        self.request = wire.request_bytes(
            errand.target,
            wire.chat_body(errand.target.model, errand.body_bytes, stream=errand.kind == "stream"),
        )
        self.callers: list[Caller] = []
        self.free: list[TimedCaller] = []
        self.overdue: deque[float] = deque()
        self.latencies: list[tuple[float, float]] = []
        self._group = group
        self._make = {"closed": Caller, "open": TimedCaller, "stream": StreamCaller}[errand.kind]

    def open_one(self) -> None:
        self._group.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        while self.tally.is_open:
            try:
                _, caller = await loop.create_connection(
                    lambda: self._make(self), wire.HOST, self.tally.errand.target.port
                )
            except OSError as refused:
                self.tally.fault(f"no connection: {refused!r}")
                await asyncio.sleep(REOPEN_WAIT_S)
            else:
                self.callers.append(caller)
                return

    def close(self) -> None:
        self.tally.is_open = False
        for caller in self.callers:
            caller.transport.close()
