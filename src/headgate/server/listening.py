"""What a connection needs of whoever serves its requests, and what its client may take of it. Does no I/O."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from headgate.server.incoming import Incoming, Reply

if TYPE_CHECKING:
    from headgate.server.answering import Http1Exchange

Greeting = Reply | Coroutine[Any, Any, Reply | None] | None
"""What a listener says to the head of a request: no, come in (None), or wait and then one of the two."""
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Listener(Protocol):
    """Serves requests."""

    def greet(self, incoming: Incoming) -> Greeting:
        """Looks at the head before any of the body is kept; sets `body_bytes_max`."""
        ...

    def too_large(self, incoming: Incoming) -> Reply:
        """What to say to a body over `body_bytes_max`."""
        ...

    def begin(self, incoming: Incoming, exchange: "Http1Exchange", spawn: Spawn) -> bool:
        """Begins a complete request whose answer comes by itself. False: it has to be served."""
        ...

    async def serve(self, incoming: Incoming, exchange: "Http1Exchange") -> None:
        """Answers a complete request."""
        ...


class Tenant(Protocol):
    """What a client's socket can be given to: the protocol that it goes on in."""

    on_gone: Callable[[Any], None] | None
    """Whom it tells, with itself, when its socket is closed."""

    def connection_made(self, transport: asyncio.BaseTransport, /) -> None: ...

    def data_received(self, data: bytes, /) -> None: ...

    def close_when_idle(self) -> None:
        """Closes now, or as soon as what is under way is over."""
        ...

    def abort(self) -> None:
        """Closes now, whatever is under way."""
        ...


class Bounds(Struct, frozen=True, kw_only=True):
    """What a client may take of a connection."""

    head_bytes_max: int = 32 * 1024
    """Of a request line with its header fields; a longer one is answered with 431."""
    head_fields_max: int = 100
    request_s_max: float = 10.0
    """How long a head may take, and how often a body that comes slowly is looked at."""
    body_bytes_per_look_min: int = 10 * 1024
    """How much of a body must have come between two looks: 1 KiB/s."""
    unread_s_max: float = 300.0
    """How long a client may leave unread what was sent to it."""
    idle_s_max: float = 75.0
    """How long a connection without a request is kept: longer than common load balancers keep theirs."""
    linger_s_max: float = 2.0
    """How long the rest of a refused request is read and forgotten, so that the refusal is not lost in a reset."""
