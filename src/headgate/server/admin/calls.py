"""`/admin/v1/calls`, `/status`, `/providers` and `/models`: what happened, how and where things run, what there is."""

from datetime import UTC, datetime
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Query, Response

from headgate.core.problems import InvalidRequest, NotFound
from headgate.core.record import CallRecord
from headgate.policies.roles import Administrator
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import shown_time
from headgate.server.admin.views import CallQuery
from headgate.server.listing import Listing
from headgate.store.queries.calls import CallFilter

_encode = msgspec.json.Encoder().encode


def calls_router(doors: Doors) -> APIRouter:
    """The paths that only read."""
    router = APIRouter(tags=["what happened"])

    @router.get("/livez", summary="Whether the process is alive", tags=["health"])
    def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/admin/v1/status", summary="How the journal and the database stand", tags=["health"])
    def status() -> Response:
        return _json(doors.status())

    @router.get("/admin/v1/calls", summary="List calls, newest first")
    async def list_calls(who: Who, query: Annotated[CallQuery, Query()]) -> Response:
        page = await doors.seen_by(who).calls.recent(_filter(query), limit=query.limit, after=query.after)
        rows = [msgspec.Raw(_shown(who, record)) for record in page.records]
        return _json({"data": rows, "next": page.next or None})

    @router.get("/admin/v1/calls/{call_id}", summary="Everything about one call")
    async def one_call(who: Who, call_id: str) -> Response:
        record = await doors.seen_by(who).calls.find(call_id)
        if record is None:
            raise NotFound(f"There is no call {call_id!r}.", param="call_id", code="call_not_found")
        return Response(_shown(who, record), media_type="application/json")

    @router.get("/admin/v1/providers", summary="The packaged providers, and those in use", tags=["providers"])
    def providers() -> Response:
        return _json({"data": doors.providers()})

    @router.get("/admin/v1/prices", summary="What a model has cost, by edition of the price book", tags=["models"])
    def prices(model: str, provider: str = "") -> Response:
        rows = doors.prices(provider, model)
        return _json({"data": [{**row, "since": shown_time(cast("int", row["since_us"]))} for row in rows]})

    @router.get("/admin/v1/models", summary="The names that may be asked for", tags=["models"])
    def models() -> Response:
        return Response(doors.models(), media_type="application/json")

    _ = live, status, list_calls, one_call, providers, prices, models  # the router has them
    return router


def _shown(who: Administrator, record: CallRecord) -> bytes:
    """What a call costs is the operator's to know; others see what they pay."""
    return Listing.generation(record) if who.role is None else Listing.generation_sold(record)


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json")


def _filter(query: CallQuery) -> CallFilter:
    return CallFilter(
        key_id=query.key_id,
        model=query.model,
        status=query.status,
        outcome=query.outcome,
        since_us=None if query.since is None else _time_us(query.since),
    )


def _time_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):  # the latter for zones that lead beyond all years
        raise InvalidRequest(f"{text!r} is no time; write 2027-01-31T12:00:00Z", param="since") from None
