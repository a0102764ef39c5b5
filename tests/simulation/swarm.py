"""Scenes by chance, and what must be true of every run."""

from collections.abc import Iterator
from random import Random

from headgate.routing.budgets import RETRY_FLOOR_HZ, RETRY_SHARE
from headgate.routing.health import State
from headgate.routing.strategies import Order
from tests.simulation.world import DEADLINE_S, QUIET_S, REFUSALS, Call, Fault, Scene, World

KINDS = ("silence", "slow", "cut", "stall", "drip", "quota", *REFUSALS)
ORDERS: tuple[Order, ...] = ("ordered", "weighted", "cheapest", "fastest", "balanced", "least_busy")


def scene_of(seed: int) -> Scene:
    """A small world with some faults in its first half; each kind is on with a chance of one in six."""
    dice = Random(f"scene {seed}")
    upstreams = "abcd"[: dice.randint(2, 4)]
    faults: list[Fault] = []
    for kind in KINDS:
        if dice.random() < 1 / 6:
            since_s = dice.uniform(5, 25)
            share = dice.choice((1.0, 1.0, 0.5, 0.3))
            faults.append(Fault(kind, dice.choice(upstreams), since_s, since_s + dice.uniform(1, 25), share))
    burst_s = dice.uniform(0, 35)
    return Scene(
        faults=faults,
        seconds=50.0,
        rate_hz=dice.choice((2.0, 5.0, 10.0)),
        strategy=dice.choice(ORDERS),
        upstreams=upstreams,
        burst=(burst_s, burst_s + 10.0, dice.choice((1.0, 1.0, 4.0))),
        leaving=dice.choice((0.0, 0.0, 0.2)),
        stalls=tuple(dice.uniform(0, 50) for _ in range(dice.choice((0, 0, 3)))),
    )


def faults_of(world: World) -> list[str]:
    """Which invariants a run has broken; empty if none."""
    found: list[str] = []
    for number, call in enumerate(world.calls):
        name = f"call {number} at {call.arrived_s:.3f} s"
        found += [f"{name}: {fault}" for fault in _faults_of_call(call, world.route.attempts_max)]
    purse = world.means.purse
    if world.hedged > purse.share * world.settled + purse.cap:
        found.append(f"hedges cost {world.hedged} of {world.settled} nano-USD settled, over the budget")
    retries_max = RETRY_SHARE * len(world.calls) + RETRY_FLOOR_HZ * (world.now_s + 1.0)
    if world.retried > retries_max:
        found.append(f"{world.retried} retries, and the budget is {retries_max:.0f}")
    for member in world.fleet.members():
        if member.in_flight or any(domain.probes for domain in member.domains):
            found.append(f"{member.id}: {member.in_flight} still on their way")
    if world.now_s > world.scene.seconds + QUIET_S or not world.is_well():
        found.append(f"somebody is still not well {world.now_s - world.scene.seconds:.0f} s after the last fault")
    if not world.scene.faults and any(state is State.OPEN for _, state in world.states):
        found.append(f"ejected without a fault: {sorted(world.states)}")
    return found


def _faults_of_call(call: Call, attempts_max: int) -> Iterator[str]:
    if len(call.committed) > 1 or set(call.answers) - set(call.committed):
        yield f"the client saw more than one attempt: {call.committed}, {call.answers}"
    if call.ended_s is None:
        yield "never ended"
    elif not call.committed and call.ended_s > call.arrived_s + DEADLINE_S + 1.0:
        yield f"ended {call.ended_s - call.arrived_s:.1f} s after it came"
    if len(call.attempts) > attempts_max:
        yield f"{len(call.attempts)} attempts"
    if call.is_complete and not call.committed:
        yield "complete without an answer"


def is_live(world: World) -> bool:
    """Whether some upstream had no fault at all, so that nothing need have been lost but the caller's own."""
    return bool(set(world.scene.upstreams) - {fault.upstream for fault in world.scene.faults})


def lost(world: World) -> float:
    """The share of calls that were not answered, though neither callers nor streams that broke are to blame."""
    excused = ("client_gone", "context", "policy", "cut", "stall")
    return sum(not call.is_complete and str(call.outcome) not in excused for call in world.calls) / len(world.calls)
