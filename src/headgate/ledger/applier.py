"""Carries the journal into the store, in a thread of its own. Must not know how the journal was written or who reads.

Every batch and the place it ends at are committed in one transaction, and a call is kept once, so applying a part of
the journal again changes nothing. Calls that were started by a process that is gone, and not ended, are kept as such.
"""

import logging
import time
from contextlib import suppress
from threading import Condition, Thread
from typing import NamedTuple

import msgspec

from headgate.core.problems import Outcome
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.ledger import rolling
from headgate.ledger import segments as types
from headgate.ledger.charging import spent, spent_by_tag
from headgate.ledger.credit import usage_transfers
from headgate.ledger.journal import Ended, Journal
from headgate.ledger.rejects import put_aside
from headgate.ledger.saving import saved
from headgate.ledger.segments import (
    OFFSET_BITS,
    OFFSET_MASK,
    DamagedJournal,
    Entry,
    Follower,
    segment_numbers,
    segment_path,
)
from headgate.store.base import Store, StoreError
from headgate.store.queries import calls, meta, minted, savings, spend, transfers, unbilled

CUT_SHORT = "the gateway stopped during this call"
_CALLS_MAX = 1000
"""How many one transaction takes."""
_ROUND_S = 0.1
_RETRY_S_MAX = 5.0
_DRAIN_S = 10.0
_LAST_TRY_S = 1.0
_FORGET_EVERY_S = 3600.0

_log = logging.getLogger("headgate")
_decode_start = msgspec.json.Decoder(CallStart).decode
_decode_attempt = msgspec.json.Decoder(AttemptStart).decode
_decode_record = msgspec.json.Decoder(CallRecord).decode
_encode = msgspec.json.Encoder().encode


class _Id(msgspec.Struct, array_like=True):
    """The part of a `CallStart` that is always needed."""

    id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class _Open(NamedTuple):
    """A call that has begun. Its start stays as it was written: hardly any is ever needed."""

    lsn: int
    start: bytes
    attempts: list[AttemptStart]


class Applier:
    """Runs from its creation until `close`."""

    def __init__(self, journal: Journal, store: Store) -> None:
        self._journal = journal
        self._store = store
        self._directory = journal.settings.directory
        self._follower = Follower(self._directory)
        self._pending: list[Entry] = []
        self._open: dict[str, _Open] = {}
        self._kept_before: int | None = None
        self._is_recovered = self._is_closing = self._is_hurried = False
        self._is_following = True
        """Whether what ends is taken as it ends, not from the segments."""
        self._oldest_segment = 0
        self._forget_s = 0.0
        self._caught_up_s = time.monotonic()
        self.applied = 0
        """Everything before this lsn is in the store."""
        self.failure = ""
        """Why nothing is applied at present; empty: all is well. Calls go on, the journal grows."""
        self.cut_short = 0
        """How many calls were found cut short by the end of an earlier process."""
        self.rejected = 0
        """How many records could not be read; they are in `rejected.jsonl` beside the journal."""
        self._turn = Condition()
        self._thread = Thread(target=self._run, name="headgate-applier", daemon=True)
        self._thread.start()

    @property
    def lag_bytes(self) -> int:
        """How much of the journal is not in the store."""
        applied = self.applied
        total = 0
        for number in segment_numbers(self._directory):
            if number >= applied >> OFFSET_BITS:
                with suppress(FileNotFoundError):  # applied and deleted just now
                    total += segment_path(self._directory, number).stat().st_size
        return total - (applied & OFFSET_MASK)

    @property
    def lag_s(self) -> float:
        """How long ago the store had everything."""
        return 0.0 if self.applied >= self._journal.end else time.monotonic() - self._caught_up_s

    def drain(self, timeout_s: float = _DRAIN_S) -> bool:
        """Waits until everything written so far is in the store. False: it is not, after `timeout_s`."""
        wanted = self._journal.end
        with self._turn:
            self._is_hurried = True
            self._turn.notify_all()
            return self._turn.wait_for(lambda: self.applied >= wanted, timeout_s)

    def close(self) -> None:
        """Applies what is there, then ends. What the store does not take stays in the journal; one that was out of
        order is asked once more."""
        self.drain(_LAST_TRY_S if self.failure else _DRAIN_S)
        with self._turn:
            self._is_closing = True
            self._turn.notify_all()
        self._thread.join()
        self._follower.close()

    def _run(self) -> None:
        wait_s = _ROUND_S
        while not self._is_closing:
            try:
                is_busy = self._round()
                self.failure, wait_s = "", _ROUND_S
            except (StoreError, OSError, DamagedJournal) as fault:
                if not self.failure:
                    _log.error("event=journal_not_applied error=%r", str(fault))
                self.failure, wait_s, is_busy = str(fault), min(wait_s * 2, _RETRY_S_MAX), False
            if not is_busy:
                with self._turn:
                    self._turn.wait_for(lambda: self._is_closing or self._is_hurried, wait_s)
                    self._is_hurried = False

    def _round(self) -> bool:
        """Applies one batch. False: there is nothing more."""
        if self._kept_before is None:
            self._kept_before = self._begin()
        if not self._is_recovered:
            if not self._read_on(self._journal.start):
                self._keep_cut_short()
                self._is_recovered = True
                self._reached(self._journal.start)
            return True
        if time.monotonic() >= self._forget_s:
            self._forget()
        if self._is_following:
            return self._follow()
        limit = self._journal.end
        if not self._read_on(limit):
            self._follower.close()
            self._is_following = True
            self._reached(limit)
        return True

    def _begin(self) -> int:
        """Where the journal was applied up to. A store whose rollups do not count all its calls gets them first."""
        with self._store.read() as connection:
            kept_before, is_current = meta.get_number(connection, self._place_name), rolling.is_current(connection)
        if not is_current:
            with self._store.write() as connection:
                rolling.rebuild(connection, time.time_ns() // 1000)
        return kept_before

    def _forget(self) -> None:
        """Takes out of the store what is kept for a time only."""
        now_us = time.time_ns() // 1000
        with self._store.write() as connection:
            minted.forget(connection, now_us)
            rolling.forget(connection, now_us)
        self._forget_s = time.monotonic() + _FORGET_EVERY_S

    def _follow(self) -> bool:
        """Applies what has just ended, without reading it back. What the store does not take, and more than is kept at
        hand, is read from the segments instead: there each record is looked at anew."""
        found = self._journal.ended_since(self.applied, _CALLS_MAX)
        if found is None or not self._could_keep(*found):
            self._follower.seek(self.applied)
            self._is_following = False
            return True
        ended, end = found
        self._reached(end)
        self._caught_up_s = time.monotonic()
        return len(ended) == _CALLS_MAX

    def _could_keep(self, ended: list[Ended], end: int) -> bool:
        try:
            self._keep([(each.record, each.json) for each in ended], end)
        except (StoreError, ValueError, TypeError):
            return False
        return True

    def _read_on(self, limit: int) -> bool:
        """Applies the next records of the segments, up to `limit`. False: there are none."""
        if not self._pending:
            self._pending = self._follower.read(limit)
        if not self._pending:
            return False
        self._apply(self._pending[: 2 * _CALLS_MAX], self._kept_before or 0)
        del self._pending[: 2 * _CALLS_MAX]
        return True

    def _apply(self, entries: list[Entry], kept_before: int) -> None:
        ended: list[tuple[CallRecord, bytes]] = []
        rejects: list[bytes] = []
        for entry in entries:
            match entry.type:
                case types.CALL_STARTED if not self._is_recovered:
                    self._open[_decode_id(entry.payload).id] = _Open(entry.lsn, entry.payload, [])
                case types.ATTEMPT_STARTED if not self._is_recovered:
                    attempt = _decode_attempt(entry.payload)
                    if (call := self._open.get(attempt.call_id)) is not None:
                        call.attempts.append(attempt)
                case types.CALL_ENDED:
                    self._end(entry, ended, rejects, is_kept=entry.lsn < kept_before)
                case _:  # a filler, or what the journal itself knows of
                    pass
        end = entries[-1].end
        if rejects:
            put_aside(
                self._directory / "rejected.jsonl", rejects
            )  # before the place is kept: it will not be read again
        self._keep(ended, end)
        if rejects:
            self._tell_rejected(len(rejects))
        self._reached(end)

    def _keep(self, ended: list[tuple[CallRecord, bytes]], end: int) -> None:
        if ended:
            with self._store.write() as connection:
                fresh = calls.add(connection, ended)  # a transaction may have been committed whose answer was lost
                sums = spent(fresh)
                spend.add(connection, sums)
                spend.add_tagged(connection, spent_by_tag([record for record in fresh if record.tags]))
                savings.add(connection, saved(fresh))
                rolling.add(connection, fresh)
                batch = f"{self._journal.id} {end}"
                transfers.post(connection, usage_transfers(sums, batch, time.time_ns() // 1000))
                minting = [record for record in fresh if record.minted]
                minted.put(connection, (entry for record in minting for entry in record.minted))
                unbilled.note(connection, minting)
                meta.put(connection, self._place_name, str(end))

    def _end(self, entry: Entry, ended: list[tuple[CallRecord, bytes]], rejects: list[bytes], *, is_kept: bool) -> None:
        try:
            record = _decode_record(entry.payload)
        except msgspec.DecodeError:
            if not is_kept:
                rejects.append(entry.payload)
            return
        self._open.pop(record.id, None)
        if not is_kept:
            ended.append((record, entry.payload))

    @property
    def _place_name(self) -> str:
        return f"journal {self._journal.id} applied"

    def _reached(self, lsn: int) -> None:
        begun = self._journal.oldest_begun(lsn) if self._is_recovered else lsn
        oldest = min((call.lsn for call in self._open.values()), default=begun) >> OFFSET_BITS
        if oldest > self._oldest_segment:
            for number in segment_numbers(self._directory):
                if number < oldest:
                    segment_path(self._directory, number).unlink(missing_ok=True)
            self._oldest_segment = oldest
        with self._turn:
            self.applied = lsn
            self._turn.notify_all()

    def _tell_rejected(self, count: int) -> None:
        _log.error("event=journal_records_rejected count=%d path=%s", count, self._directory / "rejected.jsonl")
        self.rejected += count

    def _keep_cut_short(self) -> None:
        records = [_cut_short(call) for call in self._open.values()]
        if records:
            with self._store.write() as connection:
                rolling.add(connection, calls.add(connection, [(record, _encode(record)) for record in records]))
            self.cut_short = len(records)
            self._open.clear()


def _cut_short(call: _Open) -> CallRecord:
    """All that is known of a call whose end nobody wrote down: not what it used, so not what it cost."""
    start = _decode_start(call.start)
    attempts = [*([start.attempt] if start.attempt else []), *call.attempts]
    return CallRecord(
        id=start.id,
        started_us=start.started_us,
        key_id=start.key_id,
        surface=start.surface,
        operation=start.operation,
        model=start.model,
        is_stream=start.is_stream,
        user=start.user,
        session=start.session,
        outcome=Outcome.LOCAL,
        error=CUT_SHORT,
        attempts=[
            Attempt(
                number=attempt.number,
                provider=attempt.provider,
                model=attempt.model,
                dialect=attempt.dialect,
                lane=attempt.lane,
                started_ms=(attempt.started_us - start.started_us) / 1000,
                outcome=Outcome.LOCAL,
                message=CUT_SHORT,
                usage_source="crash_recovered",
                price_version=attempt.price_version,
                is_priced=False,
            )
            for attempt in attempts
        ],
        usage_source="crash_recovered",
        is_priced=False,
    )
