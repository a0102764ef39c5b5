"""`python -m bench.planning`: what it costs a call to be planned for, predicted, and learned from.

A loop of the pure functions over four targets that are well, one of which has told of a quota; CPU time of the process,
so that what else the machine does hardly touches it. Nothing is sent.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

from bench.report import TREE, machine, now, table
from headgate.core.problems import Outcome
from headgate.core.usage import Usage
from headgate.providers.catalog import Deployment, Door
from headgate.routing.budgets import Efficacy, Purse, RetryBudget
from headgate.routing.course import Course, Means, Terms
from headgate.routing.fleet import Fleet, Member
from headgate.routing.plan import Asked, Route, Target, plan
from headgate.routing.quotas import Need
from headgate.routing.strategies import Order, Quote

MARKDOWN = TREE / "docs" / "benchmarks" / "planning.md"
PROMISED_US = 15.0
ORDERS: Sequence[Order] = ("ordered", "balanced", "fastest")
TARGETS = tuple(Target(Deployment(name, "m", (Door("d", f"https://{name}.example/v1"),), name)) for name in "abcd")
QUOTE = Quote(1_000_000, 4_000_000, 100_000)
USAGE = Usage(input_tokens=500, output_tokens=200)
EVERY_S = 0.01
"""A hundred calls a second."""
NOTE = (
    "`planner` is the order of four targets for a call, `estimator` the prediction of its first token and what its "
    "answer teaches of that. `all of it` is these and the rest: the call's course, the watch for what is overdue, "
    "usage, health, quota. The median over rounds, by the CPU time of the process, which grows when others share the "
    "machine's caches and cores."
)


class Bench:
    """Four targets with a past, and one call after the other, a hundredth of a second apart."""

    def __init__(self, order: Order, *, has_quota: bool) -> None:
        self._dice = Random(1)
        self._fleet = Fleet()
        self._route = Route(name="r", strategy=order, targets=TARGETS)
        self._means = Means(RetryBudget(), Purse(), Efficacy())
        self._now_s = 1000.0
        self._sizes = itertools.cycle([int(self._dice.lognormvariate(6.5, 1.0)) for _ in range(512)])
        for _ in range(2000):
            self.call(self.planned())
        if has_quota:
            fields = [("x-ratelimit-limit-requests", "100000"), ("x-ratelimit-remaining-requests", "90000")]
            member = self._fleet.member(TARGETS[1].deployment)
            ticket = self._fleet.sent(member, Need(500, 200), self._now_s, is_stream=True)
            self._fleet.told(ticket, fields, 0.0, self._now_s)
            self._fleet.ended(ticket, Outcome.LOCAL, self._now_s, 0.5)

    def planned(self) -> tuple[Deployment, ...]:
        """The order for the next call."""
        self._now_s += EVERY_S
        self._tokens = next(self._sizes)
        self._fleet.sweep(self._now_s)
        asked = Asked(
            now_s=self._now_s,
            dice=self._dice.random,
            quoting=lambda _: QUOTE,
            is_stream=True,
            input_tokens=self._tokens,
        )
        return plan(self._route, asked, self._fleet).deployments

    def call(self, deployments: Sequence[Deployment]) -> None:
        """Its attempt, from the sending to what its answer teaches."""
        fleet, sent_s = self._fleet, self._now_s
        course = Course(_Places(fleet, deployments), Terms(sent_s + 60.0), self._means)
        course.begin(sent_s)
        member = fleet.member(deployments[0])
        ticket = fleet.sent(member, Need(self._tokens, 200), sent_s, is_stream=True)
        fleet.move_s(member, self._tokens, is_stream=True)
        first_s = sent_s + 0.3 * self._dice.lognormvariate(0.0, 0.4)
        fleet.landed(ticket, first_s)
        fleet.first(ticket, first_s)
        course.won(1, first_s)
        fleet.used(ticket, USAGE, first_s + 2.0)
        fleet.ended(ticket, Outcome.OK, first_s + 2.0, 0.5)

    def estimate(self) -> None:
        """A prediction, and what an answer teaches of it."""
        estimator = self._fleet.member(TARGETS[0].deployment).stream
        self._now_s += EVERY_S
        self._tokens = next(self._sizes)
        predicted = estimator.predict(self._tokens)
        taken_s = 0.3 * self._dice.lognormvariate(0.0, 0.4)
        estimator.observe(self._tokens, taken_s, self._now_s, predicted.p95_s)


class _Places:
    """The targets of a call, as its course sees them."""

    def __init__(self, fleet: Fleet, deployments: Sequence[Deployment]) -> None:
        self._fleet = fleet
        self._deployments = deployments

    def __len__(self) -> int:
        return len(self._deployments)

    def member(self, place: int) -> Member:
        return self._fleet.member(self._deployments[place])

    def extra_nano_usd(self, place: int) -> int:
        return int(QUOTE.nano_usd(Need(500, 200), 0.0))


def us(work: Callable[[], object], calls: int, rounds: int) -> float:
    """CPU time of one, the median over rounds."""
    taken: list[float] = []
    for _ in range(rounds):
        began_s = time.process_time()
        for _ in range(calls):
            work()
        taken.append((time.process_time() - began_s) / calls * 1e6)
    return statistics.median(taken)


def lines(calls: int, rounds: int) -> list[list[str]]:
    """A row for each strategy, with and without a quota that was told."""
    found: list[list[str]] = []
    for order, has_quota in itertools.product(ORDERS, (False, True)):
        bench = Bench(order, has_quota=has_quota)
        planned = us(bench.planned, calls, rounds)
        rest = us(partial(bench.call, bench.planned()), calls, rounds)
        estimator = us(bench.estimate, calls, rounds)
        both = planned + estimator
        verdict = "holds" if both <= PROMISED_US else "MISSED"
        state = "one has told of a quota" if has_quota else "all are well"
        figures = (planned, estimator, both, planned + rest)
        found.append([verdict, order, state, *(f"{each:.1f}" for each in figures)])
    return found


def render(found: Sequence[Sequence[str]]) -> str:
    """The page."""
    made = f"Made by `python -m bench.planning --write` on {now():%Y-%m-%d %H:%M} UTC. {machine()}."
    head = ["", "strategy", "four targets", "planner, µs", "estimator, µs", "both, µs", "all of it, µs"]
    promise = f"At most {PROMISED_US:g} µs of CPU for each call, planner and estimator together, are promised."
    return "\n\n".join(("# What routing costs", made, promise, table(head, found), NOTE)) + "\n"


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.planning", description=__doc__)
    parser.add_argument("--calls", type=int, default=4000, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true", help=f"write {MARKDOWN.relative_to(TREE)}")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when the promise is missed")
    given = parser.parse_args()
    text = render(lines(given.calls, given.rounds))
    print(text)
    if given.write:
        Path(MARKDOWN).write_text(text)
    return 1 if given.strict and "MISSED" in text else 0


if __name__ == "__main__":
    sys.exit(main())
