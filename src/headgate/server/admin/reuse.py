"""`/admin/v1/cache` and `/admin/v1/savings`: answers that are used again, and what that saves."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from headgate.cache.shelf import Purge
from headgate.core.money import shown_usd
from headgate.core.problems import InvalidRequest
from headgate.ledger.saving import By, at_day, day_of
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.store.queries.savings import DAY_US

_DAYS: Final = 31


class CacheState(BaseModel):
    """How much is kept: in memory, and behind it."""

    memory_entries: int
    memory_bytes: int
    memory_evicted: int
    kept_entries: int
    kept_bytes: int
    damaged: int
    unwritten: int


class Purged(BaseModel):
    """How many answers were taken out."""

    purged: int


class SavingsLine(BaseModel):
    """What one day, key, team, route or model has saved, in one way: `hit`, `coalesced`, or `provider`, by the prompt
    cache of a provider, of which the tokens are those that it knew."""

    what: str
    how: str
    calls: int
    input_tokens: int
    output_tokens: int
    ms: int
    usd: str


class Savings(BaseModel):
    """The days of `since` up to but not `until`, in UTC."""

    by: By
    since: str
    until: str
    data: list[SavingsLine]
    usd: str


class PurgeQuery(BaseModel, extra="forbid"):
    """Which answers: those that fit everything that is said."""

    key: Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")] | None = None
    tenant: str = ""
    tag: str = ""
    model: str = ""
    namespace: str | None = None
    all: bool = False


def reuse_router(doors: Doors) -> APIRouter:
    """The paths."""
    router = APIRouter(prefix="/admin/v1", tags=["cache"])

    @router.get("/cache", summary="How many answers are kept")
    def state() -> CacheState:
        return CacheState.model_validate(doors.reuse.state())

    @router.delete("/cache", summary="Purge answers by key, tenant, tag, model or namespace")
    def purge(who: Who, query: Annotated[PurgeQuery, Query()]) -> Purged:
        wanted = Purge(
            key=bytes.fromhex(query.key or ""),
            tenant=query.tenant,
            tag=query.tag,
            model=query.model,
            namespace=query.namespace,
        )
        if wanted == Purge() and not query.all:
            raise InvalidRequest("Say which answers by key, tenant, tag, model or namespace, or all=true.", param="all")
        return Purged(purged=doors.seen_by(who).reuse.purge(wanted))

    @router.get("/savings", summary="What answers that were used again have saved")
    def savings(who: Who, by: By = "day", since: str = "", until: str = "") -> Savings:
        before_us = at_day(until) if until else doors.now_us() // DAY_US * DAY_US + DAY_US
        since_us = at_day(since) if since else before_us - _DAYS * DAY_US
        lines = doors.seen_by(who).reuse.savings(by, since_us, before_us)
        told = [SavingsLine(**line._asdict(), usd=shown_usd(line.nano_usd)) for line in lines]
        total = shown_usd(sum(line.nano_usd for line in lines))
        return Savings(by=by, since=day_of(since_us), until=day_of(before_us), data=told, usd=total)

    _ = state, purge, savings
    return router
