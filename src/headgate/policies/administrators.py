"""Makes, lists, ends and recognises the keys of administrators; every change leaves a line in the audit.

Few come, and seldom: each is looked up in the store, so one that has ended is refused at once.
"""

import time
from hmac import compare_digest

import msgspec
from sqlalchemy import Connection

from headgate.core.problems import Forbidden, InvalidRequest, NotFound
from headgate.policies.key_text import is_well_formed, kid_of, new_key
from headgate.policies.organising import check_name, home_of
from headgate.policies.pepper import Pepper
from headgate.policies.roles import ROLES, Administrator, is_at_most
from headgate.store.base import Store
from headgate.store.queries import administrators, audit
from headgate.store.queries.administrators import AdministratorRow, Role
from headgate.store.queries.audit import AuditEntry

_NO_HMAC = bytes(32)
_encode = msgspec.json.Encoder().encode


class NewAdministrator(msgspec.Struct, frozen=True, kw_only=True):
    """What one is to be."""

    name: str
    role: str
    organisation: str = ""
    """Empty: that of the team."""
    team: str = ""
    expires_us: int | None = None


def appoint(
    store: Store, pepper: Pepper, wanted: NewAdministrator, *, by: Administrator
) -> tuple[str, AdministratorRow]:
    """A new one's key, in plain for this once, and what is kept of it. None may do more, or reach farther, than who
    makes it."""
    check_name(wanted.name)
    role = _role(wanted.role)
    now_us = time.time_ns() // 1000
    if wanted.expires_us is not None and wanted.expires_us <= now_us:
        raise InvalidRequest("The key would have expired already.", param="expires")
    if not is_at_most(role, by.role):
        raise Forbidden(f"The role {by.role!r} cannot make one that may do more: {role!r}.", code="role_not_allowed")
    key = new_key()
    with store.write() as connection:
        organisation, team = home_of(connection, wanted.organisation or by.organisation, wanted.team or by.team)
        if not organisation:
            raise InvalidRequest("An administrator takes an 'organisation' or a 'team'.", param="organisation")
        by.check_reach(f"organisation {organisation!r}", (organisation, team), "tenant_not_found")
        row = AdministratorRow(
            kid=kid_of(key).decode(),
            hmac=pepper.digest(key),
            pepper=pepper.fingerprint,
            name=wanted.name,
            role=role,
            organisation=organisation,
            team=team,
            created_us=now_us,
            expires_us=wanted.expires_us,
        )
        administrators.add(connection, row)
        audit.add(connection, _entry(now_us, by, "administrator.create", row))
    return key.decode(), row


def dismiss(store: Store, kid: str, *, by: Administrator) -> AdministratorRow:
    """Ends one for good; one that has ended stays as it is."""
    now_us = time.time_ns() // 1000
    with store.write() as connection:
        row = _found(connection, kid, by)
        if row.revoked_us is None:
            administrators.revoke(connection, kid, now_us)
            audit.add(connection, _entry(now_us, by, "administrator.revoke", row))
            row = msgspec.structs.replace(row, revoked_us=now_us)
    return row


def list_administrators(store: Store, *, by: Administrator) -> list[AdministratorRow]:
    """All there ever were within reach, oldest first."""
    with store.read() as connection:
        return [row for row in administrators.listed(connection) if by.reaches(row.organisation, row.team)]


def recognise(store: Store, pepper: Pepper, presented: bytes, now_us: int) -> Administrator | None:
    """Whose key this is; None: nobody's, or one that has ended. Waits for the store."""
    if not is_well_formed(presented):
        return None
    with store.read() as connection:
        row = administrators.find(connection, kid_of(presented).decode())
    # the same work whether it is there or not, so that time tells nothing
    is_genuine = compare_digest(pepper.digest(presented), _NO_HMAC if row is None else row.hmac)
    if row is None or not is_genuine or row.revoked_us is not None:
        return None
    if row.expires_us is not None and row.expires_us <= now_us:
        return None
    return Administrator(actor=f"admin:{row.kid}", role=row.role, organisation=row.organisation, team=row.team)


def _role(text: str) -> Role:
    if text not in ROLES:
        raise InvalidRequest(f"There is no role {text[:40]!r}; there are: {', '.join(ROLES)}.", param="role")
    return text


def _found(connection: Connection, kid: str, by: Administrator) -> AdministratorRow:
    row = administrators.find(connection, kid)
    if row is None or not by.reaches(row.organisation, row.team):
        raise NotFound(f"There is no administrator {kid!r}.", code="administrator_not_found")
    return row


def _entry(at_us: int, by: Administrator, action: str, row: AdministratorRow) -> AuditEntry:
    detail = {"name": row.name, "role": row.role, "expires_us": row.expires_us}
    return AuditEntry(
        at_us=at_us,
        actor=by.actor,
        action=action,
        object=row.kid,
        detail=_encode(detail).decode(),
        organisation=row.organisation,
        team=row.team,
    )
