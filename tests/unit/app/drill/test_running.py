"""One run: calls by chance, faults that come and go, and what both sides left behind."""

import asyncio
import itertools
import os
import subprocess
import sys
import time

import pytest

from headgate.app.drill.calls import End, Target
from headgate.app.drill.running import Place, Plan, run
from headgate.app.drill.scenarios import Planned, Scenario
from headgate.core.problems import ConfigError
from headgate.transport.fake import FakeSettings, FakeUpstream, Refuse, Status

TEXT = "one two three four five six seven eight"


def ran(scenario: Scenario, plan: Plan, *, pid: int = 0, log_max: int = 10_000):
    """The upstream stands for the gateway too: it is asked without one."""

    async def play():
        settings = FakeSettings(text=TEXT, gap_s=0.01, log_attempts_max=log_max)
        async with FakeUpstream(settings) as upstream:
            target = Target(port=upstream.port, model="m", text=TEXT)
            place = Place(target=target, upstream_ports=[upstream.port], gateway_pid=pid)
            return await run(scenario, place, plan)

    return asyncio.run(play())


def planned(fault, **members) -> tuple[Planned, ...]:
    return (Planned(place=0, fault=fault, **members),)


PLAN = Plan(rate_per_s=40, warm_s=0.4, fault_s=0.8, after_s=0.4, patience_s=3)


def test_a_fault_begins_and_ends_under_load() -> None:
    found = ran(Scenario(id="x", title="x", faults=planned(Status(status=503))), PLAN)
    ends = {
        phase: {
            call.end for call in found.calls if start <= call.due_s < end - 0.1
        }  # what is sent late may meet the next one
        for phase, start, end in (
            ("before", 0.0, found.onset_s),
            ("during", found.onset_s + 0.02, found.repair_s),
            ("after", found.repair_s + 0.02, found.repair_s + 9),
        )
    }
    assert ends == {"before": {End.COMPLETE}, "during": {End.HONEST}, "after": {End.COMPLETE}}
    assert len(found.attempts) == len(found.calls)
    assert {seen.fault for seen in found.attempts} == {None, "status"}


def test_a_closed_port_is_opened_again_through_the_connection_that_is_held() -> None:
    found = ran(Scenario(id="x", title="x", faults=planned(Refuse())), PLAN)
    assert [call.end for call in found.calls if call.due_s > found.repair_s + 0.1] != []
    assert {call.end for call in found.calls if call.due_s > found.repair_s + 0.1} == {End.COMPLETE}


def test_a_fault_with_a_beat_comes_and_goes() -> None:
    found = ran(Scenario(id="x", title="x", faults=planned(Status(status=503)), beat_s=0.2), PLAN)
    during = [seen.fault for seen in sorted(found.attempts, key=lambda seen: seen.arrived_s)]
    changes = sum(before != after for before, after in itertools.pairwise(during))
    assert changes >= 4


def test_the_same_seed_makes_the_same_calls_and_a_surge_more_of_them() -> None:
    calm, again, surge = (
        [round(call.due_s - found.onset_s, 3) for call in found.calls]
        for found in (
            ran(Scenario(id="x", title="x"), PLAN),
            ran(Scenario(id="x", title="x"), PLAN),
            ran(Scenario(id="x", title="x", surge=4), PLAN),
        )
    )
    assert calm == again
    assert len(surge) > 1.8 * len(calm)


def test_some_clients_hang_up() -> None:
    found = ran(Scenario(id="x", title="x", leaving=0.5), PLAN)
    left = sum(call.end is End.LEFT for call in found.calls)
    assert 0.25 < left / len(found.calls) < 0.75


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux: signals to a process")
def test_the_gateway_is_stopped_and_let_go_again() -> None:
    counting = "import time\nwhile True: print(time.monotonic(), flush=True); time.sleep(0.01)"
    with subprocess.Popen([sys.executable, "-c", counting], stdout=subprocess.PIPE, text=True) as process:
        time.sleep(0.2)
        ran(Scenario(id="x", title="x", stall_s=0.3), PLAN, pid=process.pid)
        process.terminate()
        assert process.stdout is not None
        times_s = [float(line) for line in process.stdout.read().split()]
    assert max(after - before for before, after in itertools.pairwise(times_s)) >= 0.29


def test_a_log_that_was_too_short_decides_nothing() -> None:
    with pytest.raises(ConfigError, match="was too short by"):
        ran(Scenario(id="x", title="x"), PLAN, log_max=10)
