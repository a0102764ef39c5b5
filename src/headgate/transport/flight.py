"""A request under way over the pool, and its answer as it comes. Must not know how connections are opened or kept.

Belongs to one coroutine, which reads; the connection writes into it from the loop's callbacks. No task, and a future
only while the reader waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headgate.core.problems import Outcome, Problem, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.faults import abort_problem, problem

if TYPE_CHECKING:
    from headgate.transport.connection import Connection
    from headgate.transport.pool import OriginPool


class PooledFlight:
    """Implements `Flight`. What is public beyond it is for the pool and its connections."""

    __slots__ = (
        "_headers",
        "_loop",
        "_origin_pool",
        "_parts",
        "_problem",
        "_waiter",
        "connection",
        "due_outcome",
        "due_s",
        "fields",
        "has_head",
        "head_bytes",
        "is_complete",
        "is_second_try",
        "is_sending",
        "on_wake",
        "opening",
        "request",
        "status",
        "timeouts",
        "unread_bytes",
    )

    def __init__(
        self, origin_pool: OriginPool, request: UpstreamRequest, head_bytes: bytes, timeouts: Timeouts
    ) -> None:
        self._origin_pool = origin_pool
        self._loop = origin_pool.loop
        self._parts: list[bytes] = []
        self._problem: Problem | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.on_wake: Callable[[PooledFlight], None] | None = None
        """Whom to tell, with itself, that it has changed, while no coroutine reads it."""
        self.connection: Connection | None = None
        self.due_s = self._loop.time() + timeouts.whole_s
        """When it is aborted with `due_outcome`, by the loop's clock."""
        self.due_outcome = Outcome.SLOW
        self.has_head = False
        self.head_bytes = head_bytes
        self.fields: list[tuple[bytes, bytes]] = []
        """The header fields as they came."""
        self._headers: Mapping[str, str] | None = None
        self.is_complete = False
        self.is_sending = request.length is not None
        """Whether more of the request is to come."""
        self.is_second_try = self.is_sending
        """Whether it gets a fresh connection, and is not sent again: what was sent of a stream is gone."""
        self.opening: asyncio.Timeout | None = None
        self.request = request
        self.status = 0
        self.timeouts = timeouts
        self.unread_bytes = 0

    @property
    def is_sent(self) -> bool:
        """Whether the upstream has been told of it."""
        return self.connection is not None or self.has_head

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name, values stripped; several fields of one name joined by ", ". Made when asked for: most
        answers have many and nobody looks at them."""
        if self._headers is None:
            self._headers = joined(self.fields)
        return self._headers

    def fields_named(self, part: str) -> list[tuple[str, str]]:
        """Those fields alone, without making all of them."""
        wanted = part.encode()
        return [
            (name.decode("latin-1").lower(), value.decode("latin-1").rstrip())
            for name, value in self.fields
            if wanted in name.lower()
        ]

    def content_type(self) -> str:
        """The one field that every answer is asked for; empty when it has none."""
        for name, value in self.fields:
            if len(name) == 12 and name.lower() == b"content-type":
                return value.decode("latin-1").rstrip()
        return ""

    async def send(self, data: bytes) -> bool:
        """More of the request's body; b"" ends it. False: the answer is there, and the rest is not wanted."""
        while self.connection is None and not self.has_head:
            self.check()
            await self._origin_pool.board(self)
        self.check()
        connection = self.connection
        if connection is None or self.has_head:
            return False
        self.is_sending = bool(data)
        if self.request.length == 0:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        connection.send_more(data)
        while connection.is_full and self.connection is connection and not self.has_head:
            self._waiter = self._loop.create_future()
            await self._waiter
            self.check()
        return not self.has_head

    async def head(self) -> None:
        """Waits for status and headers; without a connection, first opens one or waits for one."""
        while not self.has_head:
            self.check()
            if self.connection is None:
                await self._origin_pool.board(self)
            else:
                self._waiter = self._loop.create_future()
                await self._waiter

    async def read(self) -> bytes:
        """The next bytes of the body, as much as has come; b"" at its end."""
        while True:
            if self._parts:
                return self._take()
            self.check()
            if self.is_complete:
                return b""
            if not self.has_head:
                await self.head()
                continue
            self._waiter = self._loop.create_future()
            await self._waiter

    async def read_all(self, bytes_max: int) -> bytes:
        """The rest of the body; over `bytes_max` the connection is closed and `UpstreamError` (PROTOCOL) raised."""
        if self.is_complete and self.unread_bytes <= bytes_max:  # all of it came at once
            return self._take()
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            size += len(piece)
            if size > bytes_max:
                words = f"the answer of {self._origin_pool.origin} is over the limit of {bytes_max} bytes"
                fault = problem(Outcome.PROTOCOL, words)
                self.give_up(fault)
                raise UpstreamError(fault)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def limit(self, left_s: float, outcome: Outcome) -> None:
        """How long it may still take, in place of what was said before; then it is aborted with `outcome`."""
        self.due_s, self.due_outcome = self._loop.time() + left_s, outcome
        if self.connection is not None:
            self.connection.look_again()

    def abort(self, outcome: Outcome) -> None:
        """Closes the connection now; the pending or next read raises with `outcome`. No effect on a whole answer."""
        if not self.is_complete and not self.is_ended:
            self.give_up(abort_problem(outcome, str(self._origin_pool.origin)))

    def close(self) -> None:
        """Done with it: an answer that has not come whole closes its connection."""
        if not self.is_complete and not self.is_ended:
            self.give_up(abort_problem(Outcome.LOCAL, str(self._origin_pool.origin)))

    @property
    def is_ended(self) -> bool:
        """Whether it has failed or was given up."""
        return self._problem is not None

    def check(self) -> None:
        """Raises what has gone wrong, if anything has."""
        if self._problem is not None:
            raise UpstreamError(self._problem)

    def push(self, parts: list[bytes], size: int) -> None:
        """More of the body, in order; the reader is woken by the `wake` that follows."""
        self._parts += parts
        self.unread_bytes += size

    def complete(self) -> None:
        """The whole answer is here and the connection free for another."""
        self.is_complete = True
        self.connection = None

    def fail(self, fault: Problem) -> None:
        """No more will come: the reader gets what is here, then the problem."""
        self.connection = None
        if self._problem is None:
            self._problem = fault
        self.wake()

    def give_up(self, fault: Problem) -> None:
        """Ends it by our own will: nothing that has come is of use any more."""
        connection = self.connection
        self._parts.clear()
        self.fail(fault)
        if connection is not None:
            connection.drop()
        if self.opening is not None and not self.opening.expired():
            self.opening.reschedule(self._loop.time())

    @property
    def is_held_up(self) -> bool:
        """Whether no more comes by itself: it has failed, lost its connection, or has to be read from first."""
        connection = self.connection
        return connection is None or connection.is_paused

    def whole(self) -> bytes:
        """The body of a complete answer, which stays there to be read."""
        parts = self._parts
        if len(parts) != 1:
            parts[:] = [b"".join(parts)]
        return parts[0]

    def wake(self) -> None:
        """Lets the reader look again."""
        if self.on_wake is not None:
            self.on_wake(self)
            return
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _take(self) -> bytes:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.unread_bytes = 0
        if self.connection is not None and self.connection.is_paused:
            self.connection.resume()
        return data


def joined(fields: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Header fields by lower-case name."""
    headers: dict[str, str] = {}
    for name, value in fields:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1").rstrip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
