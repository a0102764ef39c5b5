"""Overview: traffic, cost, errors and times, now and against as long a time before."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from headgate.server.dashboard import measures
from headgate.server.dashboard.asking import FILTERS, filters, question
from headgate.server.dashboard.measures import COUNTS, TOKENS, Chart, Figure, Series
from headgate.server.dashboard.periods import PERIODS
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.rollups import Found
from headgate.store.tables import TTFT_BINS

TOP_MAX: Final = 8


async def overview(visit: Visit) -> Page:
    """The page."""
    return Page(template="overview.html", context=await asyncio.to_thread(_context, visit))


def _context(visit: Visit) -> dict[str, object]:
    calls, period, money = visit.sights.traffic.calls, visit.period, visit.money
    window, before = period.window(visit.now_us), period.before(visit.now_us)
    sums = (*COUNTS, *TOKENS, money, *TTFT_BINS)
    over_time = measures.over_time(calls(question(visit, window, sums, "start_us")), window)
    key_names = {key.kid: key.name for key in visit.sights.doors.keys.list()}
    return {
        "title": "Overview",
        "visit": visit,
        "period": period,
        "period_names": list(PERIODS),
        "filters": filters(visit),
        "figures": _figures(measures.added(over_time), measures.only(calls(question(visit, before, sums))), money),
        "charts": _charts(over_time, measures.axis(window), money),
        "tops": [
            _top(visit, title, field, calls(question(visit, window, ("calls", "failed", money), FILTERS[field])), names)
            for title, field, names in (
                ("Models", "model", {}),
                ("Providers", "provider", {}),
                ("Keys", "key", key_names),
            )
        ],
    }


def _figures(now: Mapping[str, int], before: Mapping[str, int], money: str) -> list[Figure]:
    def plain(label: str, unit: measures.Unit, name: str) -> Figure:
        return Figure(label=label, unit=unit, value=now.get(name, 0), before=before.get(name, 0))

    def lower(label: str, unit: measures.Unit, value: float | None, past: float | None) -> Figure:
        return Figure(label=label, unit=unit, value=value, before=past, is_better_lower=True)

    tokens = [sum(each.get(name, 0) for name in ("input_tokens", "output_tokens")) for each in (now, before)]
    return [
        plain("Calls", "number", "calls"),
        plain("Cost" if money.startswith("cost") else "Charged", "usd", money),
        Figure(label="Tokens", unit="number", value=tokens[0], before=tokens[1]),
        lower("Failed", "share", measures.ratio(now, "failed", "calls"), measures.ratio(before, "failed", "calls")),
        lower("First token, p50", "ms", measures.ttft_ms(now, 0.5), measures.ttft_ms(before, 0.5)),
        lower("First token, p95", "ms", measures.ttft_ms(now, 0.95), measures.ttft_ms(before, 0.95)),
        Figure(
            label="Prompt tokens from caches",
            unit="share",
            value=measures.ratio(now, "cached_tokens", "input_tokens"),
            before=measures.ratio(before, "cached_tokens", "input_tokens"),
            is_better_lower=False,
        ),
        plain("Failovers", "number", "failovers"),
    ]


def _charts(rows: Sequence[Mapping[str, int]], at_s: list[int], money: str) -> list[Chart]:
    def times(share: float) -> list[float | None]:
        return [measures.ttft_ms(row, share) for row in rows]

    fine = [row.get("calls", 0) - row.get("failed", 0) - row.get("refused", 0) for row in rows]
    ends = [
        Series(label="answered", values=fine),
        measures.line("refused", rows, "refused"),
        measures.line("failed", rows, "failed"),
    ]
    return [
        Chart(title="Calls", unit="number", at_s=at_s, series=ends, is_stacked=True),
        Chart(title="Cost", unit="usd", at_s=at_s, series=[measures.line("cost", rows, money)]),
        Chart(
            title="Time to the first token",
            unit="ms",
            at_s=at_s,
            series=[Series(label="p50", values=times(0.5)), Series(label="p95", values=times(0.95))],
        ),
        Chart(
            title="Tokens",
            unit="number",
            at_s=at_s,
            series=[measures.line("in", rows, "input_tokens"), measures.line("out", rows, "output_tokens")],
        ),
    ]


def _top(visit: Visit, title: str, field: str, found: Sequence[Found], names: Mapping[str, str]) -> dict[str, object]:
    ranked = sorted(found, key=lambda each: (-each.sums[visit.money], -each.sums["calls"], each.place))
    most = max((each.sums[visit.money] for each in ranked), default=0)
    rows = [
        {
            "name": names.get(each.place[0]) or each.place[0] or "not answered",
            "link": visit.link(**{field: each.place[0]}) if each.place[0] else "",
            "calls": each.sums["calls"],
            "failed": each.sums["failed"],
            "money": each.sums[visit.money],
            "share": round(100 * each.sums[visit.money] / most) if most else 0,
        }
        for each in ranked[:TOP_MAX]
    ]
    return {"title": title, "rows": rows, "more": max(0, len(ranked) - TOP_MAX)}
