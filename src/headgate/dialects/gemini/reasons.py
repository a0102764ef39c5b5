"""Why an answer ended: Google's words and ours. Must not know the wire around them."""

from typing import Final

from headgate.core.events import StopReason

REASONS: Final[dict[object, StopReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
    # numbers, when the caller asked for `$alt=json;enum-encoding=int`; beyond 5 the two services differ
    1: "stop",
    2: "length",
    3: "content_filter",
    4: "content_filter",
}
"""https://ai.google.dev/api/generate-content#FinishReason (2026-11); any other is `other`."""

UNFINISHED: Final = (None, "", 0, "FINISH_REASON_UNSPECIFIED")

WORDS: Final[dict[StopReason, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "OTHER",
    "error": "OTHER",
    "other": "OTHER",
}
