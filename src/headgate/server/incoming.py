"""A request as a listener gets it, whatever carried it. Must not know what is served."""

import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

from headgate.core.principal import Principal
from headgate.server.paths import Endpoint

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


class Incoming:
    """One request. Its head is complete from the start; `body` once it is served."""

    __slots__ = (
        "body",
        "body_bytes_max",
        "endpoint",
        "headers",
        "method",
        "path",
        "principal",
        "query",
        "raw_path",
        "started_s",
    )

    def __init__(self, method: str, path: str, query: bytes, headers: Headers) -> None:
        self.method = method
        self.path = path
        """Percent-decoded."""
        self.raw_path = ""
        """As it stood on the wire; empty: nobody knows, and it is the same."""
        self.query = query
        self.headers = headers
        self.body: bytes = b""
        self.body_bytes_max = 0
        """How long a body the listener takes of this caller."""
        self.endpoint = NOWHERE
        self.principal = NOBODY
        """Where to and from whom: set by a listener that wants to know."""
        self.started_s = time.monotonic()


def render_fields(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Header fields as they stand on the wire."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])
