"""Many small worlds by chance: whatever goes wrong in them, some things must be true.

`HEADGATE_SIMULATION_SEEDS=0:20000` runs others than the usual ones. A seed that fails is had again by
`python -m tests.simulation --seeds N`.
"""

import os

import pytest

from tests.simulation.swarm import faults_of, is_live, lost, scene_of
from tests.simulation.world import Scene, World

FIRST, END = map(int, os.environ.get("HEADGATE_SIMULATION_SEEDS", "0:300").split(":"))
SHARES = 10
"""So many tests share them, and can run beside each other."""


@pytest.mark.parametrize("share", range(SHARES))
def test_no_run_breaks_an_invariant(share: int):
    seeds, count = range(FIRST + share, END, SHARES), 0
    for seed in seeds:
        world = World(seed, scene_of(seed)).run()
        assert faults_of(world) == [], f"python -m tests.simulation --seeds {seed}"
        if is_live(world):
            assert lost(world) <= 0.001, f"python -m tests.simulation --seeds {seed}"
            count += 1
    assert count >= len(seeds) // 8


def test_a_run_can_be_had_again():
    first, second = (World(11, scene_of(11)).run() for _ in range(2))
    told = [
        [(call.arrived_s, call.ended_s, call.outcome, sorted(call.attempts)) for call in world.calls]
        for world in (first, second)
    ]
    assert told[0] == told[1]
    assert first.fleet.members() is not second.fleet.members()


def test_the_invariants_can_be_broken():
    world = World(1, Scene(seconds=5.0)).run()
    assert faults_of(world) == []
    world.calls[0].committed.append(2)
    world.calls[1].ended_s = None
    world.hedged = world.retried = 10**9
    next(iter(world.fleet.members())).in_flight = 1
    assert len(faults_of(world)) == 5
