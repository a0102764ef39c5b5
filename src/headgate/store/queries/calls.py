"""Calls: kept once each, found by id, listed newest first. Must not know where they come from."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Dialect, bindparam, func, select, text
from sqlalchemy.dialects.sqlite import insert

from headgate.core.record import CallRecord
from headgate.core.usage import Usage
from headgate.store.statements import positional
from headgate.store.tables import CALLS, INT64_MAX

_NO_USAGE = Usage()
_ROWS = (100, 10, 1)
"""How many one statement may add: few sizes, since a prepared one takes up to 200 kB and the driver keeps many."""
_ADD = insert(CALLS).on_conflict_do_nothing().returning(CALLS.c.id)
_COLUMNS = [column.name for column in CALLS.columns if column.name != "seq"]
_FIND = select(CALLS.c.record).where(CALLS.c.id == bindparam("wanted"))
_AFTER = select(CALLS.c.seq, CALLS.c.record).where(CALLS.c.seq > bindparam("last")).order_by(CALLS.c.seq).limit(1000)
KEPT_LATE_US = 2 * 86_400_000_000
"""How long after its beginning a call may be kept: a provider's batch takes a day."""
_USUAL = {"user": "", "session": "", "outcome": "ok", "status": 200}
_UNUSUAL = {name: text(f'"{name}" <> {value!r}') for name, value in _USUAL.items()}
_LAST = select(CALLS.c.seq).order_by(CALLS.c.seq.desc()).limit(1)
_SOME = select(CALLS.c.started_us).where(CALLS.c.seq >= bindparam("middle")).order_by(CALLS.c.seq).limit(50).subquery()
_AROUND = select(func.max(_SOME.c.started_us))
_decode = msgspec.json.Decoder(CallRecord).decode


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls to list; what is None does not matter."""

    key_id: str | None = None
    key_ids: tuple[str, ...] | None = None
    """Made with one of these."""
    model: str | None = None
    """As the client named it."""
    status: int | None = None
    """The HTTP status the client got."""
    outcome: str | None = None
    user: str | None = None
    session: str | None = None
    route: str | None = None
    is_failed: bool = False
    """Only those that did not end well."""
    since_us: int | None = None
    before: int | None = None
    """`seq` of the last call of the page before."""
    after: int | None = None
    """`seq` of a call that all of them shall be newer than."""


class Kept(NamedTuple):
    """A call in the store, and its place there."""

    seq: int
    record: CallRecord


def add(connection: Connection, calls: Sequence[tuple[CallRecord, bytes]]) -> list[CallRecord]:
    """Keeps calls, each with its JSON. Returns those that were not there before; one that was stays as it is."""
    rows, at = [_row(record, json) for record, json in calls], 0
    added: set[str] = set()
    for size in _ROWS:
        while len(rows) - at >= size:
            values = tuple(chain.from_iterable(rows[at : at + size]))
            added.update(row[0] for row in connection.exec_driver_sql(_adding(connection.dialect, size), values))
            at += size
    if len(added) == len(rows):
        return [record for record, _ in calls]
    return list({record.id: record for record, _ in reversed(calls) if record.id in added}.values())[::-1]


@cache
def _adding(dialect: Dialect, rows: int) -> str:
    """Compiled once: through `execute`, a batch costs as much again in building parameters as SQLite takes for it."""
    return positional(_ADD, _COLUMNS, dialect, rows)


def find(connection: Connection, call_id: str) -> CallRecord | None:
    """One call."""
    json = connection.execute(_FIND, {"wanted": call_id}).scalar_one_or_none()
    return None if json is None else _decode(json)


def newest(connection: Connection, wanted: CallFilter, limit: int) -> list[Kept]:
    """The calls that fit, the one kept last first."""
    query = select(CALLS.c.seq, CALLS.c.record).order_by(CALLS.c.seq.desc()).limit(limit)
    for name in ("key_id", "model", "status", "outcome", "user", "session", "route"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(CALLS.c[name] == value)
            if value != _USUAL.get(name, value):  # said in so many words, so that the index of what is unusual is used
                query = query.where(_UNUSUAL[name])
    if wanted.is_failed:
        query = query.where(_UNUSUAL["outcome"])
    if wanted.key_ids is not None:
        query = query.where(CALLS.c.key_id.in_(wanted.key_ids))
    if wanted.since_us is not None:
        first = _first_since(connection, wanted.since_us - KEPT_LATE_US)
        query = query.where(CALLS.c.started_us >= wanted.since_us, CALLS.c.seq >= first)
    if wanted.before is not None:
        query = query.where(CALLS.c.seq < wanted.before)
    if wanted.after is not None:
        query = query.where(CALLS.c.seq > wanted.after)
    return [Kept(row.seq, _decode(row.record)) for row in connection.execute(query)]


def last(connection: Connection) -> int:
    """The `seq` of the call kept last; 0: there is none."""
    return connection.execute(_LAST).scalar_one_or_none() or 0


def _first_since(connection: Connection, since_us: int) -> int:
    """A `seq` that no call has stood before which began since: found by halves, since calls are kept nearly in the
    order in which they begin. A few that were kept long after do not lead astray."""
    low, high = 0, last(connection) + 1
    while low < high:
        middle = (low + high) // 2
        newest_us = connection.execute(_AROUND, {"middle": middle}).scalar_one_or_none()
        if newest_us is None or newest_us >= since_us:
            high = middle
        else:
            low = middle + 1
    return low


def everything(connection: Connection) -> Iterator[CallRecord]:
    """Every call, in the order in which they were kept."""
    last = 0
    while rows := connection.execute(_AFTER, {"last": last}).all():
        for seq, record in rows:
            last = seq
            yield _decode(record)


def _row(record: CallRecord, json: bytes) -> tuple[Any, ...]:
    usage, ttft_ms = record.usage or _NO_USAGE, record.ttft_ms
    return (
        record.id,
        record.started_us,
        record.key_id,
        record.surface,
        record.operation,
        record.model,
        record.is_stream,
        record.user,
        record.session,
        record.route,
        record.status,
        record.outcome,
        len(record.attempts),
        _int64(usage.input_tokens),
        _int64(usage.cached_tokens),
        _int64(usage.output_tokens),
        record.usage_source,
        _int64(record.cost_nano_usd),
        record.is_priced,
        None if ttft_ms is None else int(ttft_ms * 1000),
        int(record.duration_ms * 1000),
        json.decode(),
    )


def _int64(number: int) -> int:
    """An upstream may claim any number; the record keeps it exactly, the column as near as it can."""
    return number if number <= INT64_MAX else INT64_MAX
