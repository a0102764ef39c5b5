"""The door to upstreams: a request goes out, a flight comes back. Must not know what the bytes mean.

Every failure is an `UpstreamError` whose problem has one of the outcomes CONNECT (name, refused, unreachable, TLS,
connect timeout), SLOW (no head in time), STALL (a gap between reads), CUT (reset, short body), PROTOCOL (not HTTP,
over a limit), or the outcome that `Flight.abort` was given.
"""

import math
from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from headgate.core.problems import Outcome


class Timeouts(Struct, frozen=True, kw_only=True, gc=False):
    """How long each phase of an exchange may take, in seconds."""

    connect_s: float = 3.0
    """Name, TCP and TLS."""
    head_s: float = 120.0
    """From the last byte of the request to the head of the answer."""
    idle_s: float = 120.0
    """Between two reads of the answer's body."""
    whole_s: float = math.inf
    """From the start to the last byte; the flight then fails as SLOW."""


class UpstreamRequest(Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request, complete. `headers` without host, content-length and connection: the transport writes those."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    length: int | None = None
    """How long a body is that follows by `Flight.send`, in bytes; 0: nobody knows. None: `body` is all there is."""


class Flight(Protocol):
    """A request under way and its answer. Used by one coroutine; `abort` may come from anywhere on the loop."""

    status: int
    """Known once `head` has returned."""

    @property
    def is_sent(self) -> bool:
        """Whether the upstream has been told of it."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name, values stripped; several fields of one name joined by ", "."""
        ...

    def fields_named(self, part: str) -> list[tuple[str, str]]:
        """The fields whose names hold this text, in lower case."""
        ...

    def content_type(self) -> str:
        """The field of that name; empty when the answer has none."""
        ...

    async def send(self, data: bytes) -> bool:
        """More of a body whose request has a `length`, b"" at its end; waits while the upstream reads slower. False: it
        has answered already, and nothing more is wanted."""
        ...

    async def head(self) -> None:
        """Waits for status and headers."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the body, as much as has come; b"" at its end."""
        ...

    async def read_all(self, bytes_max: int) -> bytes:
        """The rest of the body; over the limit is an `UpstreamError` (PROTOCOL)."""
        ...

    def limit(self, left_s: float, outcome: Outcome) -> None:
        """How long it may still take, in place of what was said before; then it is aborted with this outcome."""
        ...

    def abort(self, outcome: Outcome) -> None:
        """Closes the connection now; the pending or next read raises with this outcome. Harmless when complete."""
        ...

    def close(self) -> None:
        """Done with it: an answer read to its end gives its connection back to the pool, any other closes it."""
        ...


class Transport(Protocol):
    """Sends requests to one kind of place."""

    def start(self, request: UpstreamRequest, timeouts: Timeouts) -> Flight:
        """Puts the request on its way at once if a connection is idle, else as soon as one is open."""
        ...

    async def aclose(self) -> None:
        """Closes every connection."""
        ...


class Signer(Protocol):
    """Puts a credential that must be fetched or computed on a request, just before it is sent."""

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest: ...
