"""Administrators' keys: kept, listed, ended. Knows what is kept of a key, never a key, nor what a role may do."""

from typing import Literal

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from headgate.store.tables import ADMINISTRATORS

Role = Literal["owner", "admin", "member", "viewer"]


class AdministratorRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one."""

    kid: str
    """The public part of the key, by which it is found."""
    hmac: bytes
    pepper: str
    """Fingerprint of the pepper that `hmac` was made with."""
    name: str
    role: Role
    organisation: str
    team: str = ""
    """Empty: the whole organisation."""
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None


def add(connection: Connection, row: AdministratorRow) -> None:
    """Keeps a new one."""
    connection.execute(insert(ADMINISTRATORS).values(**msgspec.structs.asdict(row)))


def find(connection: Connection, kid: str) -> AdministratorRow | None:
    """One of them."""
    row = connection.execute(select(ADMINISTRATORS).where(ADMINISTRATORS.c.kid == kid)).mappings().one_or_none()
    return None if row is None else _from_row(row)


def listed(connection: Connection) -> list[AdministratorRow]:
    """All there ever were, oldest first."""
    order = (ADMINISTRATORS.c.created_us, ADMINISTRATORS.c.kid)
    return [_from_row(row) for row in connection.execute(select(ADMINISTRATORS).order_by(*order)).mappings()]


def revoke(connection: Connection, kid: str, now_us: int) -> None:
    """Ends one for good; one that has ended stays as it is."""
    change = update(ADMINISTRATORS).where(ADMINISTRATORS.c.kid == kid, ADMINISTRATORS.c.revoked_us.is_(None))
    connection.execute(change.values(revoked_us=now_us))


def _from_row(row: RowMapping) -> AdministratorRow:
    return AdministratorRow(**{name: row[name] for name in AdministratorRow.__struct_fields__})
