"""The client's side of a call, whatever carries it: a few verbs. What is under it can change without the engine."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Exchange(Protocol):
    """One answer on its way to one client. The verbs never wait; who writes much asks `is_congested` in between."""

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields, once: complete lines, each with its CRLF."""
        ...

    def write(self, data: bytes) -> None:
        """More of the body."""
        ...

    def end(self, data: bytes = b"") -> None:
        """The last of the body, once."""
        ...

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write."""
        ...

    async def drained(self) -> None:
        """Waits until it has caught up, or has gone."""
        ...

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back at most once, if the client goes away before `end`."""
        ...


class Unattended:
    """An exchange of the gateway with itself: nobody reads slowly, and nobody goes away. Others say what to keep."""

    def __init__(self) -> None:
        self.status = 0
        """0: nothing has been said yet."""

    @property
    def is_congested(self) -> bool:
        """Never: everything is taken."""
        return False

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        self.status = status

    async def drained(self) -> None:
        """At once."""

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Never: who stops such work cancels it."""


@runtime_checkable
class FromAfar(Protocol):
    """An exchange with somebody outside of this process."""

    @property
    def peer(self) -> str:
        """The address at the other end of the connection; empty: it is gone."""
        ...
