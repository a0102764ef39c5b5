"""Calls and their attempts: kept once each, found by id, listed newest first. Must not know where they come from."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, tuple_
from sqlalchemy.dialects.sqlite import insert

from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.store.tables import ATTEMPTS, CALLS, INT64_MAX

_NO_USAGE = Usage()
_ADD_CALL = insert(CALLS).on_conflict_do_nothing()
_ADD_ATTEMPT = insert(ATTEMPTS).on_conflict_do_nothing()
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
    connection.execute(_ADD_CALL, [_call_row(record, json) for record, json in rows])
    attempts = [_attempt_row(record, attempt) for record, _ in rows for attempt in record.attempts]
    if attempts:
        connection.execute(_ADD_ATTEMPT, attempts)


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


def _call_row(record: CallRecord, json: bytes) -> dict[str, Any]:
    usage = record.usage or _NO_USAGE
    return {
        "id": record.id,
        "started_us": record.started_us,
        "key_id": record.key_id,
        "surface": record.surface,
        "operation": record.operation,
        "model": record.model,
        "is_stream": record.is_stream,
        "user": record.user,
        "session": record.session,
        "route": record.route,
        "status": record.status,
        "outcome": record.outcome.value,
        "attempts": len(record.attempts),
        "input_tokens": _int64(usage.input_tokens),
        "cached_tokens": _int64(usage.cached_tokens),
        "output_tokens": _int64(usage.output_tokens),
        "usage_source": record.usage_source,
        "cost_nano_usd": _int64(record.cost_nano_usd),
        "is_priced": record.is_priced,
        "ttft_us": _us(record.ttft_ms),
        "duration_us": _us(record.duration_ms),
        "record": json.decode(),
    }


def _attempt_row(record: CallRecord, attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage or _NO_USAGE
    return {
        "call_id": record.id,
        "number": attempt.number,
        "started_us": record.started_us + (_us(attempt.started_ms) or 0),
        "provider": attempt.provider,
        "model": attempt.model,
        "lane": attempt.lane,
        "outcome": attempt.outcome.value,
        "status": attempt.status,
        "input_tokens": _int64(usage.input_tokens),
        "cached_tokens": _int64(usage.cached_tokens),
        "cache_write_tokens": _int64(usage.cache_write_tokens),
        "output_tokens": _int64(usage.output_tokens),
        "reasoning_tokens": _int64(usage.reasoning_tokens),
        "usage_source": attempt.usage_source,
        "price_version": attempt.price_version,
        "cost_nano_usd": _int64(attempt.cost_nano_usd),
        "is_priced": attempt.is_priced,
        "ttft_us": _us(attempt.ttft_ms),
        "duration_us": _us(attempt.duration_ms),
    }


def _us(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else _int64(round(milliseconds * 1000))


def _int64(number: int) -> int:
    """An upstream may claim any number; the record keeps it exactly, the column as near as it can."""
    return min(number, INT64_MAX)
