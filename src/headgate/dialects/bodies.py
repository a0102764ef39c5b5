"""A request's body at its top level: each member once, each character whole. Must not know what any member means."""

import json
import re
from typing import Final, cast

import msgspec
from msgspec import Raw

from headgate.core.problems import InvalidRequest

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


def top_level(body: bytes) -> dict[str, Raw]:
    """The members of a JSON object. Raises `InvalidRequest` for a member that stands twice: some readers take the
    first and some the last, so what was meant, and what would be billed, is anybody's guess."""
    members = _OBJECT.decode(body)
    # Three looks, each dearer than the one before. Written compactly, or as Python does it, the members account for
    # every byte of the body.
    size, count = sum(map(len, members)) + sum(map(len, members.values())), len(members)
    if len(body) not in (size + 4 * count + 1, size + 6 * count) and _may_repeat(body, members):
        repeated = _repeated(body)
        if repeated:
            raise InvalidRequest(f"{repeated!r} stands twice in the body; send it once", param=repeated)
    return members


def _may_repeat(body: bytes, members: dict[str, Raw]) -> bool:
    """Whether the name of a member occurs more than once, whatever it is there, or may be written in other ways."""
    return b"\\u" in body or any(body.count(b'"%b"' % name.encode()) > 1 for name in members)


def _repeated(body: bytes) -> str:
    pairs = cast("list[tuple[str, object]]", json.loads(body, object_pairs_hook=list, parse_int=str))
    names = [name for name, _ in pairs]
    return next((name for name in names if names.count(name) > 1), "")


def half_character(body: bytes) -> InvalidRequest | None:
    """The complaint about an escape that is half of a character, which no decoder reads: what is left of an emoji
    where a text was cut by its UTF-16 units."""
    half = next((found for found in _ESCAPE.finditer(body) if found[1]), None)
    if half is None:
        return None
    seen = half[1].decode("ascii", "replace")
    return InvalidRequest(
        f"the body holds half of a character, {seen} at byte {half.start()}; cut texts between characters, not within"
    )
