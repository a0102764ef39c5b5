"""A request's body that is read while it comes: a slow reader holds its client back. Must not know what is in it."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from headgate.core.problems import ClientError, HeadgateError, Outcome, Problem, TooLarge, UpstreamError

HELD_BYTES_MAX: Final = 256 * 1024
"""How much may wait for its reader before the client is held back."""


class Bound(NamedTuple):
    """How long a body is."""

    length: int
    """As its client says, in bytes; 0: it does not."""
    most: int
    """How long it may be."""


class Upload:
    """Implements the engine's `Upload`. Belongs to one reader; its connection writes into it."""

    def __init__(self, bound: Bound, hold: Callable[[], None], go_on: Callable[[], None]) -> None:
        self._length = bound.length
        self._left = bound.most
        self.is_held = False
        """Whether the client waits for us."""
        self._hold = hold
        self._go_on = go_on
        self._parts: list[bytes] = []
        self._bytes = 0
        self._is_whole = False
        self._fault: HeadgateError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def length(self) -> int:
        """In bytes; 0: the client does not say."""
        return self._length

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises why no more will come."""
        while not self._parts:
            if self._fault is not None:
                raise self._fault
            if self._is_whole:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._bytes = 0
        if self.is_held:
            self.is_held = False
            self._go_on()
        return data

    def push(self, data: bytes) -> None:
        """More has come."""
        self._left -= len(data)
        if self._left < 0:
            self.refuse(TooLarge("The upload is over the limit (kept.upload_bytes_max).").problem)
        if self._fault is not None:
            return
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes > HELD_BYTES_MAX and not self.is_held:
            self.is_held = True
            self._hold()
        self._wake()

    def finish(self) -> None:
        """All of it has come."""
        self._is_whole = True
        self._wake()

    def refuse(self, problem: Problem) -> None:
        """No more is taken of the client, which is told why."""
        fault = ClientError(problem.message)
        fault.problem = problem
        self._fail(fault)

    def lose(self) -> None:
        """The client has gone away in the midst of it."""
        told = Problem(kind="upstream", message="the client went away", outcome=Outcome.CLIENT_GONE)
        self._fail(UpstreamError(told))

    def _fail(self, fault: HeadgateError) -> None:
        if not self._is_whole and self._fault is None:
            self._fault = fault
            self._parts.clear()
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
