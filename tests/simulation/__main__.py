"""Runs simulated worlds and says how good predictions are: `python -m tests.simulation --seeds 0:500`; one of them
again: `… --seeds 17`."""

import argparse
import sys

from tests.simulation.calibration import PROMISED, TOLERANCE, lines
from tests.simulation.swarm import faults_of, is_live, lost, scene_of
from tests.simulation.world import World


def main() -> int:
    """1 if any seed breaks an invariant."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", default="0:300", help="one seed, or FIRST:END")
    first, colon, end = parser.parse_args().seeds.partition(":")
    bad = 0
    for seed in range(int(first), int(end) if colon else int(first) + 1):
        world = World(seed, scene_of(seed)).run()
        broken = faults_of(world)
        bad += bool(broken)
        if broken or not colon:
            sys.stdout.write(f"seed {seed}: {world.scene}\n")
            sys.stdout.writelines(f"    {line}\n" for line in broken)
        if not colon:
            complete = sum(call.is_complete for call in world.calls)
            told = f"lost {lost(world):.4f}, one without faults: {is_live(world)}"
            sys.stdout.write(f"    {complete} of {len(world.calls)} complete, {told}\n")
    sys.stdout.write(f"{bad} seeds broke an invariant\n")
    if colon:
        sys.stdout.write(f"longer than the predicted p95, where {PROMISED:.0%} ± {TOLERANCE:.1%} is promised:\n")
        sys.stdout.writelines(f"{line}\n" for line in lines())
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
