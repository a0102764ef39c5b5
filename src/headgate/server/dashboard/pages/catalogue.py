"""Models: the names that can be asked for, what they can do and cost, and who runs them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.server.dashboard.asking import question
from headgate.server.dashboard.board import Board, page_of
from headgate.server.dashboard.tables import Cell, Column, Table
from headgate.server.dashboard.visiting import Page, Visit


class _Entry(msgspec.Struct):
    id: str
    context_length: int | None = None
    pricing: dict[str, Any] | None = None
    architecture: dict[str, Any] | None = None
    supported_parameters: list[str] | None = None
    headgate: dict[str, Any] | None = None


class _List(msgspec.Struct):
    data: list[_Entry]


_decode = msgspec.json.Decoder(_List).decode


async def models(visit: Visit) -> Page:
    """The page."""
    return page_of(visit, await asyncio.to_thread(_board, visit))


def _board(visit: Visit) -> Board:
    window = visit.period.window(visit.now_us)
    used = {
        str(each.place[0]): each.sums["calls"]
        for each in visit.sights.traffic.calls(question(visit, window, ("calls",), "model"))
    }
    wanted = visit.query.get("find", "").lower()
    entries = [each for each in _decode(visit.sights.doors.models()).data if wanted in each.id.lower()]
    entries.sort(key=lambda each: (-used.get(each.id, 0), each.id))
    rows = [
        [
            Cell(each.id, visit.link("/dashboard", model=each.id, find="") if used.get(each.id) else ""),
            Cell(used.get(each.id)),
            Cell(each.context_length),
            Cell(_nano_per_million(each.pricing, "prompt")),
            Cell(_nano_per_million(each.pricing, "input_cache_read")),
            Cell(_nano_per_million(each.pricing, "completion")),
            Cell(", ".join((each.architecture or {}).get("input_modalities", []))),
        ]
        for each in entries
    ]
    columns = [
        Column("Name"),
        Column("Calls", "number"),
        Column("Context", "number"),
        Column("In, per million", "usd"),
        Column("From cache", "usd"),
        Column("Out, per million", "usd"),
        Column("Takes"),
    ]
    table = Table(title=f"{len(rows)} names", columns=columns, rows=rows, empty="No name has that in it.")
    more: dict[str, object] = {"find": visit.query.get("find", "")}
    return Board(title="Models", tables=[table], has_periods=True, template="models.html", more=more)


def _nano_per_million(pricing: Mapping[str, Any] | None, name: str) -> float | None:
    told = (pricing or {}).get(name)
    return None if told is None else float(told) * 1e15
