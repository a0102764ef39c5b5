"""`python -m bench.reuse`: what an answer costs that is used again, in CPU time of the engine, and what asking costs.

CPU time of the process, not time of the clock: what else the machine does hardly touches it. Everything is the
server's own but the client's side, which takes what it is given.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable

from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import open_core
from headgate.core.principal import Principal
from headgate.core.record import CallRecord
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Unattended
from headgate.server.listener import new_id

HIT_US_MAX = 60.0
CALLS = 1000
ROUNDS = 7
PRINCIPAL = Principal(key_id="bench", name="bench")
ROUTES = {"kept": {"targets": ["demo/echo"], "cache": "exact"}, "fresh": {"targets": ["demo/echo"], "cache": "off"}}


class Taker(Unattended):
    """A client that takes everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.fields = b""

    def start(self, status: int, fields: bytes) -> None:
        self.status, self.fields = status, fields

    def write(self, data: bytes) -> None:
        pass

    def end(self, data: bytes = b"") -> None:
        pass


def body(model: str, words: int, *, is_stream: bool) -> bytes:
    """A chat of about so many words."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "word " * words}]
    return json.dumps({"model": model, "messages": messages, "stream": is_stream}).encode()


def call_of(sent: bytes) -> Call:
    """A call as the listener makes it."""
    now_ns = time.time_ns()
    record = CallRecord(
        id=new_id(now_ns),
        started_us=now_ns // 1000,
        key_id="bench",
        surface="openai_chat",
        operation="generate",
        model="",
        is_stream=False,
    )
    return Call(
        id=record.id,
        dialect=DIALECTS["openai_chat"],
        envelope=Envelope(),
        body=sent,
        principal=PRINCIPAL,
        record=record,
        started_s=time.monotonic(),
    )


async def cost_us(engine: Engine, sent: bytes, wanted: bytes) -> float:
    """The median over rounds of what one call costs the thread of the loop."""
    found: list[float] = []
    for _ in range(ROUNDS):
        calls = [(call_of(sent), Taker()) for _ in range(CALLS)]
        gc.collect()
        begun_ns = time.thread_time_ns()
        for call, taker in calls:
            await engine.serve(call, taker)
        found.append((time.thread_time_ns() - begun_ns) / 1e3 / CALLS)
        for _, taker in calls:
            if taker.status != 200 or wanted not in taker.fields:
                sys.exit(f"not what was to be measured: {taker.status} {taker.fields!r}")
    return statistics.median(found)


async def measure() -> Iterable[tuple[str, float]]:
    """What calls cost, in µs of CPU, by what they are."""
    rows: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        setup = build({"data_dir": folder, "routes": ROUTES}, environ={})
        async with open_core(setup) as core, wiring.open_engine(core) as (engine, _):
            for is_stream in (False, True):
                kind = "stream" if is_stream else "whole"
                for words in (20, 1000):
                    sent = body("kept", words, is_stream=is_stream)
                    await engine.serve(call_of(sent), Taker())
                    rows.append((f"hit, {kind}, {len(sent)} B asked", await cost_us(engine, sent, b"cache: hit")))
                sent = body("fresh", 20, is_stream=is_stream)
                rows.append(
                    (f"route without a cache, {kind}, demo provider", await cost_us(engine, sent, b"x-headgate"))
                )
    return rows


def told(rows: Iterable[tuple[str, float]], say: Callable[[str], None]) -> bool:
    """Says them. False: a hit on a short call costs more than it may."""
    holds = True
    for name, us in rows:
        is_bound = name.startswith("hit") and int(name.split(", ")[2].split(" ")[0]) < 1000
        holds = holds and not (is_bound and us > HIT_US_MAX)
        say(f"{name:<52} {us:8.1f} µs{f'   (at most {HIT_US_MAX:g})' if is_bound else ''}")
    return holds


def main() -> None:
    """The command."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if not told(asyncio.run(measure()), print):
        sys.exit(1)


if __name__ == "__main__":
    main()
