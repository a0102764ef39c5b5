"""Reliability: what failed, what was done about it, how deployments do now, and when providers were out of order."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from headgate.server.dashboard import measures
from headgate.server.dashboard.asking import question
from headgate.server.dashboard.board import Board, page_of
from headgate.server.dashboard.measures import COUNTS, Chart, Figure
from headgate.server.dashboard.tables import Cell, Column, Table
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.rollups import ATTEMPT_ROLLUP, Found, Question, Window

_GOOD: Final = frozenset({"ok", "client", "context", "policy", "client_gone"})
"""Outcomes for which a provider is not to blame."""
OUTAGE_SHARE: Final = 0.5
"""So many of its attempts fail while a provider is out of order."""
OUTAGE_ATTEMPTS_MIN: Final = 5
TONES: Final = {"healthy": "good", "ramping": "warn", "suspect": "warn", "half_open": "warn", "open": "bad"}


class Outage(NamedTuple):
    """A time in which a provider failed mostly."""

    provider: str
    since_us: int
    before_us: int
    attempts: int
    failed: int


async def reliability(visit: Visit) -> Page:
    """The page."""
    return page_of(visit, await asyncio.to_thread(_board, visit))


def _board(visit: Visit) -> Board:
    window, ask = visit.period.window(visit.now_us), visit.sights.traffic.calls
    rows = measures.over_time(ask(question(visit, window, COUNTS, "start_us")), window)
    now = measures.added(rows)
    before = measures.only(ask(question(visit, visit.period.before(visit.now_us), COUNTS)))
    at_s = measures.axis(window)
    ends = [measures.line(name, rows, name) for name in ("refused", "failed", "gone")]
    saved = [measures.line(name, rows, name) for name in ("failovers", "hedges")]
    tables = [_standings(visit), *_attempts(visit, window)] if visit.who.role is None else []
    return Board(
        title="Reliability",
        figures=_figures(now, before),
        charts=[
            Chart(title="Calls that did not end well", unit="number", at_s=at_s, series=ends),
            Chart(title="Attempts that made up for others", unit="number", at_s=at_s, series=saved),
        ],
        tables=tables,
        has_periods=True,
    )


def _figures(now: Mapping[str, int], before: Mapping[str, int]) -> list[Figure]:
    def of(label: str, part: str, whole: str, is_better_lower: bool | None) -> Figure:
        values = [measures.ratio(sums, part, whole) for sums in (now, before)]
        return Figure(label=label, unit="share", value=values[0], before=values[1], is_better_lower=is_better_lower)

    def plain(label: str, name: str) -> Figure:
        return Figure(label=label, unit="number", value=now.get(name, 0), before=before.get(name, 0))

    return [
        of("Calls that failed", "failed", "calls", True),
        of("Calls refused", "refused", "calls", None),
        of("Clients gone", "gone", "calls", None),
        plain("Failovers", "failovers"),
        plain("Hedges", "hedges"),
        Figure(
            label="Attempts per call",
            unit="number",
            value=measures.ratio(now, "attempts", "calls"),
            before=measures.ratio(before, "attempts", "calls"),
        ),
    ]


def _standings(visit: Visit) -> Table:
    rows = [
        [
            Cell(each.deployment),
            *(Cell(state, "", TONES.get(state, "")) for state in (each.state, each.account, each.host)),
            Cell(each.failure_rate),
            Cell(each.weight),
            Cell(each.in_flight),
        ]
        for each in visit.sights.standings()
    ]
    columns = [
        Column("Deployment"),
        Column("Itself", "tag"),
        Column("Account", "tag"),
        Column("Host", "tag"),
        Column("Failures lately", "share"),
        Column("Gets of its traffic", "share"),
        Column("Under way", "number"),
    ]
    note = "As this process sees them; what has not been called since its start is not here."
    return Table(title="Now", columns=columns, rows=rows, note=note, empty="Nothing has been called yet.")


def _attempts(visit: Visit, window: Window) -> list[Table]:
    ask = Question(
        rollup=ATTEMPT_ROLLUP, window=window, by=("start_us", "provider", "outcome"), sums=("attempts", "cost_nano_usd")
    )
    found = visit.sights.traffic.attempts(ask)
    by_provider: dict[str, dict[str, int]] = {}
    for (_, provider, outcome), sums in found:
        row = by_provider.setdefault(provider, {})
        row[outcome] = row.get(outcome, 0) + sums["attempts"]
    outcomes = sorted(
        {outcome for row in by_provider.values() for outcome in row}, key=lambda each: (each != "ok", each)
    )
    rows = [
        [
            Cell(provider),
            Cell(sum(row.values())),
            Cell(sum(number for outcome, number in row.items() if outcome in _GOOD) / sum(row.values())),
            *(Cell(row.get(outcome) or None) for outcome in outcomes),
        ]
        for provider, row in sorted(by_provider.items(), key=lambda each: -sum(each[1].values()))
    ]
    columns = [
        Column("Provider"),
        Column("Attempts", "number"),
        Column("Not its fault, or well", "share"),
        *(Column(outcome, "number") for outcome in outcomes),
    ]
    return [Table(title="Attempts by how they ended", columns=columns, rows=rows), _outage_table(found, window)]


def _outage_table(found: Sequence[Found], window: Window) -> Table:
    rows = [
        [
            Cell(each.provider),
            Cell(each.since_us),
            Cell((each.before_us - each.since_us) / 1000),
            Cell(each.attempts),
            Cell(each.failed / each.attempts),
        ]
        for each in reversed(outages(found, window.grain_s * 1_000_000))
    ]
    columns = [
        Column("Provider"),
        Column("From (UTC)", "moment"),
        Column("Lasted", "ms"),
        Column("Attempts", "number"),
        Column("Failed", "share"),
    ]
    note = f"Times in which at least half of a provider's attempts failed, {OUTAGE_ATTEMPTS_MIN} at least."
    return Table(title="Outages", columns=columns, rows=rows, note=note, empty="None in this time.")


def outages(found: Iterable[Found], grain_us: int) -> list[Outage]:
    """From sums by `start_us`, `provider` and `outcome`; neighbouring rows are one outage. In the order of time."""
    rows: dict[tuple[str, int], tuple[int, int]] = {}
    for (start_us, provider, outcome), sums in found:
        attempts, failed = rows.get((provider, start_us), (0, 0))
        bad = 0 if outcome in _GOOD else sums["attempts"]
        rows[provider, start_us] = attempts + sums["attempts"], failed + bad
    outages: list[Outage] = []
    for (provider, start_us), (attempts, failed) in sorted(rows.items()):
        if attempts < OUTAGE_ATTEMPTS_MIN or failed < attempts * OUTAGE_SHARE:
            continue
        end_us = start_us + grain_us
        if outages and outages[-1].provider == provider and outages[-1].before_us == start_us:
            last = outages.pop()
            outages.append(Outage(provider, last.since_us, end_us, last.attempts + attempts, last.failed + failed))
        else:
            outages.append(Outage(provider, start_us, end_us, attempts, failed))
    return sorted(outages, key=lambda each: each.since_us)
