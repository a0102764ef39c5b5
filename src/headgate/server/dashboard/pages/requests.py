"""Requests: the calls that fit what the address says, newest first, and everything about one of them."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from headgate.core.problems import InvalidRequest, NotFound
from headgate.core.record import Attempt, CallRecord
from headgate.ledger.charging import charge_of, winner
from headgate.ledger.meter import Cost
from headgate.server.dashboard.periods import PERIODS
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.calls import CallFilter

PAGE_ROWS: Final = 50
_FILTERS: Final = ("model", "key", "route", "user", "session", "status", "outcome")
_FAILED: Final = "failed"
"""What `outcome` says for all that did not end well."""
OUTCOMES: Final = (
    *("ok", _FAILED, "client", "context", "policy", "account", "rate", "overload", "server", "connect"),
    *("slow", "stall", "cut", "protocol", "client_gone", "local"),
)


async def requests(visit: Visit) -> Page:
    """The list."""
    wanted = call_filter(visit)
    page = await visit.sights.doors.calls.recent(wanted, limit=PAGE_ROWS, after=visit.query.get("after", ""))
    key_names = await asyncio.to_thread(names_of_keys, visit)
    context: dict[str, object] = {
        "title": "Requests",
        "visit": visit,
        "rows": [row_of(visit, record, key_names) for record in page.records],
        "next": visit.link(after=page.next) if page.next else "",
        "outcomes": OUTCOMES,
        "filters": {name: visit.query[name] for name in _FILTERS if name in visit.query},
        "period_name": visit.query.get("period", ""),
        "period_names": list(PERIODS),
        "keys": key_names,
    }
    return Page(template="requests_rows.html" if visit.is_part else "requests.html", context=context)


def call_filter(visit: Visit) -> CallFilter:
    """What the address says. Raises `InvalidRequest`."""
    query = visit.query
    outcome, status = query.get("outcome"), query.get("status")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidRequest(
            f"There is no outcome {outcome[:20]!r}; there are: {', '.join(OUTCOMES)}.", param="outcome"
        )
    if status is not None and not (status.isascii() and status.isdecimal() and len(status) == 3):
        raise InvalidRequest(f"A status has three digits; {status[:20]!r} is none.", param="status")
    return CallFilter(
        key_id=query.get("key"),
        model=query.get("model"),
        route=query.get("route"),
        user=query.get("user"),
        session=query.get("session"),
        status=None if status is None else int(status),
        outcome=None if outcome == _FAILED else outcome,
        is_failed=outcome == _FAILED,
        since_us=visit.now_us - visit.period.length_us if "period" in query else None,
    )


def names_of_keys(visit: Visit) -> dict[str, str]:
    """The keys that they see, by id. Waits for the store."""
    return {key.kid: key.name for key in visit.sights.doors.keys.list()}


def row_of(visit: Visit, record: CallRecord, key_names: dict[str, str]) -> dict[str, object]:
    """A call as a row of the table."""
    answered = winner(record)
    return {
        "record": record,
        "link": f"/dashboard/requests/{record.id}",
        "key": key_names.get(record.key_id, record.key_id),
        "served": "" if answered is None else f"{answered.provider}/{answered.model}",
        "money": money_of(visit, record),
    }


def money_of(visit: Visit, record: CallRecord) -> int | None:
    """What the call cost, or what they paid for it; None: no price is known."""
    if visit.who.role is not None:
        return charge_of(record)
    return record.cost_nano_usd if record.is_priced else None


class Told(NamedTuple):
    """An attempt as its page shows it."""

    attempt: Attempt
    bill: Cost | None
    """At today's prices; None: there is none, or it is not theirs to see."""
    start: float
    """All in hundredths of the whole call."""
    first: float
    end: float


async def request(visit: Visit) -> Page:
    """One call."""
    id = visit.params["id"]
    record = await visit.sights.doors.calls.find(id)
    if record is None:
        raise NotFound(f"There is no call {id!r}.")
    key_names = await asyncio.to_thread(names_of_keys, visit)
    context: dict[str, object] = {
        "title": record.id,
        "visit": visit,
        "record": record,
        "key": key_names.get(record.key_id, record.key_id),
        "attempts": _told(visit, record),
        "money": money_of(visit, record),
        "is_operator": visit.who.role is None,
        "widest_ms": _widest_ms(record),
    }
    return Page(template="request_part.html" if visit.is_part else "request.html", context=context)


def _widest_ms(record: CallRecord) -> float:
    return max([record.duration_ms, *(each.started_ms + each.duration_ms for each in record.attempts)], default=0.0)


def _told(visit: Visit, record: CallRecord) -> Sequence[Told]:
    whole = _widest_ms(record) or 1.0

    def percent(ms: float) -> float:
        return round(min(100.0, max(0.0, 100 * ms / whole)), 2)

    told: list[Told] = []
    for each in record.attempts:
        first = each.duration_ms if each.ttft_ms is None else each.ttft_ms
        bill = visit.sights.bill(each) if visit.who.role is None else None
        start, end = percent(each.started_ms), percent(each.started_ms + each.duration_ms)
        told.append(Told(each, bill, start, percent(each.started_ms + first), end))
    return told
