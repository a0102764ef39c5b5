"""What the dashboard is joined to besides what the administration is: handed in by `app`."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from headgate.core.record import Attempt, CallRecord
from headgate.ledger.meter import Cost
from headgate.policies.roles import Administrator
from headgate.server.admin.doors import Doors
from headgate.store.queries.outbox import Message
from headgate.store.queries.rollups import Found, Question


class Standing(Struct, frozen=True, kw_only=True):
    """How one deployment does just now, as this process sees it."""

    deployment: str
    state: str
    account: str
    """How all at its account do."""
    host: str
    """And at its host."""
    failure_rate: float
    weight: float
    """The share of its usual traffic that it gets."""
    in_flight: int


class Traffic(Protocol):
    """The rollups, as far as somebody may see them. Waits for a disk: called in threads."""

    def calls(self, question: Question) -> Sequence[Found]:
        """Sums of calls."""
        ...

    def attempts(self, question: Question) -> Sequence[Found]:
        """Sums of attempts; the operator's alone."""
        ...

    def users(self, since_us: int, before_us: int) -> Sequence[Found]:
        """What each end user that calls named has used: `calls`, tokens and money, by the quarter of an hour."""
        ...


class Caller(Protocol):
    """Who calls in the name of a key, as far as somebody reaches. Raises `NotFound` for a key that is not theirs."""

    async def quote(self, key_id: str, body: bytes, tags: str) -> tuple[int, bytes]:
        """What `POST /v1/quote` answers: the status, and the quote or an error, as JSON."""
        ...

    def talk(self, key_id: str, body: bytes) -> AsyncGenerator[bytes]:
        """A chat completion: a comment with the call's id, then the answer's bytes as they come."""
        ...


class Sights(Struct, frozen=True, kw_only=True):
    """Everything that pages show, as one administrator sees it."""

    seen_by: Callable[[Administrator], "Sights"]
    """The same, as another one sees it."""
    doors: Doors
    traffic: Traffic
    bill: Callable[[Attempt], Cost | None]
    """What an attempt's usage costs at today's prices; None: no price is known."""
    standings: Callable[[], Sequence[Standing]]
    """Of everything that was called; the operator's alone, as the following."""
    settings: Callable[[], Sequence[tuple[str, str]]]
    """The configuration in effect: each setting's path and value, without secrets."""
    alerts: Callable[[], Sequence[Message]]
    """The newest first. Waits for a disk."""
    tail: Callable[[int | None], tuple[int, Sequence[CallRecord]]]
    """Calls that were kept after a place, oldest first, and the place to go on from; None: from now on. Waits for a
    disk."""
    caller: Caller
    is_stopping: Callable[[], bool]
    """Whether what goes on without an end must end."""
    clients_url: str
    """Where clients call."""
