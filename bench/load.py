"""The load: one process on one core that calls a gateway, checks every answer, and says what it saw.

`python -m bench.load` reads one `Errand` as JSON from stdin and writes one `Outcome` as JSON to stdout. Three ways to
call: `closed` (every connection calls again as soon as it has its answer), `open` (calls leave at set times, whoever
waits, and are timed from those times), `stream` (every connection reads one stream after another)."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

import msgspec
import uvloop

from bench.callers import Errand, Load, Outcome, StreamCaller

LOOK_EVERY_S = 0.01


async def until(is_so: Callable[[], bool], patience_s: float) -> None:
    last_s = time.perf_counter() + patience_s
    while not is_so():
        await asyncio.sleep(LOOK_EVERY_S)
        if time.perf_counter() > last_s:
            return


async def run_closed(load: Load) -> None:
    errand = load.tally.errand
    await asyncio.sleep(errand.warm_s)
    await until(lambda: sum(caller.answers for caller in load.callers) >= errand.warm_calls, errand.patience_s / 4)
    load.tally.begin()
    await asyncio.sleep(errand.seconds)
    load.tally.end()


async def run_streams(load: Load) -> None:
    """As closed, but the clock starts when every stream has shown its first event."""
    wanted = load.tally.errand.connections

    def all_have_begun() -> bool:
        return sum(isinstance(caller, StreamCaller) and caller.has_begun for caller in load.callers) >= wanted

    errand, tally = load.tally.errand, load.tally
    await until(all_have_begun, errand.patience_s)
    await asyncio.sleep(errand.warm_s)
    tally.begin()
    await asyncio.sleep(errand.seconds)
    tally.end()


def ring(bell: int, times_s: Sequence[float]) -> None:
    """A thread that rings at set times: uvloop's own timers are a millisecond coarse."""
    for due_s in times_s:
        time.sleep(max(0.0, due_s - time.perf_counter()))
        os.eventfd_write(bell, 1)


async def run_open(load: Load) -> None:
    errand, tally = load.tally.errand, load.tally
    await until(lambda: len(load.free) >= errand.connections, errand.patience_s)
    warm, measured = (int(seconds * errand.rate_per_s) for seconds in (errand.warm_s, errand.seconds))
    first_s = time.perf_counter() + LOOK_EVERY_S
    times_s = [first_s + index / errand.rate_per_s for index in range(warm + measured)]
    due = iter(times_s)
    bell = os.eventfd(0)

    def leave() -> None:
        for _ in range(os.eventfd_read(bell)):
            due_s = next(due)
            if due_s == times_s[warm]:
                tally.begin()
            if load.free:
                load.free.pop().call_due(due_s)
            else:
                load.overdue.append(due_s)

    asyncio.get_running_loop().add_reader(bell, leave)
    threading.Thread(target=ring, args=(bell, times_s), daemon=True).start()
    await asyncio.sleep(times_s[-1] - time.perf_counter())
    await until(lambda: len(load.latencies) + tally.outcome.failed >= len(times_s), errand.patience_s / 4)
    tally.end()
    asyncio.get_running_loop().remove_reader(bell)
    timed_s = [latency_s for due_s, latency_s in load.latencies if due_s >= times_s[warm]]
    tally.outcome.unanswered = max(0, measured - len(timed_s))
    load.overdue.clear()
    _fill_latencies(tally.outcome, timed_s)


def _fill_latencies(outcome: Outcome, timed_s: list[float]) -> None:
    """Calls without an answer count as the slowest there were."""
    if timed_s:
        timed_s.sort()
        timed_s += timed_s[-1:] * outcome.unanswered
        outcome.latency_ms_p50 = timed_s[len(timed_s) // 2] * 1e3
        outcome.latency_ms_p99 = timed_s[min(len(timed_s) - 1, int(len(timed_s) * 0.99))] * 1e3


RUNS = {"closed": run_closed, "open": run_open, "stream": run_streams}


async def run(errand: Errand) -> Outcome:
    async with asyncio.TaskGroup() as group:
        load = Load(errand, group)
        for _ in range(errand.connections):
            load.open_one()
        await RUNS[errand.kind](load)
        load.close()
    return load.tally.outcome


def main() -> None:
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    gc.disable()
    outcome = uvloop.run(run(errand))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
