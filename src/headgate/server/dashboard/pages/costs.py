"""Costs: what was spent on what, over time, and what the month will probably come to."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from headgate.core.problems import InvalidRequest
from headgate.server.dashboard import measures
from headgate.server.dashboard.asking import question
from headgate.server.dashboard.board import Board, Choices, page_of
from headgate.server.dashboard.measures import Chart, Figure
from headgate.server.dashboard.pages.requests import names_of_keys
from headgate.server.dashboard.tables import Cell, Column, Table
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.rollups import Found

BY: Final = {
    "model": "model",
    "provider": "provider",
    "key": "key_id",
    "team": "key_id",
    "route": "route",
    "upstream": "upstream",
}
"""What costs can be told apart by, and what that is in the rollups. A team is the sum of its keys."""
ROWS_MAX: Final = 100


async def costs(visit: Visit) -> Page:
    """The page."""
    by = visit.query.get("by", "model")
    if by not in (*BY, "user"):
        raise InvalidRequest(
            f"Costs cannot be told apart by {by[:20]!r}; by {', '.join(BY)}, user they can.", param="by"
        )
    return page_of(visit, await asyncio.to_thread(_board, visit, by))


def _board(visit: Visit, by: str) -> Board:
    window, money = visit.period.window(visit.now_us), visit.money
    sums = ("calls", "input_tokens", "cached_tokens", "output_tokens", money)
    ask = visit.sights.traffic.calls
    before = measures.only(ask(question(visit, visit.period.before(visit.now_us), sums)))
    if by == "user":
        total = measures.only(ask(question(visit, window, sums)))
        lines = [
            measures.line("cost", measures.over_time(ask(question(visit, window, (money,), "start_us")), window), money)
        ]
        rows = visit.sights.traffic.users(window.since_us, window.before_us)
    else:
        found = _grouped(visit, by, ask(question(visit, window, sums, "start_us", BY[by])))
        rows = _over_all(found)
        total = measures.added(row.sums for row in rows)
        lines = measures.stacked(found, window, money, _names(visit, by))
    chart = Chart(
        title=f"Cost by {by}" if by != "user" else "Cost",
        unit="usd",
        at_s=measures.axis(window),
        series=lines,
        is_stacked=len(lines) > 1,
    )
    return Board(
        title="Costs",
        figures=[*_figures(total, before, money), *_forecast(visit)],
        charts=[chart],
        tables=[_table(visit, by, rows), _budgets(visit)],
        choices=Choices(label="Told apart by", field="by", names=[*BY, "user"], chosen=by),
        has_periods=True,
    )


def _names(visit: Visit, by: str) -> Mapping[str, str]:
    if by == "key":
        return names_of_keys(visit)
    return {each.id: each.name for each in visit.sights.doors.tenants.list()} if by == "team" else {}


def _grouped(visit: Visit, by: str, found: Sequence[Found]) -> Sequence[Found]:
    """By team: keys as what they belong to."""
    if by != "team":
        return found
    teams = {key.kid: key.team for key in visit.sights.doors.keys.list()}
    sums: dict[tuple[int, str], dict[str, int]] = {}
    for each in found:
        start_us, kid = each.place
        place = (start_us, teams.get(kid, ""))
        so_far = sums.setdefault(place, dict.fromkeys(each.sums, 0))
        for name, number in each.sums.items():
            so_far[name] += number
    return [Found(place, each) for place, each in sorted(sums.items())]


def _over_all(found: Sequence[Found]) -> list[Found]:
    """Without the time."""
    sums: dict[str, dict[str, int]] = {}
    for each in found:
        so_far = sums.setdefault(each.place[1], dict.fromkeys(each.sums, 0))
        for name, number in each.sums.items():
            so_far[name] += number
    return [Found((place,), each) for place, each in sums.items()]


def _figures(now: Mapping[str, int], before: Mapping[str, int], money: str) -> list[Figure]:
    return [
        Figure(label="Cost", unit="usd", value=now.get(money, 0), before=before.get(money, 0)),
        Figure(
            label="Per thousand calls",
            unit="usd",
            value=measures.ratio(now, money, "calls", 1000),
            before=measures.ratio(before, money, "calls", 1000),
            is_better_lower=True,
        ),
        Figure(
            label="Prompt tokens", unit="number", value=now.get("input_tokens", 0), before=before.get("input_tokens", 0)
        ),
        Figure(
            label="Answered tokens",
            unit="number",
            value=now.get("output_tokens", 0),
            before=before.get("output_tokens", 0),
        ),
    ]


def _forecast(visit: Visit) -> list[Figure]:
    """What callers will probably be charged this month."""
    found = visit.sights.doors.accounting.forecast(visit.who.team or visit.who.organisation)
    return [
        Figure(label=f"Charged in {found.month} so far", unit="usd", value=found.so_far_nano_usd, before=None),
        Figure(label="Probably by its end", unit="usd", value=found.expected_nano_usd, before=None),
    ]


def _table(visit: Visit, by: str, rows: Sequence[Found]) -> Table:
    money, names = visit.money, _names(visit, by)
    ranked = sorted(rows, key=lambda each: (-each.sums[money], -each.sums["calls"], each.place))
    total = sum(each.sums[money] for each in rows)
    shown: list[list[Cell]] = []
    for place, sums in ranked[:ROWS_MAX]:
        name = str(place[0])
        shown.append(
            [
                Cell(names.get(name) or name or "none", _requests(visit, by, name)),
                Cell(sums["calls"]),
                Cell(sums["input_tokens"]),
                Cell(measures.ratio(sums, "cached_tokens", "input_tokens")),
                Cell(sums["output_tokens"]),
                Cell(sums[money]),
                Cell(measures.ratio(sums, money, "calls", 1000)),
                Cell(sums[money] / total if total else None),
            ]
        )
    columns = [
        Column(by.capitalize()),
        Column("Calls", "number"),
        Column("Tokens in", "number"),
        Column("Cached", "share"),
        Column("Tokens out", "number"),
        Column("Cost", "usd"),
        Column("Per 1000 calls", "usd"),
        Column("Share", "share"),
    ]
    note = f"The {ROWS_MAX} that cost most, of {len(ranked)}." if len(ranked) > ROWS_MAX else ""
    return Table(title=f"By {by}", columns=columns, rows=shown, note=note)


def _requests(visit: Visit, by: str, name: str) -> str:
    """The calls that a row is made of, where the list can show just them."""
    if not name or by in ("provider", "upstream", "team"):
        return ""
    return visit.link("/dashboard/requests", by="", period=visit.period.name, **{by: name})


def _budgets(visit: Visit) -> Table:
    rows: list[list[Cell]] = []
    names = {each.id: each.name for each in visit.sights.doors.tenants.list()} | names_of_keys(visit)
    for each in visit.sights.doors.tenants.budgets():
        used, most = _int(each["settled"]) + _int(each["held"]), _int(each["limit"])
        share = used / most if most else None
        tone = "" if share is None or share < 0.8 else "warn" if share < 1 else "bad"
        unit_is_usd = "USD" in str(each["what"])
        amounts = [Cell(_told(number, unit_is_usd)) for number in (used, most)]
        rows.append(
            [
                Cell(f"{each['level']} {each['user'] or names.get(str(each['id']), each['id'])}"),
                Cell(str(each["what"])),
                *amounts,
                Cell(share, "", tone),
            ]
        )
    columns = [Column("Whose"), Column("Budget"), Column("Used"), Column("Of"), Column("Share", "share")]
    return Table(title="Budgets", columns=columns, rows=rows, empty="There are no budgets.")


def _told(number: int, is_usd: bool) -> str:
    return f"${number / 1e9:,.2f}" if is_usd else f"{number:,}"


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
