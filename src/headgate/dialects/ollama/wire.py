"""What every file of this dialect needs of the wire: its name, JSON in and out, reasons, pictures, points in time.

https://docs.ollama.com/api/chat (2026-11).
"""

import re
from datetime import UTC, datetime
from typing import Final

from msgspec import Raw
from msgspec.json import Decoder, Encoder

from headgate.core.events import StopReason

NAME: Final = "ollama"

NULL: Final = Raw(b"null")
EMPTIES: Final = frozenset({b"null", b"[]", b'""', b"{}"})

ENCODE: Final = Encoder().encode
OBJECT: Final = Decoder(dict[str, Raw])
TEXT: Final = Decoder(str)

REASONS: Final[dict[str, StopReason]] = {
    "stop": "stop",
    "length": "length",
    "load": "stop",  # the model was loaded, or unloaded, and nothing was asked of it
    "unload": "stop",
}
WORDS: Final[dict[StopReason, str]] = {"length": "length"}
"""For every other reason the word is `stop`, calls of tools among them."""

_PICTURES: Final = (("iVBORw", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
_SECONDS_MAX: Final = 100_000_000_000  # the year 5138
_FRACTION = re.compile(r"\.\d+")


def media_type_of(data: str) -> str:
    """What a picture is, by how its base64 begins: the wire does not say."""
    return next((kind for beginning, kind in _PICTURES if data.startswith(beginning)), "image/jpeg")


def text_of(raw: Raw | None) -> str | None:
    """A string, None for anything else."""
    return None if raw is None or bytes(raw)[:1] != b'"' else TEXT.decode(raw)


def is_object(raw: Raw | None) -> bool:
    """Whether it is a JSON object."""
    return raw is not None and bytes(raw)[:1] == b"{"


def seconds_of(text: str) -> int:
    """A point in time as Unix seconds; 0 where it is none."""
    try:
        return int(datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        return 0


def time_of(seconds: int) -> str:
    """Unix seconds as the wire has them; some servers tell milliseconds for seconds."""
    while seconds > _SECONDS_MAX:
        seconds //= 1000
    seconds = max(seconds, 0)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
