"""What a dialect is: a table of verbs over one wire format. Must not know any particular dialect.

All verbs are pure. Client faults raise `InvalidRequest` (with `param`, the JSON path of the field) or `Unrenderable`;
an upstream's malformed answer raises `Malformed`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from msgspec import Struct, field

from headgate.core.events import Event
from headgate.core.needs import NO_NEEDS, Needs
from headgate.core.problems import HeadgateError, Outcome, Problem, ProblemKind
from headgate.core.request import Request
from headgate.core.signatures import SEAL
from headgate.core.usage import Usage

if TYPE_CHECKING:
    from headgate.dialects.side import SideOperation

Headers = Mapping[str, str]
"""HTTP header fields by lower-case name."""


class Malformed(HeadgateError):
    """The upstream's bytes are not of the dialect it should speak."""

    kind: ProblemKind = "upstream"
    outcome = Outcome.PROTOCOL


class Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """What a call says outside its body: the model and verb of the path (Gemini), the API version header."""

    model: str = ""
    """The model named in the path; empty: the body names it."""
    is_stream: bool | None = None
    """Whether the path asked for a stream; None: the body says it."""
    version: str = ""
    betas: tuple[str, ...] = ()
    """Previews that a header field opts in to."""


class Head(Struct, frozen=True, kw_only=True, gc=False):
    """What must be known of a request that passes verbatim: read from a fully validated, but not converted, body."""

    model: str
    is_stream: bool
    wants_usage: bool = True
    """False: the stream must not show usage (OpenAI chat, when the client did not ask for it)."""
    max_tokens: int | None = None
    needs: Needs = NO_NEEDS
    """What a model must be able to do to answer it."""
    home: str = ""
    """The member that asks for what only a service of this dialect can grant; empty: none does."""
    has_wishes: bool = False
    """Whether it may say where it wants to run (`dialects/wishes.py`)."""
    refers: tuple[str, ...] = ()
    """Ids of what some upstream keeps, which the request names (`dialects/kept.py`)."""
    is_kept: bool = False
    """Whether the upstream will keep the answer under its id."""


class Target(Struct, frozen=True, kw_only=True, gc=False):
    """Where a request is going: what the rendering depends on beyond the request itself."""

    model: str
    """The upstream's own name of the model."""
    version: str = ""
    """The upstream's API version, where the dialect has several."""
    quirks: tuple[str, ...] = ()
    """Names of entries of the dialect's `quirks` table."""
    is_stream: bool = False
    max_tokens_default: int = 4096
    """Sent where a dialect requires a limit and the caller gave none."""


class ReplyTo(Struct, frozen=True, kw_only=True, gc=False):
    """Who is being answered: what the rendering of an answer depends on beyond its events."""

    id: str
    """Our id of the call: used where the upstream gave none."""
    model: str
    """The model as the caller named it: used where the upstream told none."""
    now_s: int = 0
    """Unix seconds: used where the upstream gave no time."""
    is_stream: bool = False
    wants_usage: bool = True
    version: str = ""
    echo: Request | None = None
    """The request, for dialects whose answers repeat parts of it (OpenAI responses)."""
    framing: str = "sse"
    """`sse`, or `array` for a Gemini stream without `alt=sse`."""


class StreamParser(Protocol):
    """Bytes of a streamed answer in, events out; a cut anywhere changes nothing."""

    @property
    def usage(self) -> Usage | None:
        """The latest usage seen, for answers that end early. May be an attribute."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        ...

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes: `Finished` if the answer had said why it stopped,
        `Failed` (outcome CUT) if it had not, nothing if the last event was already given."""
        ...


class StreamRenderer(Protocol):
    """Events in, bytes of a streamed answer out."""

    dropped: set[str]
    """What could not be said in this dialect."""

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`; after `Finished` with the dialect's terminator, after `Failed` without it."""
        ...


class Counting(Struct, frozen=True, kw_only=True):
    """A dialect's own token counting endpoint, where it has one."""

    address: Callable[[Target], str]
    parse_request: Callable[[bytes, Envelope], Request]
    render_request: Callable[[Request, Target, set[str]], bytes]
    parse_response: Callable[[bytes], int]
    render_response: Callable[[int], bytes]
    absent: frozenset[int] = frozenset()
    """Statuses by which a service says that it has no such endpoint, where not all that speak the dialect do."""


Question = TypeVar("Question")
Reply = TypeVar("Reply")


class Operation(Struct, Generic[Question, Reply], frozen=True, kw_only=True):
    """Another operation of a dialect beside talking, told in words: its halves. It is never streamed, and its errors
    are the dialect's."""

    address: Callable[[Question, Target], str]
    """The path below the provider's base URL, which may depend on what is asked."""
    parse_request: Callable[[bytes, Envelope], Question]
    render_request: Callable[[Question, Target, set[str]], bytes]
    """Adds to the set the names of what cannot be said; raises `Unrenderable` for an input it cannot take."""
    parse_response: Callable[[bytes], Reply]
    render_response: Callable[[Reply, Question, set[str]], bytes]
    """The answer as the asker of the question reads it."""


class PromptMark(Struct, frozen=True, kw_only=True, gc=False):
    """What a provider's cache of prompts is told, where its caller has said nothing of it."""

    ttl: str
    """`5m` or `1h`."""
    key: str
    """The same for all calls whose prompts begin alike; empty: there is none."""


class Dialect(Struct, frozen=True, kw_only=True):
    """One wire format, spoken on either side. Register it in `dialects/registry.py`."""

    name: str
    # the request
    peek: Callable[[bytes, Envelope], Head]
    """Validates the body as far as `parse_request` does, at a fraction of the cost."""
    patch: Callable[[bytes, Target], bytes]
    """The same body with the model (and what metering needs) replaced: every other member byte for byte."""
    parse_request: Callable[[bytes, Envelope], Request]
    render_request: Callable[[Request, Target, set[str]], bytes]
    """Adds to the set the names of what the target's dialect cannot say; raises `Unrenderable` for a feature."""
    address: Callable[[Target], str]
    """The path (and query) below the provider's base URL."""
    headers: Callable[[Target, Headers], Sequence[tuple[str, str]]]
    """Header fields of the format itself (API version, betas), given the client's own, which are of the same
    dialect in the verbatim lane and empty otherwise. Content type and credentials are not its affair."""
    # the answer
    parse_response: Callable[[bytes], list[Event]]
    tap: Callable[[bytes], Event] | None = None
    """The last event of a whole answer without the others, where that is cheaper than `parse_response`: for the
    verbatim lane, which only needs to know how it ended. `Usage.extras` may be empty."""
    render_response: Callable[[Iterable[Event], ReplyTo, set[str]], bytes]
    stream_parser: Callable[[], StreamParser]
    stream_renderer: Callable[[ReplyTo], StreamRenderer]
    stream_type: str = "text/event-stream; charset=utf-8"
    event_ends: tuple[bytes, ...] = (b"\n\n", b"\n\r\n")
    """What an event of a stream may end with: between two, another can be put."""
    # what went wrong
    parse_error: Callable[[int, Headers, bytes], Problem]
    render_error: Callable[[Problem], tuple[int, bytes]]
    # the rest
    ping: bytes = b": keep-alive\n\n"
    """What keeps a silent stream alive and means nothing."""
    usage_filter: Callable[[], "UsageFilter"] | None = None
    """Withholds the usage that was asked for upstream on our own account; None: the dialect always tells usage."""
    counting: Counting | None = None
    mark_prompt: Callable[[bytes, PromptMark], bytes] | None = None
    """A request's body with what the provider's cache of prompts wants to be told; None: there is nothing to tell."""
    seals: tuple[bytes, ...] = (SEAL,)
    """How the JSON of another service's proof may begin in a client's request."""
    sides: Mapping[str, "SideOperation"] = field(default_factory=dict[str, "SideOperation"])
    """What it offers beside talking, by the operation's name."""
    quirks: Mapping[str, "Quirk"] = field(default_factory=dict[str, "Quirk"])


class UsageFilter(Protocol):
    """Passes a verbatim stream on but for the one event that only tells usage."""

    def feed(self, data: bytes) -> bytes:
        """What may be forwarded now."""
        ...

    def close(self) -> bytes:
        """What was held back at the end of the bytes."""
        ...


class Quirk(Struct, frozen=True, kw_only=True):
    """A named deviation of a service from the dialect it speaks; `source` is the provider's page and the date."""

    source: str
    apply: Callable[[dict[str, object]], dict[str, object]]
    """Changes the top level of the wire request (values are msgspec.Raw or plain). Pure."""
