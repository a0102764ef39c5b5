"""What a run came to: measures out of what the clients saw and what the upstreams wrote down. Pure.

The upstreams' logs decide what was tried, the clients' own clocks how long it took. Costs are by the upstreams' meter:
four for a word of answer, one for a token of prompt, for every attempt whose answer had begun or was only late; an
upstream that never began is taken to bill nothing.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from headgate.app.drill.calls import MARK, Call, End
from headgate.app.drill.scenarios import Around, Bound, Measure, Scenario

_MARK: Final = re.compile(re.escape(MARK) + r"(\d+)\.")
_WORD_COST: Final = 4
_BURST_ATTEMPTS: Final = 30
"""So many average prompts may be spent on hedges at once, however little has been earned: the budget's own cap."""
_LATE: Final = frozenset({None, "slower", "slow_first_byte", "drip"})
"""Faults whose upstream would have answered, and bills the prompt of whoever does not wait for it."""
_GAP_LEAST_S: Final = 1.0
_GAP_CALLS: Final = 10.0
"""Where no call begins for so long there is a switch; what comes later are probes."""


class Seen(Struct, kw_only=True):
    """An attempt in an upstream's log; times on the monotonic clock, which all processes of a machine share."""

    arrived_s: float
    body: str
    status: int | None = None
    fault: str | None = None
    bytes_sent: int = 0
    sent: list[tuple[float, int]] = []
    completed: bool = False
    closed_s: float | None = None
    place: int = 0

    @property
    def has_answered(self) -> bool:
        """Whether it gave a whole answer."""
        return self.completed and self.status == 200

    @property
    def first_s(self) -> float:
        """When its first words went out: after the head and an event without words, where it streams."""
        return self.sent[min(2, len(self.sent) - 1)][0]

    @property
    def prompt_cost(self) -> int:
        """Of its prompt alone."""
        return len(self.body) // 4

    @property
    def cost(self) -> int:
        """By the upstream's meter."""
        if self.status != 200 or (not self.bytes_sent and self.fault not in _LATE):
            return 0
        return self.prompt_cost + _WORD_COST * max(0, len(self.sent) - 2)


class Run(Struct, frozen=True, kw_only=True):
    """Everything that one run left behind."""

    scenario: Scenario
    rate_per_s: float
    onset_s: float
    repair_s: float
    calls: Sequence[Call]
    attempts: Sequence[Seen]


class Finding(Struct, frozen=True, kw_only=True):
    """One bound and what was measured; `value` None: nothing of the kind was seen, and so nothing speaks against it."""

    bound: str
    value: float | None
    holds: bool


class Result(Struct, frozen=True, kw_only=True):
    """A scenario's verdict."""

    scenario: str
    title: str
    rate_per_s: float
    is_stream: bool
    calls: int
    """In the time of the fault."""
    lost: int
    """Of these, those without a whole answer."""
    measures: dict[str, float]
    findings: list[Finding]
    notes: list[str]
    """What the first few clients were told whose calls did not end well."""

    @property
    def holds(self) -> bool:
        """Whether everything held."""
        return all(finding.holds for finding in self.findings)


def numbered(attempts: Sequence[Seen]) -> Mapping[int, list[Seen]]:
    """The attempts of each call, in the order of their arrival."""
    found: dict[int, list[Seen]] = defaultdict(list)
    for attempt in sorted(attempts, key=lambda each: each.arrived_s):
        mark = _MARK.search(attempt.body)
        if mark:
            found[int(mark[1])].append(attempt)
    return found


def judge(run: Run, *, is_stream: bool) -> Result:
    """Measures and verdict."""
    measures = {name: value for name, value in measured(run).items() if value is not None}
    around = Around(run.rate_per_s, _usual_p95_s(run))
    findings = [_finding(bound, measures.get(bound.measure), around) for bound in run.scenario.bounds]
    ended_badly = [call for call in run.calls if call.end in {End.DISHONEST, End.HANGING, End.HONEST}]
    during = _during(run)
    return Result(
        scenario=run.scenario.id,
        title=run.scenario.title,
        rate_per_s=run.rate_per_s,
        is_stream=is_stream,
        calls=len(during),
        lost=sum(call.end not in {End.COMPLETE, End.LEFT} for call in during),
        measures={name: round(value, 4) for name, value in measures.items()},
        findings=findings,
        notes=list(dict.fromkeys(f"{call.end}: {call.note}"[:200] for call in ended_badly))[:3],
    )


def _finding(bound: Bound, value: float | None, around: Around) -> Finding:
    return Finding(bound=bound.text(around), value=value, holds=value is None or bound.holds(value, around))


def _usual_p95_s(run: Run) -> float:
    """Of the upstreams' own first tokens before the fault; 1 where there was no call."""
    waits_s = [
        seen.first_s - seen.arrived_s for seen in run.attempts if seen.has_answered and seen.arrived_s < run.onset_s
    ]
    return quantile(waits_s, 0.95) or 1.0


def _during(run: Run) -> list[Call]:
    return [call for call in run.calls if run.onset_s <= call.due_s < run.repair_s]


def measured(run: Run) -> dict[Measure, float | None]:
    """Every measure; None where there was nothing to measure."""
    during, tries = _during(run), numbered(run.attempts)
    stayed = [call for call in during if call.end is not End.LEFT]
    settled = [call for call in during if call.due_s >= run.onset_s + run.scenario.settle_s]
    in_fault = [each for each in run.attempts if run.onset_s <= each.arrived_s < run.repair_s]
    begun = [tries[call.number][0] for call in settled if tries.get(call.number)]
    honest = {End.COMPLETE, End.HONEST}
    firsts_s = [call.first_s - call.due_s for call in during if call.first_s is not None]
    errors_s = [call.ended_s - call.due_s for call in settled if call.end is End.HONEST and call.ended_s is not None]
    return {
        "complete_pct": _share(sum(call.end is End.COMPLETE for call in stayed), len(stayed)),
        "honest_pct": _share(sum(call.end in honest for call in stayed), len(stayed)),
        "dishonest": float(sum(call.end is End.DISHONEST for call in run.calls)),
        "hanging": float(sum(call.end is End.HANGING for call in run.calls)),
        "switch_s": _switch_s(run, tries),
        "share_pct": _share(sum(first.place in run.scenario.places for first in begun), len(begun)),
        "attempts_per_call": sum(len(tries.get(call.number, ())) for call in settled) / len(settled)
        if settled
        else None,
        "faulty_attempts": float(sum(each.place in run.scenario.places for each in in_fault)),
        "throttled": float(sum(each.status == 429 for each in in_fault)),
        "strays": None if run.scenario.faults else float(sum(seen[0].place != 0 for seen in tries.values())),
        **_costs(run, tries),
        "first_p99_s": quantile(firsts_s, 0.99),
        "added_p50_ms": quantile(_added_ms(during, tries), 0.5),
        "added_p99_ms": quantile(_added_ms(during, tries), 0.99),
        "error_p99_s": quantile(errors_s, 0.99),
        "closed_p99_ms": quantile(_closed_ms(run.calls, tries), 0.99),
        "return_s": _return_s(run, tries),
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that so many do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def _share(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None


def _switch_s(run: Run, tries: Mapping[int, list[Seen]]) -> float | None:
    """Until the last call that began at what fails, before there was a pause of such calls."""
    places = run.scenario.places
    begun_s = sorted(
        seen[0].arrived_s
        for seen in tries.values()
        if seen[0].place in places and run.onset_s <= seen[0].arrived_s < run.repair_s
    )
    if not begun_s:
        return None
    pause_s, last_s = max(_GAP_LEAST_S, _GAP_CALLS / run.rate_per_s), run.onset_s
    for arrived_s in begun_s:
        if arrived_s - last_s > pause_s:
            break
        last_s = arrived_s
    return last_s - run.onset_s


def _answered(call: Call, tries: Mapping[int, list[Seen]]) -> Seen | None:
    """The attempt whose answer the client got."""
    whole = [seen for seen in tries.get(call.number, ()) if seen.has_answered]
    return whole[-1] if whole and call.end is End.COMPLETE else None


def _added_ms(calls: Sequence[Call], tries: Mapping[int, list[Seen]]) -> list[float]:
    """What was waited for besides upstreams that were well: a hedge beside a slow one of these adds nothing."""
    found: list[float] = []
    for call in calls:
        winner = _answered(call, tries)
        if winner is not None and call.first_s is not None:
            begun_s = [each.arrived_s for each in tries[call.number] if each is winner or each.fault is None]
            found.append((call.first_s - call.due_s - (winner.first_s - min(begun_s))) * 1e3)
    return found


def _costs(run: Run, tries: Mapping[int, list[Seen]]) -> dict[Measure, float | None]:
    won = extra = 0
    for call in run.calls:
        winner = _answered(call, tries)
        if winner is not None:
            won += winner.cost
            extra += sum(seen.cost for seen in tries[call.number] if seen is not winner)
    if not won:
        return {"extra_cost_pct": None, "beyond_cap_pct": None}
    burst = _BURST_ATTEMPTS * sum(each.prompt_cost for each in run.attempts) / len(run.attempts)
    return {"extra_cost_pct": 100 * extra / won, "beyond_cap_pct": 100 * max(0.0, extra - burst) / won}


def _closed_ms(calls: Sequence[Call], tries: Mapping[int, list[Seen]]) -> list[float]:
    """From each client's leaving to the end of what answered it; what had been sent whole by then is not looked at."""
    return [
        (seen.closed_s - call.ended_s) * 1e3
        for call in calls
        if call.end is End.LEFT and call.ended_s is not None
        for seen in tries.get(call.number, ())
        if seen.closed_s is not None and not seen.completed
    ]


def _return_s(run: Run, tries: Mapping[int, list[Seen]]) -> float | None:
    if not run.scenario.faults:
        return None
    back_s = [
        seen.arrived_s - run.repair_s
        for each in tries.values()
        for seen in each
        if seen.place in run.scenario.places and seen.arrived_s >= run.repair_s and seen.has_answered
    ]
    return min(back_s, default=None)
