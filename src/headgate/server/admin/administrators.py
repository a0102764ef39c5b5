"""`/admin/v1/administrators` and `/admin/v1/audit`: who may come in here, and what was changed by whom."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from headgate.policies.administrators import NewAdministrator
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import parse_expiry, shown_time
from headgate.store.queries.administrators import AdministratorRow, Role
from headgate.store.queries.audit import AuditQuery, Linked

PAGE_MAX = 500
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class AdministratorBody(BaseModel):
    """A new administrator."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=200, description="Who, or what it is for.")]
    role: Annotated[Role, Field(description="What it may do, see the roles.")]
    organisation: Annotated[str, Field(max_length=64, description="The id of the organisation it is of.")] = ""
    team: Annotated[str, Field(max_length=64, description="The id of the only team that it is for.")] = ""
    expires: Annotated[str | None, Field(max_length=64, description="As of clients' keys; null: never.")] = None


class AdministratorView(BaseModel):
    """An administrator as it is kept: everything but the key."""

    id: str
    name: str
    role: Role
    organisation: str
    team: str | None
    created: str | None
    expires: str | None
    revoked: str | None


class MadeAdministrator(AdministratorView):
    """A new administrator. `key` is shown this once."""

    key: str


class AdministratorList(BaseModel):
    """All administrators, oldest first."""

    data: list[AdministratorView]


class AuditPage(BaseModel):
    """Which lines of the audit to list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 50
    after: Annotated[str, Field(pattern="^[0-9]{0,18}$", description="`next` of the page before.")] = ""


class AuditLine(BaseModel):
    """A change. `digest` is of the line and of the one before it, so of all before it."""

    id: int
    at: str | None
    actor: str
    action: str
    object: str
    organisation: str | None
    team: str | None
    detail: dict[str, Any]
    digest: str


class AuditLines(BaseModel):
    """Changes, newest first."""

    data: list[AuditLine]
    next: str | None


def administrators_router(doors: Doors) -> APIRouter:
    """The paths, joined to their books."""
    router = APIRouter(prefix="/admin/v1", tags=["administrators"])

    @router.post("/administrators", status_code=201, summary="Make an administrator")
    def create(who: Who, body: AdministratorBody) -> MadeAdministrator:
        expires_us = None if body.expires is None else parse_expiry(body.expires, doors.now_us())
        wanted = NewAdministrator(
            name=body.name, role=body.role, organisation=body.organisation, team=body.team, expires_us=expires_us
        )
        key, row = doors.seen_by(who).administrators.create(wanted)
        return MadeAdministrator(**administrator_view(row).model_dump(), key=key)

    @router.get("/administrators", summary="List administrators")
    def list_all(who: Who) -> AdministratorList:
        return AdministratorList(data=[administrator_view(each) for each in doors.seen_by(who).administrators.list()])

    @router.delete("/administrators/{kid}", summary="End an administrator's key")
    def revoke(who: Who, kid: str) -> AdministratorView:
        return administrator_view(doors.seen_by(who).administrators.revoke(kid))

    @router.get("/audit", summary="What was changed, newest first", tags=["audit"])
    def audit(who: Who, query: Annotated[AuditPage, Query()]) -> AuditLines:
        wanted = AuditQuery(before=int(query.after or 0), organisation=who.organisation, team=who.team)
        found = doors.seen_by(who).administrators.audit(wanted, query.limit + 1)
        shown = found[: query.limit]
        return AuditLines(
            data=[_line(each) for each in shown], next=str(shown[-1].id) if len(found) > query.limit else None
        )

    _ = create, list_all, revoke, audit
    return router


def administrator_view(row: AdministratorRow) -> AdministratorView:
    """One as shown."""
    return AdministratorView(
        id=row.kid,
        name=row.name,
        role=row.role,
        organisation=row.organisation,
        team=row.team or None,
        created=shown_time(row.created_us),
        expires=shown_time(row.expires_us),
        revoked=shown_time(row.revoked_us),
    )


def _line(linked: Linked) -> AuditLine:
    entry = linked.entry
    return AuditLine(
        id=linked.id,
        at=shown_time(entry.at_us),
        actor=entry.actor,
        action=entry.action,
        object=entry.object,
        organisation=entry.organisation or None,
        team=entry.team or None,
        detail=_decode(entry.detail),
        digest=linked.digest,
    )
