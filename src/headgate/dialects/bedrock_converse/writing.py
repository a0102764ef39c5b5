"""What whole and streamed answers write alike: the words they end with, and what stands where a block begins."""

from typing import Final

from headgate.core.events import PartStarted, StopReason
from headgate.core.fold import AnswerPart
from headgate.core.request import Signature
from headgate.core.signatures import seal
from headgate.dialects.bedrock_converse import media
from headgate.dialects.bedrock_converse.seals import redacted_text
from headgate.dialects.bedrock_converse.wire import NAME

_WORDS: Final[dict[StopReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "stop_sequence": "stop_sequence",
    "pause": "end_turn",
    "error": "malformed_model_output",
    "other": "end_turn",
}
SPOKEN: Final = frozenset({"text", "refusal"})


def reason_of(reason: StopReason, wire_reason: str) -> str:
    """The `stopReason`: this dialect's own word when the answer was told in it."""
    return wire_reason or _WORDS[reason]


def tool_of(part: PartStarted | AnswerPart, *, is_home: bool) -> dict[str, object]:
    """A call without its input."""
    return {"toolUseId": part.id, "name": part.name, **(part.extras if is_home else {})}


def proof_of(signature: Signature | None, *, is_redacted: bool) -> dict[str, object]:
    """The member that carries thinking's proof, or all of it where it is hidden."""
    if is_redacted:
        return {"redactedContent": redacted_text(signature) if signature is not None else ""}
    return {"signature": seal(signature, spoken=NAME)} if signature is not None else {}


def picture_format(media_type: str) -> str | None:
    """Converse's word for a picture's type; None: it has none."""
    return media.IMAGE_FORMATS.get(media.bare(media_type))
