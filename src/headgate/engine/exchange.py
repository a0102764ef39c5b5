"""The client's side of a call, whatever carries it: four verbs. What is under it can change without the engine."""

from collections.abc import Callable, Sequence
from typing import Protocol

Header = tuple[bytes, bytes]


class Exchange(Protocol):
    """One answer on its way to one client."""

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Status and headers, once."""
        ...

    async def write(self, data: bytes) -> None:
        """More of the body; waits while the client reads slower than we write."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """The last of the body, once."""
        ...

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back at most once, if the client goes away before `end`."""
        ...
