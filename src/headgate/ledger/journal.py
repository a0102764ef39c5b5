"""The write-ahead journal: what is about to happen and what happened, on disk first. Must not know about money.

Append-only segment files, one `write` per record, so a killed process loses nothing it reported. A record's payload is
JSON (`core.record`): the upstream's own usage object is JSON too and travels along unchanged, and the store keeps the
bytes of a call's record as they are.
"""

import fcntl
import os
import re
import secrets
import time
from collections import deque
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Literal, NamedTuple

import msgspec

from headgate.core.problems import ConfigError, HeadgateError, ProblemKind
from headgate.core.record import AttemptStart, CallRecord, CallStart
from headgate.ledger.disk import DISK, Disk
from headgate.ledger.segments import (
    ATTEMPT_STARTED,
    CALL_ENDED,
    CALL_STARTED,
    FILLER,
    OFFSET_MASK,
    OVERHEAD,
    DamagedJournal,
    cut_off,
    damages,
    fill_in,
    first_lsn,
    pack,
    segment_numbers,
    segment_path,
)

Durability = Literal["os", "group", "sync"]

_FORMAT = "headgate journal 1"
_RETRY_S = 1.0
_UNWRITTEN_MAX = 10_000
_ENDED_MAX = 2048
"""How many ended calls are kept for who follows: a moment's worth of a busy process."""
_encode = msgspec.json.Encoder().encode


class JournalFailed(HeadgateError):
    """Headgate cannot write its journal just now, and takes no call that it could not account for. Retry later."""

    kind: ProblemKind = "overloaded"
    code = "journal_failed"

    def __init__(self) -> None:
        super().__init__()
        self.problem = msgspec.structs.replace(self.problem, retry_after_s=_RETRY_S)


class JournalInUse(ConfigError):
    """Another process writes this journal."""


class Ended(NamedTuple):
    """A call whose end is in the journal: where, and what was written."""

    lsn: int
    end: int
    record: CallRecord
    json: bytes


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the journal is and how durable."""

    directory: Path
    durability: Durability = "group"
    """What survives. `os`: a killed process. `group`: also a power cut, but for the last `group_ms` of ended calls.
    `sync`: a power cut, at the price of one disk flush per record."""
    group_ms: int = 20
    segment_bytes: int = 32 * 1024 * 1024
    """A new segment is begun when one is longer than this; at most 128 MiB."""


class Journal:
    """One process's journal. May be written from several threads; writing never waits for anything but the disk."""

    def __init__(self, settings: JournalSettings, *, salvage: bool = False, disk: Disk = DISK) -> None:
        self.settings = settings
        self._disk = disk
        settings.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file, self.id = _lock(settings.directory)
        try:
            self.repaired = _repair(settings.directory, salvage=salvage)
            numbers = segment_numbers(settings.directory)
            self._number = max([int(time.time()), *(number + 1 for number in numbers)])
            self._file = self._open_segment()
            self._directory_file = os.open(settings.directory, os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            os.close(self._lock_file)
            raise
        self.start = first_lsn(self._number)
        """Everything before this lsn was written by processes that are gone."""
        self.end = self.start
        """Everything before this lsn is completely written."""
        self.failure = ""
        """Why no new call is taken; empty: all is well."""
        self._can_resume = True
        self._unwritten: deque[tuple[CallRecord, bytes]] = deque(maxlen=_UNWRITTEN_MAX)
        self._begun: dict[str, int] = {}
        """Where the calls under way were started, by their ids, oldest first."""
        self._ended: deque[Ended] = deque()
        self._overrun = 0
        """Calls that ended before this place may be missing among `_ended`."""
        self._retired: list[int] = []
        self._is_name_synced = False
        self._lock = Lock()
        self._wake, self._closing = Event(), Event()
        self._keeper = Thread(target=self._keep, name="headgate-journal", daemon=True)
        self._keeper.start()

    def call_started(self, start: CallStart) -> None:
        """A call was admitted and its first attempt is about to be sent. Raises `JournalFailed`: do not send it."""
        payload = _encode(start)
        with self._lock:
            lsn = self.end
            if self.failure or not self._append(CALL_STARTED, payload):
                raise JournalFailed()
            self._begun[start.id] = lsn

    def attempt_started(self, start: AttemptStart) -> None:
        """A further attempt is about to be sent. Raises `JournalFailed`: do not send it."""
        payload = _encode(start)
        with self._lock:
            if self.failure or not self._append(ATTEMPT_STARTED, payload):
                raise JournalFailed()

    def call_ended(self, record: CallRecord) -> bytes:
        """A call is over. Never fails for the disk's sake: what cannot be written waits for the disk, or, if the
        process ends before, is found again as a call that was cut short. Returns the record as JSON."""
        payload = _encode(record)
        with self._lock:
            if self.failure or not self._append_end(record, payload):
                self._unwritten.append((record, payload))
        if not self._wake.is_set():
            self._wake.set()
        return payload

    @property
    def unwritten(self) -> int:
        """How many ended calls wait for the disk."""
        return len(self._unwritten)

    def ended_since(self, applied: int, limit: int) -> tuple[list[Ended], int] | None:
        """The calls that ended at or behind `applied`, at most `limit` of them, taken from what is at hand, and the
        place up to which there are no others. None: more came than are kept; they are in the segments."""
        ended = self._ended
        with self._lock:
            if self._overrun > applied:
                return None
            while ended and ended[0].lsn < applied:
                ended.popleft()
            taken = [ended.popleft() for _ in range(min(limit, len(ended)))]
            return taken, taken[-1].end if ended else self.end

    def oldest_begun(self, but: int) -> int:
        """Where the oldest call under way was started; `but`: there is none."""
        with self._lock:
            return min(next(iter(self._begun.values()), but), but)

    def close(self) -> None:
        """Flushes, and lets go of the directory."""
        self._closing.set()
        self._wake.set()
        self._keeper.join()
        if self._unwritten:
            self._resume()
        self._flush()
        for file in (self._file, self._directory_file, self._lock_file):
            os.close(file)

    def _append_end(self, record: CallRecord, payload: bytes) -> bool:
        lsn = self.end
        if not self._append(CALL_ENDED, payload):
            return False
        self._begun.pop(record.id, None)
        ended = self._ended
        if len(ended) >= _ENDED_MAX:
            self._overrun = ended.popleft().end
        ended.append(Ended(lsn, lsn + OVERHEAD + len(payload), record, payload))
        return True

    def _append(self, kind: int, payload: bytes) -> bool:
        data = pack(kind, self.end, payload)
        try:
            written = self._disk.write(self._file, data)
        except OSError as fault:
            return self._fail(fault.strerror or str(fault))
        if written != len(data):
            return self._fail("only a part of a record could be written; the disk is probably full")
        self.end += written
        if self.settings.durability == "sync" and not self._sync(self._file):
            return False
        if self.end & OFFSET_MASK >= self.settings.segment_bytes:
            self._rotate()
        return True

    def _fail(self, why: str) -> bool:
        self.failure = f"the journal in {self.settings.directory} cannot be written ({why})"
        try:
            os.ftruncate(self._file, self.end & OFFSET_MASK)
        except OSError:
            self._can_resume = False
        self._wake.set()
        return False

    def _sync(self, file: int) -> bool:
        try:
            self._disk.sync(file)
        except OSError as fault:
            # After a failed fsync the kernel may drop the pages and report success next time: only a restart,
            # which reads what is really there, can go on. https://wiki.postgresql.org/wiki/Fsync_Errors (2026-11)
            self.failure = f"the journal in {self.settings.directory} cannot be flushed ({fault.strerror or fault})"
            self._can_resume = False
            return False
        return True

    def _open_segment(self) -> int:
        flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        return os.open(segment_path(self.settings.directory, self._number), flags, 0o600)

    def _rotate(self) -> None:
        retired = self._file
        self._number += 1
        try:
            self._file = self._open_segment()
        except OSError as fault:
            self._number -= 1
            self._fail(f"no new segment: {fault.strerror or fault}")
            return
        self._retired.append(retired)
        self._is_name_synced = False
        self.end = first_lsn(self._number)
        self._wake.set()

    def _keep(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(_RETRY_S if self.failure else None)
            self._closing.wait(self.settings.group_ms / 1000)
            self._wake.clear()
            self._flush()
            if self.failure:
                self._resume()

    def _flush(self) -> None:
        with self._lock:
            retired, self._retired = self._retired, []
            files = [*retired, self._file]
            if not self._is_name_synced:
                files.append(self._directory_file)
            self._is_name_synced = True
        for file in files:
            if self.settings.durability != "os" and self._can_resume:
                self._sync(file)
        for file in retired:
            os.close(file)

    def _resume(self) -> None:
        with self._lock:
            if not self._can_resume:
                return
            is_writable = self._append(FILLER, b"")
            while is_writable and self._unwritten and (is_writable := self._append_end(*self._unwritten[0])):
                self._unwritten.popleft()
            if is_writable:
                self.failure = ""


def _lock(directory: Path) -> tuple[int, str]:
    file = os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise JournalInUse(
            f"Another headgate process uses {directory.parent}. Stop it, or give this one a data_dir of its own."
        ) from None
    text = os.pread(file, 256, 0).decode("ascii", "replace")
    if not text:
        text = f"{_FORMAT} {secrets.token_hex(8)}\n"
        os.pwrite(file, text.encode(), 0)
    known = re.fullmatch(rf"{_FORMAT} ([0-9a-f]{{16}})\n", text)
    if known is None:
        os.close(file)
        raise ConfigError(f"{directory / 'lock'} says {text!r}: this version reads {_FORMAT!r} only.")
    return file, known[1]


def _repair(directory: Path, *, salvage: bool) -> int:
    """Checks every segment; a torn end of the last is cut off, anything else only if told to. Returns the repairs."""
    repairs = 0
    numbers = segment_numbers(directory)
    for number in numbers:
        for damage in damages(segment_path(directory, number), number):
            repairs += 1
            if damage.end is None and number == numbers[-1]:
                cut_off(damage)
            elif salvage:
                fill_in(damage, number)
            else:
                raise DamagedJournal(
                    f"The journal is damaged: {damage.path} at byte {damage.start}. "
                    "Start with --salvage to keep everything but the damaged records."
                )
    return repairs
