"""How blocks of an answer begin, and the words it ends with: what whole and streamed answers write alike."""

from typing import Final

from headgate.core.events import PartStarted, StopReason
from headgate.core.fold import AnswerPart
from headgate.core.request import Signature
from headgate.core.signatures import seal
from headgate.dialects.anthropic.blocks import sanitised
from headgate.dialects.anthropic.seals import NAME, UNSIGNED, Belongs, seal_loose

_WORDS: Final[dict[StopReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "stop_sequence": "stop_sequence",
    "pause": "pause_turn",
    "error": "end_turn",
    "other": "end_turn",
}


def reason_of(reason: StopReason, wire_reason: str) -> str:
    """The `stop_reason`: this dialect's own word when the answer was told in it."""
    return wire_reason or _WORDS[reason]


def opening(part: PartStarted | AnswerPart, *, is_home: bool) -> dict[str, object]:
    """The block as it stands in a `content_block_start`."""
    match part.kind:
        case "tool_call":
            id = part.id if is_home else sanitised(part.id)
            block: dict[str, object] = {"type": "tool_use", "id": id, "name": part.name, "input": {}}
        case "reasoning" if part.is_redacted:
            block = {"type": "redacted_thinking", "data": ""}
        case "reasoning":
            block = {"type": "thinking", "thinking": "", "signature": ""}
            if is_home and part.form == "bare":
                del block["signature"]
        case _:
            block = {"type": "text", "text": ""}
            if is_home and part.form == "citations":
                block["citations"] = []
    return block | part.extras if is_home else block


def sealed(signature: Signature | None) -> str:
    """The signature of thinking that another service may have signed."""
    return UNSIGNED if signature is None else seal(signature, spoken=NAME)


def proof_block(signature: Signature, belongs: Belongs) -> dict[str, object]:
    """The empty thinking block that carries its neighbour's proof."""
    return {"type": "thinking", "thinking": "", "signature": seal_loose(signature, belongs)}
