"""What calls and attempts come to by minute, hour and day. Must not know what is counted as what.

Written in the transaction that keeps the calls themselves, one row for each place and batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Dialect, Table, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.statements import positional
from headgate.store.tables import ATTEMPT_ROLLUPS, ROLLUPS

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
GRAINS_S: Final = (MINUTE_S, HOUR_S, DAY_S)
_ROWS: Final = (20, 1)
"""How many one statement may add, as in `calls`."""
KEYS_MAX: Final = 500
"""How many keys one query names."""

Row = tuple[Any, ...]


class Rollup(NamedTuple):
    """One of the two tables: what its rows are summed up by, and which sums they hold."""

    table: Table
    place: tuple[str, ...]
    sums: tuple[str, ...]


def _rollup(table: Table) -> Rollup:
    names = [column.name for column in table.columns]
    place = tuple(column.name for column in table.columns if column.primary_key)
    return Rollup(table, place, tuple(names[len(place) :]))


CALL_ROLLUP: Final = _rollup(ROLLUPS)
ATTEMPT_ROLLUP: Final = _rollup(ATTEMPT_ROLLUPS)


class Window(Struct, frozen=True, kw_only=True):
    """A time, in rows of one grain. Both ends are beginnings of such rows."""

    grain_s: int
    since_us: int
    before_us: int


class Question(Struct, frozen=True, kw_only=True):
    """What to add up."""

    rollup: Rollup
    window: Window
    by: tuple[str, ...] = ()
    """The names of the place to tell apart by."""
    sums: tuple[str, ...]
    wanted: Mapping[str, Sequence[str]] = {}
    """Of those alone whose name has one of these values. One name at most may have more than `KEYS_MAX`."""


def add(connection: Connection, rollup: Rollup, rows: Sequence[Row]) -> None:
    """Adds to what is there. A row: its place, then its sums; no place twice."""
    at = 0
    for size in _ROWS:
        while len(rows) - at >= size:
            values = tuple(chain.from_iterable(rows[at : at + size]))
            connection.exec_driver_sql(_adding(connection.dialect, rollup, size), values)
            at += size


@cache
def _adding(dialect: Dialect, rollup: Rollup, rows: int) -> str:
    new = insert(rollup.table)
    sums = {name: rollup.table.c[name] + new.excluded[name] for name in rollup.sums}
    adding = new.on_conflict_do_update(index_elements=rollup.place, set_=sums)
    return positional(adding, [*rollup.place, *rollup.sums], dialect, rows)


class Found(NamedTuple):
    """A line of an answer."""

    place: tuple[Any, ...]
    """The values of what was asked `by`."""
    sums: dict[str, int]


def summed(connection: Connection, question: Question) -> list[Found]:
    """The answer, in the order of its places; what has no row is not in it."""
    table, window, by = question.rollup.table, question.window, question.by
    conditions: list[ColumnElement[bool]] = [
        table.c.grain_s == window.grain_s,
        table.c.start_us >= window.since_us,
        table.c.start_us < window.before_us,
    ]
    places = [table.c[name] for name in by]
    found: dict[tuple[Any, ...], list[int]] = {}
    for some in _in_turns(question.wanted):
        query = select(*places, *(func.sum(table.c[name]) for name in question.sums)).where(
            *conditions, *(table.c[name].in_(values) for name, values in some.items())
        )
        for row in connection.execute(query.group_by(*places)):
            place, sums = tuple(row[: len(by)]), row[len(by) :]
            if sums[0] is not None:  # a sum over nothing
                so_far = found.setdefault(place, [0] * len(sums))
                found[place] = [a + int(b) for a, b in zip(so_far, sums, strict=True)]
    return [Found(place, dict(zip(question.sums, sums, strict=True))) for place, sums in sorted(found.items())]


def _in_turns(wanted: Mapping[str, Sequence[str]]) -> Iterable[Mapping[str, Sequence[str]]]:
    longest = max(wanted, key=lambda name: len(wanted[name]), default="")
    if not longest or len(wanted[longest]) <= KEYS_MAX:
        return [wanted]
    values = wanted[longest]
    return [{**wanted, longest: values[at : at + KEYS_MAX]} for at in range(0, len(values), KEYS_MAX)]


def forget(connection: Connection, grain_s: int, before_us: int) -> None:
    """Takes out the rows of a grain that are older."""
    for table in (ROLLUPS, ATTEMPT_ROLLUPS):
        connection.execute(delete(table).where(table.c.grain_s == grain_s, table.c.start_us < before_us))


def clear(connection: Connection) -> None:
    """Takes out everything."""
    for table in (ROLLUPS, ATTEMPT_ROLLUPS):
        connection.execute(delete(table))
