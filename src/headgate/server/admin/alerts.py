"""`/admin/v1/alerts`: what was told, over which channel, and whether it has arrived."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from headgate.core.problems import InvalidRequest
from headgate.policies.alerting import Alert
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import shown_time
from headgate.store.queries.outbox import Message
from headgate.store.tables import INT64_MAX

PAGE_MAX: Final = 500
_decode = msgspec.json.Decoder(Alert).decode


class AlertQuery(BaseModel):
    """Which page of them."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 50
    after: Annotated[str, Field(max_length=1000, description="`next` of the page before.")] = ""


class AlertView(BaseModel):
    """An alert over one channel. `state` is `sent`, `waiting` (for `next_try`) or `given_up`."""

    id: str
    kind: str
    account: str | None
    text: str
    data: dict[str, Any]
    at: str | None
    channel: str
    state: str
    sent: str | None
    next_try: str | None
    attempts: int
    error: str | None


class AlertList(BaseModel):
    """Alerts, newest first."""

    data: list[AlertView]
    next: str | None


def alerts_router(doors: Doors) -> APIRouter:
    """The path, joined to the outbox."""
    router = APIRouter(tags=["alerts"])

    @router.get("/admin/v1/alerts", summary="What was told, newest first")
    def alerts(who: Who, query: Annotated[AlertQuery, Query()]) -> AlertList:
        found = doors.alerts(query.limit + 1, place_of(query.after))
        shown = found[: query.limit]
        more = f"{shown[-1].at_us} {shown[-1].id}" if len(found) > query.limit else None
        return AlertList(data=[alert_view(each) for each in shown], next=more)

    _ = alerts
    return router


def place_of(after: str) -> tuple[int, str] | None:
    """Where a page begins. Raises `InvalidRequest`."""
    if not after:
        return None
    at_us, _, id = after.partition(" ")
    if not at_us.isdecimal() or not at_us.isascii() or len(at_us) > 18 or not id:
        raise InvalidRequest("'after' takes 'next' of the page before.", param="after")
    return int(at_us), id


def alert_view(message: Message) -> AlertView:
    """One as shown."""
    alert = _decode(message.body)
    is_given_up = message.sent_us is None and message.next_us == INT64_MAX
    state = "sent" if message.sent_us is not None else "given_up" if is_given_up else "waiting"
    return AlertView(
        id=alert.id,
        kind=alert.kind,
        account=alert.account or None,
        text=alert.text,
        data=dict(alert.data),
        at=shown_time(message.at_us),
        channel=message.channel,
        state=state,
        sent=shown_time(message.sent_us),
        next_try=shown_time(message.next_us) if state == "waiting" else None,
        attempts=message.attempts,
        error=message.error or None,
    )
