"""What every file of this dialect needs of the wire: its name, JSON in and out, and the words for why an answer ended.

https://docs.cohere.com/v2/reference/chat (2026-11).
"""

from typing import Final

from msgspec import Raw
from msgspec.json import Decoder, Encoder

from headgate.core.events import StopReason

NAME: Final = "cohere"
PLAN: Final = "cohere:tool_plan"
"""The form of thinking that stands in `tool_plan`, and not in a content part of type `thinking`."""

NULL: Final = Raw(b"null")
EMPTIES: Final = frozenset({b"null", b"[]", b'""', b"{}"})

ENCODE: Final = Encoder().encode
OBJECT: Final = Decoder(dict[str, Raw])
ARRAY: Final = Decoder(list[Raw])

REASONS: Final[dict[str, StopReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    # of the first version of the API, which hosts of older models still answer with
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
}

WORDS: Final[dict[StopReason, str]] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "COMPLETE",  # there is no word for what is withheld
    "refusal": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "pause": "COMPLETE",
    "error": "ERROR",
    "other": "COMPLETE",
}
