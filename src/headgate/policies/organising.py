"""Makes and changes organisations and teams; every change leaves a line in the audit. Must not know who asks."""

import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec
from sqlalchemy import Connection

from headgate.core.problems import InvalidRequest, NotFound
from headgate.limits.terms import NO_TERMS, Terms, check_terms
from headgate.policies.tenancy import home_of_tenant, tenant_terms
from headgate.store.base import Store
from headgate.store.queries import audit, tenants
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.tenants import Kind, TenantRow

NAME_MAX: Final = 200
_PREFIXES: Final[dict[Kind, str]] = {"organisation": "org", "team": "team"}
_encode = msgspec.json.Encoder().encode


class NewTenant(msgspec.Struct, frozen=True, kw_only=True):
    """What one is to be."""

    kind: Kind
    name: str
    organisation: str = ""
    """A team's."""
    terms: Terms = NO_TERMS


def create_tenant(store: Store, wanted: NewTenant, *, actor: str) -> TenantRow:
    """A new organisation, or a new team of one."""
    check_name(wanted.name)
    now_us = time.time_ns() // 1000
    row = TenantRow(
        id=f"{_PREFIXES[wanted.kind]}_{secrets.token_hex(8)}",
        kind=wanted.kind,
        parent=wanted.organisation,
        name=wanted.name,
        terms=msgspec.Raw(_encode(wanted.terms)),
        created_us=now_us,
    )
    with store.write() as connection:
        check_terms(wanted.terms, _above(connection, row))
        tenants.add(connection, row)
        audit.add(connection, _entry(now_us, actor, "create", row))
    return row


def change_tenant(
    store: Store, id: str, name: str | None, change: Callable[[Terms], Terms], *, actor: str
) -> TenantRow:
    """Sets its terms to what `change` makes of them, and its name if there is a new one."""
    if name is not None:
        check_name(name)
    with store.write() as connection:
        old = find_tenant(connection, id)
        terms = change(tenant_terms(old))
        row = msgspec.structs.replace(old, name=name or old.name, terms=msgspec.Raw(_encode(terms)))
        check_terms(terms, _above(connection, row))
        tenants.change(connection, id, row.name, row.terms)
        audit.add(connection, _entry(time.time_ns() // 1000, actor, "change", row))
    return row


def list_tenants(store: Store) -> list[TenantRow]:
    """All, oldest first."""
    with store.read() as connection:
        return tenants.listed(connection)


def find_tenant(connection: Connection, id: str) -> TenantRow:
    """One of them. Raises `NotFound`."""
    row = tenants.find(connection, id)
    if row is None:
        raise NotFound(f"There is no organisation or team {id!r}.", code="tenant_not_found")
    return row


def home_of(connection: Connection, organisation: str, team: str) -> tuple[str, str]:
    """Organisation and team of something that names one of them or both; empty: none. Raises `InvalidRequest`."""
    if team:
        row = tenants.find(connection, team)
        if row is None or row.kind != "team":
            raise InvalidRequest(f"There is no team {team!r}.", param="team")
        if organisation not in ("", row.parent):
            raise InvalidRequest(f"The team {team!r} is not of the organisation {organisation!r}.", param="team")
        return row.parent, team
    if organisation:
        row = tenants.find(connection, organisation)
        if row is None or row.kind != "organisation":
            raise InvalidRequest(f"There is no organisation {organisation!r}.", param="organisation")
    return organisation, ""


def check_name(name: str) -> None:
    """Raises `InvalidRequest` for one that nobody could read."""
    if not name.strip() or len(name) > NAME_MAX or not name.isprintable():
        raise InvalidRequest(f"A name has 1 to {NAME_MAX} printable characters.", param="name")


def _above(connection: Connection, row: TenantRow) -> list[tuple[str, Terms]]:
    if row.kind == "organisation":
        return []
    parent = tenants.find(connection, row.parent)
    if parent is None or parent.kind != "organisation":
        raise InvalidRequest(f"There is no organisation {row.parent!r}.", param="organisation")
    return [("organisation", tenant_terms(parent))]


def _entry(at_us: int, actor: str, verb: str, row: TenantRow) -> AuditEntry:
    detail = _encode({"name": row.name, "organisation": row.parent, "terms": row.terms}).decode()
    organisation, team = home_of_tenant(row)
    return AuditEntry(
        at_us=at_us,
        actor=actor,
        action=f"{row.kind}.{verb}",
        object=row.id,
        detail=detail,
        organisation=organisation,
        team=team,
    )
