"""Where a URL leads, and the head of a request that goes there. Pure: must not know sockets."""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

_PORT_OF_SCHEME: Final = {"http": 80, "https": 443}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(r"/[\x21-\x7e]*")
_LABEL: Final = r"[0-9A-Za-z_](?:[0-9A-Za-z_\-]{0,62})"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
_OURS: Final = frozenset(
    {"host", "content-length", "connection", "transfer-encoding", "accept-encoding", "upgrade", "te", "expect"}
)
_VETTED_MAX: Final = 512
_OWN_LINES: Final = 3
"""Of `Place.line`."""
Fields = tuple[tuple[str, str], ...]


class Origin(Struct, frozen=True):
    """Scheme, host and port: what a connection is open to."""

    scheme: str
    host: str
    port: int

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """As the `host` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORT_OF_SCHEME[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Place(Struct, frozen=True):
    """What a URL names: the origin, and the path and query there."""

    origin: Origin
    target: str
    line: str
    """What follows the method: target, version, host and what we accept; one string, since every call sends it."""


def parse_place(url: str) -> Place:
    """Reads a URL; `ValueError` when it is not one that we can send to. The message does not repeat it."""
    parts = urlsplit(url)
    if parts.scheme not in _PORT_OF_SCHEME:
        raise ValueError(f"an upstream's URL starts with http:// or https://, not {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an upstream's URL must not hold a user name or password: send a header")
    host = _ascii_host(parts.hostname or "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _TARGET.fullmatch(target) is None:
        raise ValueError(f"the path of a URL at {host} has characters that must be percent-encoded")
    origin = Origin(parts.scheme, host, parts.port or _PORT_OF_SCHEME[parts.scheme])
    return Place(origin, target, f" {target} HTTP/1.1\r\nhost: {origin.authority}\r\naccept-encoding: identity\r\n")


def _ascii_host(host: str) -> str:
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if _HOST.fullmatch(ascii_host) is None:
        raise ValueError(f"an upstream's URL has no host that can be asked for: {host!r}")
    return ascii_host


class HeadWriter:
    """Renders request heads; remembers the names of headers it has found fit, so each is looked at once."""

    def __init__(self) -> None:
        self._vetted: set[str] = set()

    def render(self, method: str, place: Place, headers: Fields) -> bytes:
        """The head but for the body's length and the blank line. `ValueError` for what would forge one: line breaks,
        names that are ours to write."""
        if method not in _METHODS:
            raise ValueError(f"no method of HTTP that we send: {method!r}")
        lines = [method, place.line]
        for name, value in headers:
            if name not in self._vetted:
                self._vet(name)
            lines.append(f"{name}: {value}\r\n")
        try:
            head = "".join(lines).encode("latin-1")
        except UnicodeEncodeError:
            raise _forged(headers) from None
        breaks = len(headers) + _OWN_LINES  # counting is cheaper than a look at each value
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            raise _forged(headers)
        return head

    def _vet(self, name: str) -> None:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"not a header's name: {name!r}")
        if name.lower() in _OURS:
            raise ValueError(f"the transport itself writes the header {name!r}")
        if len(self._vetted) < _VETTED_MAX:
            self._vetted.add(name)


def head_of(beginning: bytes, method: str, body: bytes, length: int | None = None) -> bytes:
    """A complete head. `length`: of a body that is sent later, 0 where nobody knows it."""
    if length is not None:
        framing = b"content-length: %d" % length if length else b"transfer-encoding: chunked"
        return b"%b%b\r\n\r\n" % (beginning, framing)
    if body or method in _METHODS_WITH_BODY:
        return b"%bcontent-length: %d\r\n\r\n" % (beginning, len(body))
    return beginning + b"\r\n"


def _forged(headers: Fields) -> ValueError:
    """Names the header, never its value: that may be a credential."""
    for name, value in headers:
        if not value.isascii() and any(ord(character) > 255 for character in value):
            return ValueError(f"the value of header {name!r} has characters that a header cannot carry")
        if any(character in value for character in "\r\n\0"):
            return ValueError(f"the value of header {name!r} has a line break or a NUL in it")
    return ValueError("the request's head has a line break in it")
