"""Calls: kept once each, found by id, listed newest first. Must not know where they come from."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.sqlite import dialect, insert

from headgate.core.record import CallRecord
from headgate.core.usage import Usage
from headgate.store.tables import CALLS, INT64_MAX

_NO_USAGE = Usage()
_ROWS = (100, 10, 1)
"""How many one statement may add: few sizes, since a prepared one takes up to 200 kB and the driver keeps many."""
_FIND = select(CALLS.c.record).where(CALLS.c.id == bindparam("wanted"))
_AFTER = select(CALLS.c.seq, CALLS.c.record).where(CALLS.c.seq > bindparam("last")).order_by(CALLS.c.seq).limit(1000)
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
    since_us: int | None = None
    before: int | None = None
    """`seq` of the last call of the page before."""


class Kept(NamedTuple):
    """A call in the store, and its place there."""

    seq: int
    record: CallRecord


def add(connection: Connection, calls: Iterable[tuple[CallRecord, bytes]]) -> None:
    """Keeps calls, each with its JSON. One that is there already stays as it is."""
    rows, at = [_row(record, json) for record, json in calls], 0
    for size in _ROWS:
        while len(rows) - at >= size:
            values = tuple(chain.from_iterable(rows[at : at + size]))
            connection.exec_driver_sql(_adding(size), values)
            at += size


@cache
def _adding(rows: int) -> str:
    """The statement as the driver takes it, with the rows' values one after the other, in the order of the columns.

    Compiled once: through `execute`, a batch costs as much again in building parameters as SQLite takes for it. One
    statement for many rows: the driver lets other threads run at every statement, and gets its turn back late.
    """
    names = [column.name for column in CALLS.columns if column.name != "seq"]
    one = str(insert(CALLS).on_conflict_do_nothing().compile(dialect=dialect(), column_keys=names))
    before, row, after = re.split(r"(\((?:\?, )+\?\))", one)
    return before + ", ".join([row] * rows) + after


def find(connection: Connection, call_id: str) -> CallRecord | None:
    """One call."""
    json = connection.execute(_FIND, {"wanted": call_id}).scalar_one_or_none()
    return None if json is None else _decode(json)


def newest(connection: Connection, wanted: CallFilter, limit: int) -> list[Kept]:
    """The calls that fit, the one kept last first."""
    query = select(CALLS.c.seq, CALLS.c.record).order_by(CALLS.c.seq.desc()).limit(limit)
    for name in ("key_id", "model", "status", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(CALLS.c[name] == value)
    if wanted.key_ids is not None:
        query = query.where(CALLS.c.key_id.in_(wanted.key_ids))
    if wanted.since_us is not None:
        query = query.where(CALLS.c.started_us >= wanted.since_us)
    if wanted.before is not None:
        query = query.where(CALLS.c.seq < wanted.before)
    return [Kept(row.seq, _decode(row.record)) for row in connection.execute(query)]


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
