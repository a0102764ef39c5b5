"""What people ask about calls: one by its id, at once after its end, or the newest that fit. Must not know who asks."""

import asyncio
from typing import NamedTuple

import msgspec

from headgate.core.problems import InvalidRequest
from headgate.core.record import CallRecord
from headgate.ledger.applier import Applier
from headgate.store.base import Store
from headgate.store.queries import calls
from headgate.store.queries.calls import CallFilter

PAGE_MAX = 500
_DRAIN_S = 1.0
_decode = msgspec.json.Decoder(CallRecord).decode


class Page(NamedTuple):
    """A part of a list, newest first."""

    records: list[CallRecord]
    next: str
    """What to ask the next page with; empty: this is the last."""


class Calls:
    """The calls of this process and of all before it. Recent ones are kept as JSON: small, and nothing to collect."""

    def __init__(self, store: Store, applier: Applier | None = None, *, recent_max: int = 500) -> None:
        self._store = store
        self._applier = applier
        self._recent: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}
        self._recent_max = recent_max

    def remember(self, call_id: str, record: bytes) -> None:
        """Keeps a call at hand that has just ended, as `Journal.call_ended` gave it."""
        if len(self._recent) >= self._recent_max:  # two halves: to take out the oldest one by one costs 5 µs each
            self._older, self._recent = self._recent, {}
        self._recent[call_id] = record

    async def find(self, call_id: str) -> CallRecord | None:
        """The record of a call."""
        recent = self._recent.get(call_id) or self._older.get(call_id)
        return _decode(recent) if recent is not None else await asyncio.to_thread(self._find, call_id)

    async def recent(self, wanted: CallFilter, *, limit: int = 50, after: str = "") -> Page:
        """The newest calls that fit, `limit` (at most 500) of them; `after` is `Page.next` of the page before. What
        ended just now is on it, unless the store has a problem."""
        if after:
            wanted = msgspec.structs.replace(wanted, before=_place(after))
        return await asyncio.to_thread(self._list, wanted, max(1, min(limit, PAGE_MAX)))

    def _find(self, call_id: str) -> CallRecord | None:
        found = self._stored(call_id)
        if found is None and self._catch_up():
            found = self._stored(call_id)
        return found

    def _stored(self, call_id: str) -> CallRecord | None:
        with self._store.read() as connection:
            return calls.find(connection, call_id)

    def _catch_up(self) -> bool:
        """Waits a moment until the store has what ended just now. False: it does not get any more at present."""
        return self._applier is not None and not self._applier.failure and self._applier.drain(_DRAIN_S)

    def _list(self, wanted: CallFilter, limit: int) -> Page:
        self._catch_up()
        with self._store.read() as connection:
            kept = calls.newest(connection, wanted, limit + 1)
        page = kept[:limit]
        return Page([each.record for each in page], "" if len(kept) <= limit else str(page[-1].seq))


def _place(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidRequest(f"{cursor!r} is not where a page ends; send the `next` of the page before.", param="after")
    return int(cursor)
