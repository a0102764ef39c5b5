"""One fault at a time, under 20 calls a second: a is the first choice and fails from second 20 to second 60."""

import os

import pytest

from headgate.routing.health import State
from tests.simulation.swarm import faults_of
from tests.simulation.world import Fault, Scene, World

SEEDS = tuple(map(int, os.environ.get("HEADGATE_SCENARIO_SEEDS", "1").split(",")))
SINCE_S, UNTIL_S = 20.0, 60.0


def fault(kind: str, upstream: str = "a", share: float = 1.0) -> Fault:
    return Fault(kind, upstream, SINCE_S, UNTIL_S, share)


def complete(world: World) -> float:
    return sum(call.is_complete for call in world.calls) / len(world.calls)


def waits_s(world: World, since_s: float = 0.0, until_s: float = 1e9) -> list[float]:
    """How long the callers of that time waited for their first token, shortest first."""
    calls = [call for call in world.calls if since_s <= call.arrived_s < until_s and call.first_s is not None]
    return sorted((call.first_s or 0.0) - call.arrived_s for call in calls)


def percentile(values: list[float], share: float) -> float:
    return values[min(int(share * len(values)), len(values) - 1)]


def firsts(world: World, upstream: str = "a") -> list[float]:
    """When a call went first to that upstream, though it was not half open."""
    return [
        call.arrived_s
        for call in world.calls
        if call.attempts and not call.probed and call.attempts[1][0].member.id == f"{upstream}/m"
    ]


def switch_s(world: World) -> float:
    """From the fault's beginning to the last call that went there first."""
    return max((at_s for at_s in firsts(world) if SINCE_S <= at_s < UNTIL_S - 1.0), default=SINCE_S) - SINCE_S


def amplification(world: World, since_s: float = SINCE_S, until_s: float = UNTIL_S) -> float:
    calls = [call for call in world.calls if since_s <= call.arrived_s < until_s]
    return sum(len(call.attempts) for call in calls) / len(calls)


def run(seed: int, *faults: Fault, **changes: object) -> World:
    world = World(seed, Scene(faults=faults)._replace(**changes)).run()  # pyright: ignore[reportArgumentType]
    assert faults_of(world) == []
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_f0_without_a_fault_nobody_is_ejected_and_few_are_hedged(seed: int):
    world = run(seed)
    assert complete(world) == 1.0
    assert {state for _, state in world.states} == {State.HEALTHY}
    hedges = sum(why == "hedge" for call in world.calls for _, why in call.attempts.values())
    assert hedges / len(world.calls) <= 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_f1_a_closed_port(seed: int):
    world = run(seed, fault("refused"))
    assert complete(world) == 1.0
    assert sum(SINCE_S <= at_s < UNTIL_S for at_s in firsts(world)) <= 6
    assert percentile(waits_s(world, SINCE_S, UNTIL_S), 0.99) <= percentile(waits_s(world, 0, SINCE_S), 0.99) + 0.3


@pytest.mark.parametrize("seed", [2, 9])
def test_f2e_what_is_half_silent_does_not_come_back_by_chance(seed: int):
    world = run(seed, fault("silence", share=0.5))
    assert complete(world) == 1.0
    assert switch_s(world) <= 4.0
    assert waits_s(world)[-1] <= 4.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "share", "limit_s"), [
    ("silence", 1.0, 2.0), ("silence", 0.5, 4.0), ("syn_dropped", 1.0, 2.0), ("slow", 1.0, 2.5)
])  # fmt: skip
def test_f2_f3_silence_half_of_it_and_ten_times_as_slow(seed: int, kind: str, share: float, limit_s: float):
    world = run(seed, fault(kind, share=share))
    assert complete(world) == 1.0
    assert switch_s(world) <= limit_s
    assert waits_s(world)[-1] <= 6.0
    assert percentile(waits_s(world, SINCE_S, UNTIL_S), 0.99) <= 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_f4_a_brownout_gets_less_traffic(seed: int):
    world = run(seed, fault("500", share=0.3))
    assert complete(world) >= 0.999
    assert world.at_share("a", SINCE_S + 5, UNTIL_S) < 0.25
    assert amplification(world) <= 1.15


@pytest.mark.parametrize("seed", SEEDS)
def test_f5_rate_limits_are_quota_and_not_ill_health(seed: int):
    world = run(seed, fault("429_after_5"))
    assert complete(world) == 1.0
    refused = [at_s for at_s in world.upstreams["a"].arrivals if SINCE_S + 0.5 <= at_s < UNTIL_S]
    assert len(refused) <= 2 * (UNTIL_S - SINCE_S) / 5
    assert {state for _, state in world.states} == {State.HEALTHY}
    assert amplification(run(seed, fault("429")), SINCE_S + 2) <= 1.1


@pytest.mark.parametrize("seed", SEEDS)
def test_f5c_what_headers_tell_is_never_exceeded(seed: int):
    world = run(seed, Fault("quota", "a", 0.0, 60.0))
    assert complete(world) == 1.0
    assert sum(at_s > 10.0 for at_s in world.upstreams["a"].arrivals) > 150
    assert world.upstreams["a"].refused_429 == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["529", "html", "401"])
def test_f6_f14_f16_errors_go_elsewhere(seed: int, kind: str):
    world = run(seed, fault(kind))
    assert complete(world) == 1.0
    asked = sum(SINCE_S <= at_s < UNTIL_S for at_s in world.upstreams["a"].arrivals)
    assert asked <= {"529": 36, "html": 24, "401": 3}[kind]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["cut", "stall"])
def test_f7_f8_streams_that_break_are_told_and_open_the_breaker(seed: int, kind: str):
    world = run(seed, fault(kind))
    broken = [call for call in world.calls if str(call.outcome) == kind]
    assert len(broken) + sum(call.is_complete for call in world.calls) == len(world.calls)
    assert all(call.committed for call in broken)
    assert switch_s(world) <= (2.5 if kind == "cut" else 7.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_f11_flapping_is_damped(seed: int):
    ups_and_downs = [Fault("500", "a", at_s, at_s + 10.0, 1.0) for at_s in (20.0, 40.0, 60.0)]
    world = run(seed, *ups_and_downs, seconds=200.0)
    assert complete(world) >= 0.999
    assert len(firsts(world)) > 0
    assert world.at_share("a", 60.0, 70.0) < 0.1
    assert world.at_share("a", 180.0, 200.0) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["context", "policy"])
def test_f15_what_the_caller_did_is_not_tried_elsewhere(seed: int, kind: str):
    world = run(seed, fault(kind))
    failed = [call for call in world.calls if str(call.outcome) == kind]
    assert failed
    assert {state for _, state in world.states} == {State.HEALTHY}
    assert sum(len(call.attempts) for call in failed) <= 1.05 * len(failed)  # a hedge may have been on its way


@pytest.mark.parametrize("seed", SEEDS)
def test_f18_two_silent_at_once(seed: int):
    world = run(seed, fault("silence"), fault("silence", "b"))
    assert complete(world) == 1.0
    assert waits_s(world)[-1] <= 8.0
    assert world.at_share("c", SINCE_S + 8, UNTIL_S) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_f19_all_down_is_told_quickly_and_nobody_is_stormed(seed: int):
    world = run(seed, *(fault("refused", name) for name in "abc"))
    late = [call for call in world.calls if SINCE_S + 10 <= call.arrived_s < UNTIL_S]
    assert amplification(world, SINCE_S + 10) <= 0.2
    assert all((call.ended_s or 1e9) - call.arrived_s <= 1.0 for call in late)


@pytest.mark.parametrize("seed", SEEDS)
def test_f21_silence_during_a_burst(seed: int):
    world = run(seed, fault("silence"), burst=(20.0, 40.0, 5.0))
    assert complete(world) == 1.0
    assert percentile(waits_s(world, SINCE_S, UNTIL_S), 0.99) <= 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_f25_our_own_stalls_eject_nobody(seed: int):
    world = run(seed, stalls=tuple(20.0 + 3 * number for number in range(14)))
    assert complete(world) == 1.0
    assert {state for _, state in world.states} == {State.HEALTHY}


@pytest.mark.parametrize("seed", SEEDS)
def test_f26_callers_who_hang_up_are_nobodys_fault(seed: int):
    world = run(seed, leaving=0.3)
    assert {state for _, state in world.states} == {State.HEALTHY}
    assert {str(call.outcome) for call in world.calls} == {"ok", "client_gone"}


@pytest.mark.parametrize("seed", SEEDS)
def test_when_many_are_slow_hedges_stay_within_their_budget(seed: int):
    slow = [Fault("slow", name, SINCE_S, UNTIL_S, 0.2) for name in "abc"]
    world = run(seed, *slow)  # which asks whether they did
    assert complete(world) == 1.0
    hedges = sum(why == "hedge" for call in world.calls for _, why in call.attempts.values())
    late = sum(ticket.is_overdue for call in world.calls for ticket, _ in call.attempts.values())
    assert 20 < hedges < late
