"""The gateway's own files and batches: what is known of each, not what is in it."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, RowMapping, and_, delete, insert, or_, select, update

from headgate.store.tables import OWN_THINGS


class OwnThing(msgspec.Struct, frozen=True, kw_only=True):
    """One file or batch."""

    id: str
    owner: str
    kind: str
    status: str
    created_us: int
    document: msgspec.Raw
    """A JSON object."""


def add(connection: Connection, thing: OwnThing) -> None:
    """Keeps a new one."""
    values = msgspec.structs.asdict(thing) | {"document": bytes(thing.document).decode()}
    connection.execute(insert(OWN_THINGS).values(**values))


def change(connection: Connection, id: str, status: str, document: bytes) -> None:
    """What is known of it now."""
    wanted = update(OWN_THINGS).where(OWN_THINGS.c.id == id)
    connection.execute(wanted.values(status=status, document=document.decode()))


def find(connection: Connection, owner: str, id: str) -> OwnThing | None:
    """One that belongs to this owner."""
    wanted = select(OWN_THINGS).where(OWN_THINGS.c.id == id, OWN_THINGS.c.owner == owner)
    row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else _thing(row)


def remove(connection: Connection, owner: str, id: str) -> bool:
    """Forgets it. False: this owner has no such thing."""
    gone = delete(OWN_THINGS).where(OWN_THINGS.c.id == id, OWN_THINGS.c.owner == owner)
    return connection.execute(gone).rowcount > 0


def newest(connection: Connection, owner: str, kind: str, after: OwnThing | None, limit: int) -> list[OwnThing]:
    """An owner's, newest first, from the one after `after`."""
    table = OWN_THINGS.c
    wanted = select(OWN_THINGS).where(table.owner == owner, table.kind == kind)
    if after is not None:
        same = and_(table.created_us == after.created_us, table.id < after.id)
        wanted = wanted.where(or_(table.created_us < after.created_us, same))
    wanted = wanted.order_by(table.created_us.desc(), table.id.desc()).limit(limit)
    return [_thing(row) for row in connection.execute(wanted).mappings()]


def with_status(connection: Connection, kind: str, statuses: Iterable[str]) -> list[OwnThing]:
    """Everybody's that stand so, oldest first."""
    wanted = select(OWN_THINGS).where(OWN_THINGS.c.kind == kind, OWN_THINGS.c.status.in_(list(statuses)))
    return [_thing(row) for row in connection.execute(wanted.order_by(OWN_THINGS.c.created_us)).mappings()]


def _thing(row: RowMapping) -> OwnThing:
    return OwnThing(
        id=row["id"],
        owner=row["owner"],
        kind=row["kind"],
        status=row["status"],
        created_us=row["created_us"],
        document=msgspec.Raw(row["document"].encode()),
    )
