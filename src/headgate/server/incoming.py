"""A request as a listener gets it, whatever carried it. Must not know what is served."""

import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

from headgate.core.caching import Wish
from headgate.core.principal import Principal
from headgate.dialects.base import Envelope
from headgate.engine.call import Call
from headgate.server.paths import Endpoint
from headgate.server.uploading import Upload

NOWHERE = Endpoint("hello")
NOBODY = Principal(key_id="", name="")
Headers = Mapping[bytes, bytes]
"""By lower-case name; of several fields of one name the last."""


class Reply(Struct, frozen=True):
    """A whole answer that needs no call."""

    status: int
    body: bytes
    fields: bytes = b""
    """Further header fields: complete lines."""

    @property
    def head(self) -> bytes:
        """All header fields."""
        return b"content-type: application/json\r\ncontent-length: %d\r\n%b" % (len(self.body), self.fields)


class RequestHead:
    """How a request begins. One value may stand for many requests: what a listener finds out about it stays here."""

    __slots__ = ("headers", "manner", "meaning", "method", "path", "query", "raw_path")

    def __init__(self, method: str, path: str, query: bytes, headers: Headers) -> None:
        self.method = method
        self.path = path
        """Percent-decoded."""
        self.raw_path = ""
        """As it stood on the wire; empty: nobody knows, and it is the same."""
        self.query = query
        self.headers = headers
        """Without `content-length`: see `Incoming.declared_bytes`."""
        self.meaning: Meaning | None = None
        self.manner: Manner | None = None


class Meaning(Struct, frozen=True, gc=False):
    """Where to, and by whom as they say."""

    endpoint: Endpoint
    presented: bytes
    """The key."""


class Manner(Struct, frozen=True, kw_only=True, gc=False):
    """What a head says of the call beyond the endpoint."""

    envelope: Envelope
    user: str
    session: str
    headers: Mapping[str, str]
    """Those that may travel on."""
    query: str
    """Without the credential."""
    framing: str
    timeout_s: float | None
    patience_s: float | None
    """How long the caller's client waits for the first byte, as it says."""
    cost_nano_usd_max: int | None
    tags: frozenset[str] = frozenset()
    """What a target must be marked with to serve it."""
    spend_tags: tuple[str, ...] = ()
    """What it is marked with, for limits and budgets."""
    wish: Wish | None = None
    """About answers that are kept; None: it says nothing."""
    priority: int | None = None
    """The class that it asks for; None: its caller's."""


class Incoming:
    """One request. Its head is complete from the start; `body` once it is served."""

    __slots__ = (
        "body",
        "body_bytes_max",
        "call",
        "declared_bytes",
        "endpoint",
        "head",
        "is_streamed",
        "principal",
        "started_s",
        "upload",
    )

    def __init__(self, head: RequestHead, declared_bytes: int = 0) -> None:
        self.head = head
        self.declared_bytes = declared_bytes
        """How long a body the client announced; 0: it did not say."""
        self.body: bytes = b""
        self.body_bytes_max = 0
        """How long a body the listener takes of this caller."""
        self.is_streamed = False
        """Whether the listener would read the body while it comes, as `upload`; it may come as `body` all the same."""
        self.upload: Upload | None = None
        self.call: Call | None = None
        """What it comes to, where somebody has looked already."""
        self.endpoint = NOWHERE
        self.principal = NOBODY
        """Where to and from whom: set by a listener that wants to know."""
        self.started_s = time.monotonic()

    @property
    def method(self) -> str:
        return self.head.method

    @property
    def path(self) -> str:
        return self.head.path

    @property
    def raw_path(self) -> str:
        return self.head.raw_path

    @property
    def query(self) -> bytes:
        return self.head.query

    @property
    def headers(self) -> Headers:
        return self.head.headers


def render_fields(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Header fields as they stand on the wire."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])
