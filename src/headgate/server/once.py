"""Calls that bring an `Idempotency-Key`: made once, however often they are sent. Later ones get the first one's answer.

While the first is under way, others with its key read along. Its client may leave: it runs to its end, so that who asks
again gets what was paid for. Only whole, good answers are kept, for a day: after a failure the same key may try again.
What outlives the process is a `Memory`'s to keep. Must not know what is asked.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from msgspec import Struct, structs

from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange

HEADER: Final = b"idempotency-key"
KEY_LENGTH_MAX: Final = 255
KEPT_S: Final = 86_400.0
ANSWER_BYTES_MAX: Final = 1024 * 1024
"""A longer answer is not kept, only that there was one."""
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
KEPT_MAX: Final = 10_000
"""How many answers are kept; the oldest go first."""
READERS_MAX: Final = 16
"""Of one call that is under way."""
_REPLAYED: Final = b"idempotent-replayed: true\r\n"
Make = Callable[[Call, Exchange], Awaitable[None]]
"""Makes a call and answers it."""
_Name = tuple[str, str]
"""Whose key, and the key."""


class Claim(NamedTuple):
    """A call that wants a key."""

    owner: str
    key: str
    digest: bytes
    call_id: str


class Stored(Struct, frozen=True, kw_only=True):
    """What another process, or an earlier one, knows of a key."""

    digest: bytes
    call_id: str
    is_over: bool
    status: int = 0
    fields: bytes = b""
    body: bytes | None = None
    """None: it is not kept."""


class Memory(Protocol):
    """What outlives a process. None of it raises: where it fails, keys hold within the process alone."""

    async def claim(self, claim: Claim) -> Stored | None:
        """Takes a key for a call. What is there, if it is taken already."""
        ...

    async def keep(self, claim: Claim, stored: Stored) -> None:
        """The answer to a call."""
        ...

    async def release(self, claim: Claim) -> None:
        """It failed: the key is free again."""
        ...


class _Answer:
    """The answer to one call: an exchange that tells everybody who reads along, and keeps it."""

    def __init__(self, call: Call, digest: bytes) -> None:
        self.call_id = call.id
        self._record = call.record
        self.problem: Problem | None = None
        """Why there is no answer."""
        self.digest = digest
        self.kept_s = 0.0
        """When it was complete, by the monotonic clock."""
        self.over = asyncio.Event()
        self.bytes = 0
        self._status, self._fields = 0, b""
        self._parts: list[bytes] = []
        self._is_ended = False
        self._readers: list[Exchange] = []

    @property
    def is_whole(self) -> bool:
        """Whether all of it is kept."""
        return self.bytes <= ANSWER_BYTES_MAX

    @property
    def is_full(self) -> bool:
        """Whether no more may read along."""
        return len(self._readers) >= READERS_MAX

    def add(self, reader: Exchange, more: bytes = _REPLAYED) -> None:
        """Tells a reader what there is, and then the rest as it comes."""
        if self._status:
            reader.start(self._status, self._fields + more)
            for part in self._parts:
                reader.write(part)
        if self._is_ended:
            reader.end()
            return
        self._readers.append(reader)
        reader.on_disconnect(lambda: self._readers.remove(reader))

    @property
    def is_good(self) -> bool:
        """Whether it may be kept."""
        record = self._record
        return record.status == 200 and record.outcome is Outcome.OK

    def replay(self, stored: Stored, body: bytes) -> None:
        """Gives everybody who waits the answer that another process gave."""
        self._is_ended = True
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.start(stored.status, stored.fields + _REPLAYED)
            reader.end(body)

    def stored(self) -> Stored:
        """What is kept of it."""
        body = b"".join(self._parts) if self.is_whole else None
        return Stored(
            digest=self.digest,
            call_id=self.call_id,
            is_over=True,
            status=self._status,
            fields=self._fields,
            body=body,
        )

    # The exchange

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        self._status, self._fields = status, fields
        for at, reader in enumerate(self._readers):
            reader.start(status, fields + _REPLAYED if at else fields)

    def write(self, data: bytes) -> None:
        """More of the body."""
        self._keep(data)
        for reader in self._readers:
            reader.write(data)

    def end(self, data: bytes = b"") -> None:
        """The last of it."""
        self._keep(data)
        self._is_ended = True
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.end(data)

    @property
    def is_congested(self) -> bool:
        """Whether one of them reads slower than it comes."""
        return any(reader.is_congested for reader in self._readers)

    async def drained(self) -> None:
        """Waits until all have caught up, or have gone."""
        for reader in [*self._readers]:
            if reader.is_congested:
                await reader.drained()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Never: the call goes on for whoever asks again."""

    def _keep(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.is_whole:
            self._parts.append(data)
        else:
            self._parts = []


class Once:
    """The calls of one listener that brought a key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, memory: Memory | None = None) -> None:
        self._clock = clock
        self._memory = memory
        self._running: dict[_Name, _Answer] = {}
        self._kept: dict[_Name, _Answer] = {}
        """In the order in which they ended."""
        self._bytes = 0

    async def serve(self, call: Call, key: bytes, exchange: Exchange, make: Make) -> Problem | None:
        """Makes the call, or gives the answer of the first one with its key. A problem: neither can be."""
        if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isascii():
            return InvalidRequest(f"Idempotency-Key takes 1 to {KEY_LENGTH_MAX} characters of ASCII.").problem
        name = (call.principal.owner, key.decode())
        digest = _digest(call)
        self._forget()
        known = self._running.get(name) or self._kept.get(name)
        if known is not None:
            return await self._join(known, digest, exchange)
        answer = self._running[name] = _Answer(call, digest)
        answer.add(exchange, b"")
        claim = Claim(*name, digest, call.id)
        try:
            stored = None if self._memory is None else await self._memory.claim(claim)
            if stored is not None:
                answer.problem = _replayed(stored, answer)
                return answer.problem
            await self._make(name, claim, answer, partial(make, call, answer))
        finally:
            answer.over.set()
            del self._running[name]
        return None

    async def _make(self, name: _Name, claim: Claim, answer: _Answer, make: Callable[[], Awaitable[None]]) -> None:
        """Makes the call. The key is free only when it is so in all processes."""
        is_good = False
        try:
            await make()
            is_good = answer.is_good
        finally:
            answer.over.set()
            if is_good:
                self._keep(name, answer)
            if self._memory is not None and is_good:
                await self._memory.keep(claim, answer.stored())
            elif self._memory is not None:
                await self._memory.release(claim)

    async def _join(self, known: _Answer, digest: bytes, exchange: Exchange) -> Problem | None:
        if known.digest != digest:
            return _problem(422, "idempotency_key_reused", "This Idempotency-Key came with another request before.")
        if not known.is_whole:
            told = f"The answer was too long to be kept. GET /v1/generations/{known.call_id} tells what it was."
            return _problem(409, "idempotency_answer_not_kept", told)
        if known.is_full:
            told = f"The call with this Idempotency-Key is under way, and {READERS_MAX} wait for it. Try again later."
            return _problem(409, "idempotency_key_in_use", told)
        known.add(exchange)
        await known.over.wait()
        return known.problem

    def _keep(self, name: _Name, answer: _Answer) -> None:
        answer.kept_s = self._clock()
        self._kept[name] = answer
        self._bytes += _size(answer)
        self._forget()

    def _forget(self) -> None:
        """What is too old, or too much."""
        oldest_s = self._clock() - KEPT_S
        while self._kept:
            name, answer = next(iter(self._kept.items()))
            if answer.kept_s > oldest_s and self._bytes <= KEPT_BYTES_MAX and len(self._kept) <= KEPT_MAX:
                return
            del self._kept[name]
            self._bytes -= _size(answer)


def _replayed(stored: Stored, answer: _Answer) -> Problem | None:
    """Gives the answer of another process, or says why not."""
    if stored.digest != answer.digest:
        return _problem(422, "idempotency_key_reused", "This Idempotency-Key came with another request before.")
    if not stored.is_over:
        told = "The call with this Idempotency-Key is under way in another process. Try again later."
        return _problem(409, "idempotency_key_in_use", told)
    if stored.body is None:
        told = f"The answer was not kept. GET /v1/generations/{stored.call_id} tells what it was."
        return _problem(409, "idempotency_answer_not_kept", told)
    answer.replay(stored, stored.body)
    return None


def _size(answer: _Answer) -> int:
    return answer.bytes if answer.is_whole else 0


def _digest(call: Call) -> bytes:
    """Of everything that says what is asked."""
    parts = (call.dialect.name, call.record.operation, call.path, call.query, repr(call.envelope))
    return sha256("\0".join(parts).encode() + b"\0" + call.body).digest()


def _problem(status: int, code: str, message: str) -> Problem:
    return structs.replace(InvalidRequest(message, param="Idempotency-Key", code=code).problem, status=status)
