"""Keeps in the store who makes a call with an Idempotency-Key, and its answer: so that neither a new start nor another
process on the same store makes it again. Of a call whose process has gone, the books say whether it was answered.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import structs
from sqlalchemy import Connection

from headgate.app.core import Core
from headgate.core.problems import Outcome
from headgate.server.once import KEPT_S, Claim, Stored
from headgate.store.base import StoreError
from headgate.store.queries import calls, replays
from headgate.store.queries.replays import ReplayRow

LEASE_S: Final = 120
"""So long a process is taken to be alive without a word."""
RENEW_S: Final = 30.0
_S: Final = 1_000_000
_Found = TypeVar("_Found")
_log = logging.getLogger("headgate")


class StoredAnswers:
    """Implements the listener's `Memory`. While the store is away, keys hold within this process alone."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._claimant = core.journal.id
        self._mine: set[str] = set()
        """The calls that this process makes."""

    async def claim(self, claim: Claim) -> Stored | None:
        """Takes a key for a call. What is there, if it is taken already."""
        stored = await self._in_thread(lambda: self._claim(claim), None)
        if stored is None:
            self._mine.add(claim.call_id)
        return stored

    async def keep(self, claim: Claim, stored: Stored) -> None:
        """The answer to a call."""
        self._mine.discard(claim.call_id)
        await self._in_thread(lambda: self._end(claim, stored), None)

    async def release(self, claim: Claim) -> None:
        """It failed: the key is free again."""
        self._mine.discard(claim.call_id)
        await self._in_thread(lambda: self._drop(claim), None)

    def recover(self) -> None:
        """After a start: settles the keys of calls that an earlier process of the same journal was making."""
        self._core.applier.drain()
        with self._core.store.write() as connection:
            for row in replays.under_way(connection, self._claimant):
                if _ended_well(connection, row):
                    replays.end(connection, structs.replace(row, ended_us=self._core.now_us(), status=200))
                else:
                    replays.drop(connection, row.owner, row.key, row.call_id)

    async def keep_claims(self) -> None:
        """Says that this process is alive, and forgets what is too old. For ever."""
        await self._in_thread(self.recover, None)
        while True:
            await asyncio.sleep(RENEW_S)
            await self._in_thread(self._renew, None)

    async def _in_thread(self, work: Callable[[], _Found], instead: _Found) -> _Found:
        try:
            return await asyncio.to_thread(work)
        except StoreError as fault:
            _log.warning("event=idempotency_not_kept error=%r", str(fault))
            return instead

    def _claim(self, claim: Claim) -> Stored | None:
        now_us = self._core.now_us()
        with self._core.store.write() as connection:
            known = replays.find(connection, claim.owner, claim.key)
            if known is not None and known.ended_us is None and known.until_us <= now_us:
                known = _gone(connection, known)
            if known is not None and (known.ended_us is None or known.ended_us > now_us - int(KEPT_S) * _S):
                return Stored(
                    digest=known.digest,
                    call_id=known.call_id,
                    is_over=known.ended_us is not None,
                    status=known.status,
                    fields=known.fields,
                    body=known.body,
                )
            row = ReplayRow(
                owner=claim.owner,
                key=claim.key,
                digest=claim.digest,
                call_id=claim.call_id,
                claimant=self._claimant,
                until_us=now_us + LEASE_S * _S,
            )
            replays.put(connection, row)
        return None

    def _end(self, claim: Claim, stored: Stored) -> None:
        row = ReplayRow(
            owner=claim.owner,
            key=claim.key,
            digest=claim.digest,
            call_id=claim.call_id,
            claimant=self._claimant,
            until_us=0,
            ended_us=self._core.now_us(),
            status=stored.status,
            fields=stored.fields,
            body=stored.body,
        )
        with self._core.store.write() as connection:
            replays.end(connection, row)

    def _drop(self, claim: Claim) -> None:
        with self._core.store.write() as connection:
            replays.drop(connection, claim.owner, claim.key, claim.call_id)

    def _renew(self) -> None:
        now_us = self._core.now_us()
        with self._core.store.write() as connection:
            replays.renew(connection, self._mine, now_us + LEASE_S * _S)
            replays.forget(connection, now_us - int(KEPT_S) * _S)


def _gone(connection: Connection, known: ReplayRow) -> ReplayRow | None:
    """What to make of a call whose process has not said a word for long."""
    if not _ended_well(connection, known):
        return None
    return structs.replace(known, ended_us=known.until_us, status=200)


def _ended_well(connection: Connection, row: ReplayRow) -> bool:
    """Whether a call was answered, as the books say."""
    record = calls.find(connection, row.call_id)
    return record is not None and record.status == 200 and record.outcome is Outcome.OK
