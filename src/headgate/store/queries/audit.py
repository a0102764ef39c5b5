"""The trail of what was changed, by whom: only ever added to.

Each line hangs on the one before it by a digest, so that one that was changed, left out or put in between later shows,
to everyone who has the digest of any later line.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, RowMapping, Select, func, insert, select

from headgate.store.tables import AUDIT, AUDIT_LINKS


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
    organisation: str = ""
    """Whose affair it is; empty: the operator's alone."""
    team: str = ""


class Linked(NamedTuple):
    """A line as it hangs in the chain."""

    id: int
    entry: AuditEntry
    digest: str


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to list."""

    organisation: str = ""
    """This one's affairs alone; empty: all."""
    team: str = ""
    before: int = 0
    """Older than the line of this id; 0: from the newest on."""


_NOBODYS: Final = AuditEntry(at_us=0, actor="", action="", object="")
_encode: Final = msgspec.json.Encoder().encode
_LINE: Final = ("at_us", "actor", "action", "object", "detail")
_WHOSE: Final = ("organisation", "team")
_BATCH: Final = 1000


def add(connection: Connection, entry: AuditEntry) -> None:
    """Adds a line, in the transaction of the change itself."""
    values = {name: getattr(entry, name) for name in _LINE}
    connection.execute(insert(AUDIT).values(**values))
    new = connection.execute(select(func.max(AUDIT.c.id))).scalar_one()
    last = connection.execute(
        select(AUDIT_LINKS.c.id, AUDIT_LINKS.c.digest).order_by(AUDIT_LINKS.c.id.desc()).limit(1)
    ).one_or_none()
    linked, digest = (0, "") if last is None else last
    columns = [AUDIT.c.id, *(AUDIT.c[name] for name in _LINE)]
    for row in connection.execute(select(*columns).where(AUDIT.c.id > linked).order_by(AUDIT.c.id)).mappings().all():
        # lines from before there was a chain are the operator's
        whose = entry if row["id"] == new else _NOBODYS
        line = AuditEntry(**{name: row[name] for name in _LINE}, organisation=whose.organisation, team=whose.team)
        digest = link(digest, row["id"], line)
        values = {"id": row["id"], "organisation": line.organisation, "team": line.team, "digest": digest}
        connection.execute(insert(AUDIT_LINKS).values(**values))


def link(before: str, id: int, entry: AuditEntry) -> str:
    """The digest of a line that hangs on another one's: SHA-256 in hexadecimal of both as JSON."""
    return sha256(_encode([before, id, *(getattr(entry, name) for name in (*_LINE, *_WHOSE))])).hexdigest()


def newest(connection: Connection, limit: int) -> list[AuditEntry]:
    """The latest changes, newest first."""
    return [each.entry for each in listed(connection, AuditQuery(), limit)]


def listed(connection: Connection, wanted: AuditQuery, limit: int) -> list[Linked]:
    """The lines that fit, newest first."""
    query = _lines().order_by(AUDIT.c.id.desc()).limit(limit)
    if wanted.organisation:
        query = query.where(AUDIT_LINKS.c.organisation == wanted.organisation)
    if wanted.team:
        query = query.where(AUDIT_LINKS.c.team == wanted.team)
    if wanted.before:
        query = query.where(AUDIT.c.id < wanted.before)
    return [_linked(row) for row in connection.execute(query).mappings()]


def broken(connection: Connection) -> int | None:
    """The id of the first line that does not hang on the one before it, or has none to hang on; None: all do."""
    digest, seen = "", 0
    for each in _everything(connection):
        digest = link(digest, each.id, each.entry)
        if digest != each.digest:
            return each.id
        seen = each.id
    # a link whose line was taken out, at the end or everywhere
    after = select(AUDIT_LINKS.c.id).where(AUDIT_LINKS.c.id > seen).order_by(AUDIT_LINKS.c.id).limit(1)
    return connection.execute(after).scalar_one_or_none()


def _everything(connection: Connection) -> Iterator[Linked]:
    last = 0
    query = _lines().order_by(AUDIT.c.id).limit(_BATCH)
    while rows := connection.execute(query.where(AUDIT.c.id > last)).mappings().all():
        yield from map(_linked, rows)
        last = rows[-1]["id"]


def _lines() -> Select[Any]:
    columns = [AUDIT.c.id, *(AUDIT.c[name] for name in _LINE), *(AUDIT_LINKS.c[name] for name in (*_WHOSE, "digest"))]
    return select(*columns).select_from(AUDIT.outerjoin(AUDIT_LINKS, AUDIT.c.id == AUDIT_LINKS.c.id))


def _linked(row: RowMapping) -> Linked:
    line: dict[str, Any] = {name: row[name] for name in _LINE}
    entry = AuditEntry(**line, organisation=row["organisation"] or "", team=row["team"] or "")
    return Linked(row["id"], entry, row["digest"] or "")
