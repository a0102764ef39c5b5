"""Which header fields travel when a call passes through, either way. Must not know what the call is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", "expect", "accept-encoding", "http2-settings",
    }
)  # fmt: skip
"""Of one connection only, or for the transport to write: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1"""
_CREDENTIALS: Final = frozenset(
    {
        "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "cookie2", "x-amz-security-token",
        "x-amz-date", "x-amz-content-sha256", "openai-organization", "openai-project", "x-goog-user-project",
        "anthropic-workspace-id",
    }
)  # fmt: skip
"""Who calls, and on whose account: for the gateway to say."""
_PREFIXES: Final = ("x-headgate-", "x-forwarded-", "cf-", "sec-", "x-real-ip", "forwarded", "via")
_BACK: Final = frozenset(
    {
        "content-type", "content-disposition", "content-language", "content-range", "accept-ranges", "etag",
        "last-modified", "cache-control", "expires", "retry-after", "retry-after-ms", "x-should-retry",
        "openai-processing-ms", "openai-version", "warning",
    }
)  # fmt: skip
"""What an upstream may tell the client: nothing of its account, its hosts or its cookies."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
Fields = tuple[tuple[str, str], ...]


def outgoing(client: Mapping[bytes, bytes], own: Fields) -> Fields:
    """What goes to the upstream: the client's fields without those of its connection and its credentials, and the
    provider's own, which come before all."""
    taken = {name.lower() for name, _ in own}
    dropped = _HOP | _CREDENTIALS | taken | _nominated(client)
    return (*_kept(client.items(), dropped), *own)


def _kept(fields: Iterable[tuple[bytes, bytes]], dropped: frozenset[str] | set[str]) -> Iterator[tuple[str, str]]:
    for raw, value in fields:
        name = raw.decode("latin-1").lower()
        if name not in dropped and not name.startswith(_PREFIXES):
            yield name, value.decode("latin-1")


def _nominated(client: Mapping[bytes, bytes]) -> set[str]:
    """The fields that the client calls its connection's own."""
    told = client.get(b"connection", b"").decode("latin-1").lower()
    return {name.strip() for name in told.split(",")}


def returning(upstream: Mapping[str, str]) -> str:
    """What goes back to the client: complete lines."""
    fields = {name: upstream[name] for name in upstream if name in _BACK and _VALUE.fullmatch(upstream[name])}
    request_id = upstream.get("x-request-id") or upstream.get("request-id")
    if request_id and _VALUE.fullmatch(request_id):
        fields["x-upstream-request-id"] = request_id
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())
