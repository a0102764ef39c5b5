"""Where a call that passes through may go: below a provider's own base URL, and nowhere else. Pure.

A client chooses no host and cannot climb out of the base: what could be read in two ways by two servers is refused, and
the rest is written anew.
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from headgate.core.problems import InvalidRequest
from headgate.providers.catalog import Door

_RAW: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*")
_QUERY: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/?\[\]|]*")
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE: Final = "!$&'()*+,;=:@-._~"
_OURS: Final = frozenset({"key", "provider"})
"""Query parameters that are for the gateway: the client's own credential, and where to go."""


def passed_path(raw: str) -> str:
    """The path below a provider's base, from the rest of a request's path as it stood on the wire: it begins with a
    slash, and every segment is escaped. Raises `InvalidRequest` for one that could lead anywhere else."""
    if _RAW.fullmatch(raw) is None or _BROKEN.search(raw):
        raise _refused("it has characters that must be percent-encoded")
    segments = raw.removeprefix("/").split("/")
    if segments[-1] == "" and len(segments) > 1:
        segments.pop()
    return "".join(f"/{_segment(each)}" for each in segments)


def _segment(raw: str) -> str:
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise _refused("an escape in it is not UTF-8") from None
    if not text:
        raise _refused("a segment of it is empty")
    if text.partition(";")[0].strip() in {".", ".."}:
        raise _refused("dot segments are not followed")
    if "/" in text or "\\" in text:
        raise _refused("a slash or backslash in it is escaped")
    if "%" in text:
        raise _refused("it is escaped twice")
    if text.startswith("@") or not text.isprintable():
        raise _refused("a segment of it is no name")
    return quote(text, safe=_SAFE)


def passed_query(raw: str, door: Door) -> str:
    """The client's query string without what is for the gateway or what the provider's own address says already."""
    if _QUERY.fullmatch(raw) is None or _BROKEN.search(raw):
        raise InvalidRequest("The query string has characters that must be percent-encoded.")
    own = {member.partition("=")[0] for member in door.query.split("&")} | _OURS
    return "&".join(member for member in raw.split("&") if member and _name(member) not in own)


def _name(member: str) -> str:
    return unquote_to_bytes(member.partition("=")[0]).decode("utf-8", "replace").lower()


def passed_url(door: Door, path: str, query: str) -> str:
    """The full URL of what `passed_path` and `passed_query` gave."""
    return door.url(f"{path}?{query}" if query else path)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"This path cannot be passed through: {why}. Send a plain path below the provider's base URL."
    )
