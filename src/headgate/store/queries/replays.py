"""Calls that brought an Idempotency-Key: who makes one, and what its answer was. Must not know what was asked."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import REPLAYS


class ReplayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    owner: str
    key: str
    digest: bytes
    call_id: str
    claimant: str
    """The process that makes the call."""
    until_us: int
    """How long that is taken to be alive without a word."""
    ended_us: int | None = None
    """None: it is under way."""
    status: int = 0
    fields: bytes = b""
    body: bytes | None = None
    """None: too long to be kept, or lost."""


_NAMES = ReplayRow.__struct_fields__
_COLUMNS = [REPLAYS.c[name] for name in _NAMES]


def find(connection: Connection, owner: str, key: str) -> ReplayRow | None:
    """One of them."""
    row = connection.execute(select(*_COLUMNS).where(REPLAYS.c.owner == owner, REPLAYS.c.key == key)).mappings().first()
    return None if row is None else ReplayRow(**row)


def put(connection: Connection, row: ReplayRow) -> None:
    """Keeps one, in place of any before it."""
    connection.execute(delete(REPLAYS).where(REPLAYS.c.owner == row.owner, REPLAYS.c.key == row.key))
    connection.execute(insert(REPLAYS), msgspec.structs.asdict(row))


def end(connection: Connection, row: ReplayRow) -> None:
    """Its answer, if the call is still the one that was claimed."""
    mine = update(REPLAYS).where(REPLAYS.c.owner == row.owner, REPLAYS.c.key == row.key)
    values = {"ended_us": row.ended_us, "status": row.status, "fields": row.fields, "body": row.body}
    connection.execute(mine.where(REPLAYS.c.call_id == row.call_id).values(**values))


def drop(connection: Connection, owner: str, key: str, call_id: str) -> None:
    """The key is free again."""
    mine = delete(REPLAYS).where(REPLAYS.c.owner == owner, REPLAYS.c.key == key)
    connection.execute(mine.where(REPLAYS.c.call_id == call_id))


def renew(connection: Connection, call_ids: Iterable[str], until_us: int) -> None:
    """The processes that make these calls are alive."""
    connection.execute(update(REPLAYS).where(REPLAYS.c.call_id.in_(list(call_ids))).values(until_us=until_us))


def under_way(connection: Connection, claimant: str) -> list[ReplayRow]:
    """Those that a process began and has not ended."""
    mine = select(*_COLUMNS).where(REPLAYS.c.claimant == claimant, REPLAYS.c.ended_us.is_(None))
    return [ReplayRow(**row) for row in connection.execute(mine).mappings()]


def forget(connection: Connection, before_us: int) -> None:
    """What ended so long ago."""
    connection.execute(delete(REPLAYS).where(REPLAYS.c.ended_us < before_us))
