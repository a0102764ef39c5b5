"""Calls and their attempts: kept once each, found by id, listed newest first. Must not know where they come from."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, bindparam, select, tuple_
from sqlalchemy.dialects.sqlite import dialect, insert

from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.store.tables import ATTEMPTS, CALLS, INT64_MAX

_NO_USAGE = Usage()
_FIND = select(CALLS.c.record).where(CALLS.c.id == bindparam("wanted"))
_decode = msgspec.json.Decoder(CallRecord).decode


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls to list; what is None does not matter."""

    key_id: str | None = None
    model: str | None = None
    """As the client named it."""
    status: int | None = None
    """The HTTP status the client got."""
    outcome: str | None = None
    since_us: int | None = None
    before: tuple[int, str] | None = None
    """Time and id of the last call of the page before."""


def add(connection: Connection, calls: Iterable[tuple[CallRecord, bytes]]) -> None:
    """Keeps calls, each with its JSON. One that is there already stays as it is."""
    rows = list(calls)
    connection.exec_driver_sql(_adding(CALLS), [_call_row(record, json) for record, json in rows])
    attempts = [_attempt_row(record, attempt) for record, _ in rows for attempt in record.attempts]
    if attempts:
        connection.exec_driver_sql(_adding(ATTEMPTS), attempts)


@cache
def _adding(table: Table) -> str:
    """The statement as the driver takes it, with a row's values in the order of the table's columns.

    Compiled once: through `execute`, a batch costs as much again in building parameters as SQLite takes for it.
    """
    return str(insert(table).on_conflict_do_nothing().compile(dialect=dialect()))


def find(connection: Connection, call_id: str) -> CallRecord | None:
    """One call."""
    json = connection.execute(_FIND, {"wanted": call_id}).scalar_one_or_none()
    return None if json is None else _decode(json)


def newest(connection: Connection, wanted: CallFilter, limit: int) -> list[CallRecord]:
    """The newest calls that fit, newest first."""
    query = select(CALLS.c.record).order_by(CALLS.c.started_us.desc(), CALLS.c.id.desc()).limit(limit)
    for name in ("key_id", "model", "status", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(CALLS.c[name] == value)
    if wanted.since_us is not None:
        query = query.where(CALLS.c.started_us >= wanted.since_us)
    if wanted.before is not None:
        query = query.where(tuple_(CALLS.c.started_us, CALLS.c.id) < tuple_(*wanted.before))
    rows: Iterable[Row[tuple[str]]] = connection.execute(query)
    return [_decode(row[0]) for row in rows]


def _call_row(record: CallRecord, json: bytes) -> tuple[Any, ...]:
    usage = record.usage or _NO_USAGE
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
        record.outcome.value,
        len(record.attempts),
        _int64(usage.input_tokens),
        _int64(usage.cached_tokens),
        _int64(usage.output_tokens),
        record.usage_source,
        _int64(record.cost_nano_usd),
        record.is_priced,
        _us(record.ttft_ms),
        _us(record.duration_ms),
        json.decode(),
    )


def _attempt_row(record: CallRecord, attempt: Attempt) -> tuple[Any, ...]:
    usage = attempt.usage or _NO_USAGE
    return (
        record.id,
        attempt.number,
        record.started_us + (_us(attempt.started_ms) or 0),
        attempt.provider,
        attempt.model,
        attempt.lane,
        attempt.outcome.value,
        attempt.status,
        _int64(usage.input_tokens),
        _int64(usage.cached_tokens),
        _int64(usage.cache_write_tokens),
        _int64(usage.output_tokens),
        _int64(usage.reasoning_tokens),
        attempt.usage_source,
        attempt.price_version,
        _int64(attempt.cost_nano_usd),
        attempt.is_priced,
        _us(attempt.ttft_ms),
        _us(attempt.duration_ms),
    )


def _us(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else _int64(round(milliseconds * 1000))


def _int64(number: int) -> int:
    """An upstream may claim any number; the record keeps it exactly, the column as near as it can."""
    return number if number <= INT64_MAX else INT64_MAX
