"""Embeddings as JSON: vectors as numbers or base64, and the members around them. Must not know any particular wire.

Base64 holds 32-bit floats, the lowest byte first: https://platform.openai.com/docs/api-reference/embeddings (2026-11).
"""

import base64
import struct
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.embedding import EmbedRequest, Other, Tokens, Vector, Words
from headgate.core.problems import Unrenderable
from headgate.core.request import Extras
from headgate.dialects.base import Malformed
from headgate.dialects.members import object_of

_NUMBERS: Final = msgspec.json.Decoder(tuple[float, ...])
_TEXT: Final = msgspec.json.Decoder(str)
_EMPTIES: Final = frozenset({b"null", b"[]", b'""', b"{}"})


def answer_members(body: bytes, needed: Iterable[str]) -> Extras:
    """The members of an answer, or the complaint that it is none."""
    try:
        members = object_of(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = {}
    if not members.keys() & set(needed):
        seen = body[:80].decode("utf-8", "replace").strip() or "an empty body"
        raise Malformed(f"the provider's answer has no {' or '.join(needed)}: {seen!r}")
    return members


def vector_of(raw: Raw) -> Vector:
    """A vector, as numbers or base64."""
    try:
        if bytes(raw)[:1] != b'"':
            return _NUMBERS.decode(raw)
        data = base64.b64decode(_TEXT.decode(raw), validate=True)
        return struct.unpack(f"<{len(data) // 4}f", data)
    except (msgspec.DecodeError, ValueError, struct.error):
        raise Malformed(f"the provider's answer has a vector that is none: {bytes(raw)[:60]!r}") from None


def base64_of(vector: Vector) -> str:
    """A vector as base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def texts_of(request: EmbedRequest, title: str) -> list[str]:
    """The inputs where only words can be embedded."""
    return [text_of(entry, title) for entry in request.inputs]


def text_of(entry: Words | Tokens | Other, title: str) -> str:
    """An input where only words can be embedded."""
    match entry:
        case Words(text=text):
            return text
        case Tokens():
            raise Unrenderable(f"{title} takes texts to embed, not the tokens of another model", param="input")
        case other:
            raise Unrenderable(f"{title} takes texts to embed, not {other.name!r}", param="input")


def leave(extras: Extras, dropped: set[str], where: str = "") -> None:
    """Reports leftovers of another dialect."""
    dropped.update(where + name for name, raw in extras.items() if bytes(raw) not in _EMPTIES)
