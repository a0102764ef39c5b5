"""Organisations and teams: kept, changed, listed. Must not know what their terms mean."""

from typing import Literal

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from headgate.store.tables import TENANTS

Kind = Literal["organisation", "team"]


class TenantRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one."""

    id: str
    kind: Kind
    parent: str = ""
    """A team's organisation; empty: it is one."""
    name: str
    terms: msgspec.Raw = msgspec.Raw(b"{}")
    created_us: int


def revision(connection: Connection) -> int:
    """A number that grows with every change of any."""
    return connection.execute(select(func.coalesce(func.max(TENANTS.c.revision), 0))).scalar_one()


def listed(connection: Connection) -> list[TenantRow]:
    """All, oldest first."""
    rows = connection.execute(select(TENANTS).order_by(TENANTS.c.created_us, TENANTS.c.id)).mappings()
    return [_from_row(row) for row in rows]


def find(connection: Connection, id: str) -> TenantRow | None:
    """One of them."""
    row = connection.execute(select(TENANTS).where(TENANTS.c.id == id)).mappings().one_or_none()
    return None if row is None else _from_row(row)


def add(connection: Connection, tenant: TenantRow) -> None:
    """Keeps a new one."""
    values = msgspec.structs.asdict(tenant) | {"terms": bytes(tenant.terms).decode()}
    connection.execute(insert(TENANTS).values(**values, revision=revision(connection) + 1))


def change(connection: Connection, id: str, name: str, terms: msgspec.Raw) -> None:
    """Sets its name and terms."""
    values = {"name": name, "terms": bytes(terms).decode(), "revision": revision(connection) + 1}
    connection.execute(update(TENANTS).where(TENANTS.c.id == id).values(**values))


def _from_row(row: RowMapping) -> TenantRow:
    values = {name: row[name] for name in TenantRow.__struct_fields__}
    terms = values.pop("terms")
    return TenantRow(**values, terms=msgspec.Raw(terms.encode()))
