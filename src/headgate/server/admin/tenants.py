"""`/admin/v1/organisations` and `/admin/v1/teams`: making, changing and listing them, and what is used of budgets."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from headgate.limits.terms import NO_TERMS
from headgate.policies.organising import NewTenant
from headgate.policies.roles import Administrator
from headgate.policies.tenancy import tenant_terms
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import shown_time
from headgate.server.admin.terms import TermsBody, changed_terms, shown_terms
from headgate.store.queries.tenants import Kind, TenantRow

Name = Annotated[str, Field(min_length=1, max_length=200, strict=True)]


class OrganisationBody(BaseModel):
    """A new organisation."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    terms: TermsBody = TermsBody()


class TeamBody(OrganisationBody):
    """A new team."""

    organisation: Annotated[str, Field(max_length=64, description="The id of the organisation it is part of.")]


class TenantChange(BaseModel):
    """What of one is to change."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    terms: TermsBody = TermsBody()


class Tenant(BaseModel):
    """An organisation or a team."""

    id: str
    kind: Kind
    organisation: str | None
    """Of a team."""
    name: str
    created: str | None
    terms: TermsBody


class TenantList(BaseModel):
    """All of a kind, oldest first."""

    data: list[Tenant]


class BudgetUse(BaseModel):
    """A budget, and how far it is used in its present window. Money is nano-USD."""

    level: str
    """organisation, team, key or user."""
    id: str
    user: str
    what: str
    limit: int
    settled: int
    held: int


class BudgetUses(BaseModel):
    """All budgets that this process keeps."""

    data: list[BudgetUse]


def tenants_router(doors: Doors) -> APIRouter:
    """The paths, joined to the book of tenants."""
    router = APIRouter(prefix="/admin/v1", tags=["tenants"])

    def change(who: Administrator, id: str, body: TenantChange) -> Tenant:
        tenants = doors.seen_by(who).tenants
        return tenant_view(tenants.change(id, body.name, lambda old: changed_terms(old, body.terms)))

    @router.post("/organisations", status_code=201, summary="Make an organisation")
    def create_organisation(who: Who, body: OrganisationBody) -> Tenant:
        terms = changed_terms(NO_TERMS, body.terms)
        wanted = NewTenant(kind="organisation", name=body.name, terms=terms)
        return tenant_view(doors.seen_by(who).tenants.create(wanted))

    @router.get("/organisations", summary="List organisations")
    def list_organisations(who: Who) -> TenantList:
        return TenantList(
            data=[tenant_view(each) for each in doors.seen_by(who).tenants.list() if each.kind == "organisation"]
        )

    @router.patch("/organisations/{tenant_id}", summary="Change an organisation")
    def change_organisation(who: Who, tenant_id: str, body: TenantChange) -> Tenant:
        return change(who, tenant_id, body)

    @router.post("/teams", status_code=201, summary="Make a team")
    def create_team(who: Who, body: TeamBody) -> Tenant:
        terms = changed_terms(NO_TERMS, body.terms)
        wanted = NewTenant(kind="team", name=body.name, organisation=body.organisation, terms=terms)
        return tenant_view(doors.seen_by(who).tenants.create(wanted))

    @router.get("/teams", summary="List teams")
    def list_teams(who: Who, organisation: str | None = None) -> TenantList:
        teams = (
            each
            for each in doors.seen_by(who).tenants.list()
            if each.kind == "team" and organisation in (None, each.parent)
        )
        return TenantList(data=[tenant_view(each) for each in teams])

    @router.patch("/teams/{tenant_id}", summary="Change a team")
    def change_team(who: Who, tenant_id: str, body: TenantChange) -> Tenant:
        return change(who, tenant_id, body)

    @router.get("/budgets", summary="How far budgets are used")
    def budgets(who: Who) -> BudgetUses:
        return BudgetUses(data=[BudgetUse(**each) for each in doors.seen_by(who).tenants.budgets()])  # pyright: ignore[reportArgumentType]

    _ = create_organisation, list_organisations, change_organisation, create_team, list_teams, change_team, budgets
    return router


def tenant_view(row: TenantRow) -> Tenant:
    """One as shown."""
    return Tenant(
        id=row.id,
        kind=row.kind,
        organisation=row.parent or None,
        name=row.name,
        created=shown_time(row.created_us),
        terms=shown_terms(tenant_terms(row)),
    )
