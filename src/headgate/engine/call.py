"""A client request under way: what the server knows of it before the engine takes over."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from headgate.core.caching import Wish
from headgate.core.principal import Principal
from headgate.core.record import CallRecord
from headgate.core.request import Request
from headgate.dialects.base import Dialect, Envelope, Head, ReplyTo

if TYPE_CHECKING:
    from headgate.engine.admitting import Holding


class Upload(Protocol):
    """A body that is read while it comes."""

    @property
    def length(self) -> int:
        """In bytes; 0: the client does not say."""
        ...

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises a `HeadgateError` that says why no more will come."""
        ...


class Call(Struct, kw_only=True, gc=False):
    """One call. `record` grows as it goes; everything else stays as it came."""

    id: str
    dialect: Dialect
    """The one the client speaks."""
    envelope: Envelope
    body: bytes
    """Empty where it comes as `upload`."""
    principal: Principal
    record: CallRecord
    started_s: float
    """Of the monotonic clock, when the request had been read."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """The client's own header fields that may travel on (`Dialect.headers` chooses among them)."""
    query: str = ""
    """The client's query string without credentials."""
    path: str = ""
    """Of the client's URL."""
    framing: str = "sse"
    timeout_s: float | None = None
    """The client's own deadline."""
    patience_s: float | None = None
    """How long its SDK waits for the first byte."""
    cost_nano_usd_max: int | None = None
    """The most that the client lets it cost; None: it does not say."""
    holding: "Holding | None" = None
    """What is held of the caller's limits; None: it has none."""
    fields: str = ""
    """Header fields of its answer that tell of these: complete lines."""
    tags: frozenset[str] = frozenset()
    """What a target must be marked with to serve it."""
    wish: Wish | None = None
    """What its header says of answers that are kept; None: nothing."""
    priority: int | None = None
    """The class that it asks for, where calls have to wait; None: its caller's."""
    upload: Upload | None = None
    """The body, where it is read while it comes."""
    head: Head | None = None
    """What is known of its body, once somebody has looked."""
    keeper: str = ""
    """The only provider that can serve it, since that keeps what the call refers to; empty: any."""


def reply_to(call: Call, head: Head, echo: Request | None = None) -> ReplyTo:
    """Whom an answer is for. `echo`: what was asked, where the answer is told in words and may have to repeat it."""
    return ReplyTo(
        id=call.id,
        model=head.model,
        now_s=call.record.started_us // 1_000_000,
        is_stream=head.is_stream,
        wants_usage=head.wants_usage,
        version=call.envelope.version,
        echo=echo,
        framing=call.framing,
    )
