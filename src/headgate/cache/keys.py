"""Under which key an answer is kept: an HMAC over everything that can change it. Pure.

Only members that no provider reads to answer are left out, by surface, and by name: whatever is not known is part of
the key. Where an answer repeats a member, as the Responses API does with most of them, it is part of the key as well.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, cast

import msgspec
from msgspec import Struct

from headgate.core.caching import Caching, Scope
from headgate.core.principal import Principal

FORM: Final = 1
"""Of keys and entries: counted up when one of them changes its meaning."""
_TRACING: Final = frozenset({"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user"})
_HOW: Final = frozenset({"stream", "stream_options"})
_SILENT: Final[Mapping[str, frozenset[str]]] = {
    "openai_chat": _HOW | _TRACING,
    "openai_responses": _HOW,
    "anthropic": frozenset({"stream", "metadata"}),
    "cohere": frozenset({"stream"}),
    "ollama": frozenset({"stream", "keep_alive"}),
}
"""By surface: members that do not change the answer, nor stand in it."""
_INNER: Final = ("generationConfig", "generation_config", "options")
"""Where knobs stand, if not at the top."""
_NONE: Final[frozenset[str]] = frozenset()
_REMOTE: Final = re.compile(
    rb'"(?:url|image_url|file_url|audio_url|video_url|uri|file_uri|fileUri|document_url)":"(?!data:)[A-Za-z][\w+.-]*:'
)
"""In JSON without spaces: a part that stands elsewhere, and may be another one there tomorrow."""
_OBJECT: Final = msgspec.json.Decoder(dict[str, object]).decode
_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode
_PREFIX: Final = b"headgate answer\0"
Digest = Callable[[bytes], bytes]
"""An HMAC with the installation's secret."""


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """What of a call counts besides its body."""

    surface: str
    operation: str
    model: str
    """As asked for."""
    deployments: Sequence[str]
    """Who may answer it."""
    scope: str
    namespace: str = ""
    version: str = ""
    """Of the terms that it is answered under."""
    betas: Sequence[str] = ()
    headers: Mapping[str, str] = {}
    query: str = ""


class Request(Struct, frozen=True, gc=False):
    """A body, understood as far as this takes."""

    members: Mapping[str, object]
    canonical: bytes
    """The same for every spelling of it."""


def read(surface: str, body: bytes) -> Request:
    """A valid JSON object."""
    members = _OBJECT(body)
    silent = _SILENT.get(surface, _NONE)
    counted = {name: value for name, value in members.items() if name not in silent}
    return Request(members, _ENCODE(counted))


def key_of(digest: Digest, asked: Asked, request: Request) -> bytes:
    """32 bytes."""
    about = (
        FORM,
        asked.scope,
        asked.namespace,
        asked.version,
        asked.surface,
        asked.operation,
        asked.model,
        sorted(asked.deployments),
        asked.betas,
        asked.headers,
        asked.query,
    )
    return digest(b"%b%b\0%b" % (_PREFIX, _ENCODE(about), request.canonical))


def scope_of(scope: Scope, principal: Principal, user: str) -> str:
    """Whose answers a caller gets; empty: it is not known whose."""
    match scope:
        case "user":
            return f"user:{principal.key_id}/{blake2b(user.encode(), digest_size=16).hexdigest()}" if user else ""
        case "key":
            return f"key:{principal.key_id}"
        case "team":
            return principal.owner
        case "organisation":
            return f"organisation:{principal.organisation}" if principal.organisation else principal.owner


def user_of(members: Mapping[str, object]) -> str:
    """The end user that a body names; empty: none."""
    for name in ("user", "safety_identifier"):
        value = members.get(name)
        if isinstance(value, str) and value:
            return value
    metadata = members.get("metadata")
    found = cast("dict[str, object]", metadata).get("user_id") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def why_not(caching: Caching, request: Request) -> str:
    """Why the answer to a request is neither kept nor taken from what is; empty: it may be."""
    if request.members.get("store") is True:
        return "kept by its provider"
    if caching.temperature_max is not None and _temperature(request.members) > caching.temperature_max:
        return "temperature"
    if _REMOTE.search(request.canonical):
        return "content behind a URL"
    return ""


def _temperature(members: Mapping[str, object]) -> float:
    value = members.get("temperature")
    for name in _INNER if value is None else ():
        inner = members.get(name)
        if isinstance(inner, dict):
            value = cast("dict[str, object]", inner).get("temperature", value)
    return float(value) if isinstance(value, int | float) else 0.0
