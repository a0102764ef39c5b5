"""The record of every attempt that reached a fake upstream: what came, what went, how it ended. The judge of tests."""

from collections import deque
from collections.abc import Mapping

import msgspec
from msgspec import Struct


class Attempt(Struct, kw_only=True):
    """One request and what became of it. Times ending in `_s` are on the monotonic clock of the process."""

    number: int
    """1 for the first since the start, or since the log was cleared."""
    connection: int
    """Which connection brought it: equal numbers mean that the client used one again."""
    arrived_at: float
    """Wall-clock time at which the request had come whole, in seconds since 1970."""
    arrived_s: float
    method: str
    path: str
    """With the query string."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    fault: str | None = None
    """Name of the fault that was played."""
    status: int | None = None
    """Status of the answer that was begun."""
    bytes_sent: int = 0
    """Handed to the socket, head and framing included."""
    sent: list[tuple[float, int]] = msgspec.field(default_factory=list[tuple[float, int]])
    """Each write: when, and how many bytes."""
    completed: bool = False
    """Whether the script ran to its end."""
    closed_s: float | None = None
    """When the connection ended, if that was before the script's end."""
    closed_early: bool = False
    """Whether it was the client that ended it so."""

    @property
    def bytes_received(self) -> int:
        """Size of the request's body."""
        return len(self.body)


class Log:
    """The attempts, oldest first; beyond `attempts_max` the oldest go, and are counted in `dropped`."""

    def __init__(self, attempts_max: int) -> None:
        self.attempts: deque[Attempt] = deque(maxlen=attempts_max)
        self.arrived = 0

    @property
    def dropped(self) -> int:
        return self.arrived - len(self.attempts)

    def add(self, attempt: Attempt) -> None:
        self.arrived += 1
        attempt.number = self.arrived
        self.attempts.append(attempt)

    def clear(self) -> None:
        self.attempts.clear()
        self.arrived = 0

    def as_json(self) -> bytes:
        """`{"attempts": [...], "dropped": 0}`; bodies as text."""
        attempts = [
            msgspec.structs.asdict(attempt) | {"body": attempt.body.decode("utf-8", "replace")}
            for attempt in self.attempts
        ]
        return msgspec.json.encode({"attempts": attempts, "dropped": self.dropped})
