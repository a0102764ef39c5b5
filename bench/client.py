"""What our own HTTP client costs: CPU µs per call and per streamed event, beside a bare protocol loop as the limit.
The kernel's share is told apart: it depends on whether the upstream must be woken, and so on who is the faster.

`python -m bench.client [SECONDS]` starts the instant upstream on the other core; medians of interleaved rounds.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httptools
import uvloop

from bench import procs, wire
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.pool import Pool

CLIENT_CORE, UPSTREAM_CORE = 0, 1
ROUNDS = 5
CALLERS = 32
STREAMS = 64
EVENTS = 200
HEADERS = (("authorization", "Bearer sk-bench-0123456789"), ("content-type", "application/json"))
TIMEOUTS = Timeouts()

Count = tuple[int, int]  # calls, events
Round = Callable[[int, float], Awaitable[Count]]


class Bare(asyncio.Protocol):
    """The limit: writes the same bytes again whenever an answer has come; offers nothing to anyone."""

    def __init__(self, request: bytes, until_s: float) -> None:
        self._request = request
        self._until_s = until_s
        self.calls = self.events = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        parts: list[bytes] = []
        self._parts = parts
        self.on_body = parts.append
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        self.events += b"".join(self._parts).count(wire.EVENT_MARK)
        self._parts.clear()

    def on_message_complete(self) -> None:
        self.calls += 1
        if time.perf_counter() < self._until_s:
            self._transport.write(self._request)  # type: ignore[attr-defined]
        else:
            self._transport.close()
            self.done.set_result(None)


def bare(body: bytes, connections: int) -> Round:
    async def run(port: int, seconds: float) -> Count:
        head = f"POST {wire.CALL_PATH} HTTP/1.1\r\nhost: {wire.HOST}:{port}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS) + f"content-length: {len(body)}\r\n\r\n"
        until_s = time.perf_counter() + seconds
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Bare(head.encode() + body, until_s), wire.HOST, port)
            for _ in range(connections)
        ]
        await asyncio.gather(*(protocol.done for _, protocol in made))
        return sum(protocol.calls for _, protocol in made), sum(protocol.events for _, protocol in made)

    return run


def pooled(body: bytes, callers: int) -> Round:
    async def run(port: int, seconds: float) -> Count:
        until_s = time.perf_counter() + seconds
        pool = Pool()
        url = f"http://{wire.HOST}:{port}{wire.CALL_PATH}"

        async def call_again_and_again() -> Count:
            calls = events = 0
            while time.perf_counter() < until_s:
                flight = pool.start(UpstreamRequest(method="POST", url=url, headers=HEADERS, body=body), TIMEOUTS)
                await flight.head()
                while data := await flight.read():
                    events += data.count(wire.EVENT_MARK)
                flight.close()
                calls += 1
            return calls, events

        counts = await asyncio.gather(*(call_again_and_again() for _ in range(callers)))
        await pool.aclose()
        return sum(calls for calls, _ in counts), sum(events for _, events in counts)

    return run


async def measure(run: Round, port: int, seconds: float) -> tuple[float, float, float]:
    """Calls per second; CPU µs per call, or per event where there are any: outside the kernel, and in it."""
    wall_s, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    calls, events = await run(port, seconds)
    wall_s, after = time.perf_counter() - wall_s, resource.getrusage(resource.RUSAGE_SELF)
    units = events or calls
    own_us, kernel_us = ((after[field] - before[field]) * 1e6 / units for field in (0, 1))
    return calls / wall_s, own_us, kernel_us


async def compare(port: int, seconds: float) -> None:
    call = wire.chat_body(wire.UPSTREAM_MODEL, wire.BODY_BYTES["1.5 kB"], stream=False)
    stream = wire.chat_body(wire.UPSTREAM_MODEL, wire.BODY_BYTES["1.5 kB"], stream=True)
    runs = {
        "calls, bare protocol": bare(call, CALLERS),
        "calls, Pool": pooled(call, CALLERS),
        "streams, bare protocol": bare(stream, STREAMS),
        "streams, Pool": pooled(stream, STREAMS),
    }
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            taken[name].append(await measure(run, port, seconds))
    for name, rounds in taken.items():
        per_s, own_us, kernel_us = (statistics.median(column) for column in zip(*rounds, strict=True))
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        unit = "event" if "streams" in name else "call"
        print(f"{loop:8} {name:24} {per_s:7.0f}/s  {own_us:6.2f} µs per {unit}, kernel {kernel_us:5.2f}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((wire.HOST, 0))
        return int(probe.getsockname()[1])


def await_port(upstream: procs.Running, port: int) -> None:
    for _ in range(200):
        upstream.check()
        with socket.socket() as probe:
            if probe.connect_ex((wire.HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise procs.StartFailed(upstream.last_words())


def main(seconds: float) -> None:
    port = free_port()
    command = procs.Command(
        (sys.executable, "-m", "bench.upstream", str(port), str(EVENTS)), {}, Path(__file__).parent.parent
    )
    log = Path(tempfile.mkdtemp()) / "upstream.log"
    os.sched_setaffinity(0, {CLIENT_CORE})
    with procs.Running(command, core=UPSTREAM_CORE, log=log) as upstream:
        await_port(upstream, port)
        uvloop.run(compare(port, seconds))
        asyncio.run(compare(port, seconds))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
