"""The trail of what was changed, by whom: only ever added to."""

import msgspec
from sqlalchemy import Connection, insert, select

from headgate.store.tables import AUDIT


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change."""

    at_us: int
    actor: str
    action: str
    """Noun and verb, such as `key.create`."""
    object: str
    """What was changed: its id."""
    detail: str = "{}"
    """More about it, as a JSON object."""


def add(connection: Connection, entry: AuditEntry) -> None:
    """Adds a line, in the transaction of the change itself."""
    connection.execute(insert(AUDIT).values(**msgspec.structs.asdict(entry)))


def newest(connection: Connection, limit: int) -> list[AuditEntry]:
    """The latest changes, newest first."""
    columns = [AUDIT.c[name] for name in AuditEntry.__struct_fields__]
    rows = connection.execute(select(*columns).order_by(AUDIT.c.id.desc()).limit(limit)).mappings()
    return [AuditEntry(**row) for row in rows]
