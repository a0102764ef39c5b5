"""Performance: how long until the first token and the end, how fast answers came, and our own share of it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from headgate.server.dashboard import measures
from headgate.server.dashboard.asking import question
from headgate.server.dashboard.board import Board, page_of
from headgate.server.dashboard.measures import TIMES, Chart, Figure, Series
from headgate.server.dashboard.tables import Cell, Column, Table
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.rollups import Found
from headgate.store.tables import DURATION_BINS, TTFT_BINS

_SUMS: Final = ("calls", *TIMES, *DURATION_BINS, *TTFT_BINS)
_SECOND_US: Final = 1_000_000


async def performance(visit: Visit) -> Page:
    """The page."""
    return page_of(visit, await asyncio.to_thread(_board, visit))


def _board(visit: Visit) -> Board:
    window, ask = visit.period.window(visit.now_us), visit.sights.traffic.calls
    rows = measures.over_time(ask(question(visit, window, _SUMS, "start_us")), window)
    now = measures.added(rows)
    before = measures.only(ask(question(visit, visit.period.before(visit.now_us), _SUMS)))
    return Board(
        title="Performance",
        figures=_figures(now, before),
        charts=_charts(rows, measures.axis(window)),
        tables=[
            _table(visit, ask(question(visit, window, _SUMS, "provider", "upstream"))),
        ],
        notes=["Percentiles are read from bins and may be off by half; means are exact. Speed is that of streams."],
        has_periods=True,
    )


def _speed(sums: Mapping[str, int]) -> float | None:
    return measures.ratio(sums, "spoken_tokens", "spoken_us", _SECOND_US)


def _overhead_ms(sums: Mapping[str, int]) -> float | None:
    return measures.ratio(sums, "overhead_us", "calls", 1 / 1000)


def _figures(now: Mapping[str, int], before: Mapping[str, int]) -> list[Figure]:
    def lower(label: str, value: float | None, past: float | None) -> Figure:
        return Figure(label=label, unit="ms", value=value, before=past, is_better_lower=True)

    first = [
        lower(f"First token, p{share * 100:.0f}", measures.ttft_ms(now, share), measures.ttft_ms(before, share))
        for share in (0.5, 0.95, 0.99)
    ]
    whole = [
        lower(f"Whole call, p{share * 100:.0f}", measures.duration_ms(now, share), measures.duration_ms(before, share))
        for share in (0.5, 0.95)
    ]
    speed = Figure(
        label="Tokens per second", unit="number", value=_speed(now), before=_speed(before), is_better_lower=False
    )
    return [*first, *whole, speed, lower("Our own, mean", _overhead_ms(now), _overhead_ms(before))]


def _charts(rows: Sequence[Mapping[str, int]], at_s: list[int]) -> list[Chart]:
    first = [
        Series(label=label, values=[measures.ttft_ms(row, share) for row in rows])
        for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]
    whole = [
        Series(label=label, values=[measures.duration_ms(row, share) for row in rows])
        for label, share in (("p50", 0.5), ("p95", 0.95))
    ]
    speed = [Series(label="tokens per second", values=[_speed(row) for row in rows])]
    own = [Series(label="mean", values=[_overhead_ms(row) for row in rows])]
    return [
        Chart(title="Time to the first token", unit="ms", at_s=at_s, series=first),
        Chart(title="Time of the whole call", unit="ms", at_s=at_s, series=whole),
        Chart(title="Tokens per second", unit="number", at_s=at_s, series=speed),
        Chart(title="Our own time per call", unit="ms", at_s=at_s, series=own),
    ]


def _table(visit: Visit, found: Sequence[Found]) -> Table:
    ranked = sorted((each for each in found if each.place[0]), key=lambda each: -each.sums["calls"])
    rows = [
        [
            Cell(f"{provider}/{upstream}", visit.link(provider=provider, upstream=upstream)),
            Cell(sums["calls"]),
            *(Cell(measures.ttft_ms(sums, share)) for share in (0.5, 0.95, 0.99)),
            *(Cell(measures.duration_ms(sums, share)) for share in (0.5, 0.95)),
            Cell(_speed(sums)),
            Cell(_overhead_ms(sums)),
        ]
        for (provider, upstream), sums in ranked
    ]
    columns = [
        Column("Answered by"),
        Column("Calls", "number"),
        *(Column(f"First token, {name}", "ms") for name in ("p50", "p95", "p99")),
        *(Column(f"Whole, {name}", "ms") for name in ("p50", "p95")),
        Column("Tokens/s", "number"),
        Column("Our own", "ms"),
    ]
    return Table(title="By provider and model", columns=columns, rows=rows)
