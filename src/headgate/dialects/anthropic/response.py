"""Whole answers, both ways: read as a stream in one piece, written from their folded events."""

from collections.abc import Iterable

import msgspec

from headgate.core.events import Event, Failed, Started
from headgate.core.fold import Answer, AnswerPart, fold
from headgate.core.problems import Outcome, Problem
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.blocks import arguments_of
from headgate.dialects.anthropic.errors import error_event, problem_of
from headgate.dialects.anthropic.opening import opening, proof_block, reason_of, sealed
from headgate.dialects.anthropic.reader import Reader
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.anthropic.usage import members_of
from headgate.dialects.anthropic.wire import items_in, text_in
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.members import readable

Block = dict[str, object]


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer."""
    try:
        body = readable(body)
        members = wire.OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        shown = body[:80].decode("utf-8", "replace")
        raise Malformed(f"the upstream's answer is not a JSON object: it begins {shown!r}") from None
    if "error" in members or text_in(members.get("type")) == "error":
        return [Failed(problem_of(members, body))]
    if "content" not in members:
        return [Failed(_no_answer(body))]
    reader = Reader()
    events = reader.start(members)
    for at, raw in enumerate(items_in(members["content"])):
        events += reader.open(at, raw)
        events += reader.close(at)
    reader.stop({name: members[name] for name in ("stop_reason", "stop_sequence") if name in members}, {})
    return events + reader.finish()


def _no_answer(body: bytes) -> Problem:
    message = "the upstream's answer has no content"
    return Problem(kind="upstream", message=message, outcome=Outcome.PROTOCOL, dialect=NAME, raw=body)


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body of a whole answer."""
    events = list(events)
    is_home = any(isinstance(event, Started) and event.dialect == NAME for event in events)
    answer = fold(events)
    if answer.problem is not None:
        return error_event(answer.problem)
    out: Block = {
        "id": answer.id or reply_to.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model or reply_to.model,
        "content": _content(answer, dropped, is_home=is_home),
        "stop_reason": reason_of(answer.reason or "other", answer.wire_reason if is_home else ""),
        "stop_sequence": answer.stop_sequence,
        "usage": members_of(answer.usage, is_home=is_home),
    }
    if is_home:
        _spell(answer, out, dropped)
    return wire.encode(out)


def _spell(answer: Answer, out: Block, dropped: set[str]) -> None:
    """What only an answer of this dialect has, as it was."""
    if answer.stop_sequence is None:
        del out["stop_sequence"]
    if not answer.wire_reason:
        out["stop_reason"] = None
    if answer.usage is None:
        del out["usage"]
    out.update(answer.extras)
    dropped.update(opaque.name for opaque in answer.opaques if not opaque.slot.startswith("content."))


def _content(answer: Answer, dropped: set[str], *, is_home: bool) -> list[object]:
    if not is_home:
        dropped.update(opaque.name for opaque in answer.opaques)
        return [block for part in answer.parts for block in _foreign_blocks(part, dropped)]
    blocks: dict[int, object] = {part.index: _own_block(part, dropped) for part in answer.parts}
    for opaque in answer.opaques:
        slot, _, index = opaque.slot.partition(".")
        if slot == "content":
            blocks[int(index)] = opaque.raw
    return [blocks[index] for index in sorted(blocks)]


def _own_block(part: AnswerPart, dropped: set[str]) -> Block:
    block = opening(part, is_home=True)
    match part.kind:
        case "tool_call":
            block["input"] = arguments_of(part.text)
        case "reasoning" if part.is_redacted:
            block["data"] = part.signature.value if part.signature else ""
        case "reasoning":
            block["thinking"] = part.text
            if part.signature is not None:
                block["signature"] = part.signature.value
        case _:
            block["text"] = part.text
    citations = [opaque.raw for opaque in part.opaques if opaque.slot == "citation"]
    if citations:
        block["citations"] = citations
    dropped.update(opaque.name for opaque in part.opaques if opaque.slot != "citation")
    return block


def _foreign_blocks(part: AnswerPart, dropped: set[str]) -> list[Block]:
    if part.choice:
        dropped.add("choices")
        return []
    dropped.update(opaque.name for opaque in part.opaques)
    match part.kind:
        case "tool_call":
            block = opening(part, is_home=False)
            block["input"] = arguments_of(part.text, is_custom=part.is_custom)
            return [proof_block(part.signature, "next"), block] if part.signature else [block]
        case "reasoning" if part.is_redacted:
            return [{"type": "redacted_thinking", "data": sealed(part.signature)}]
        case "reasoning":
            if not part.text and part.signature is None:
                return []
            return [{"type": "thinking", "thinking": part.text, "signature": sealed(part.signature)}]
        case "text" | "refusal":
            if not part.text:
                if part.signature is not None:
                    dropped.add("reasoning.signature")  # of nothing: it would go to the next block
                return []
            block = opening(part, is_home=False) | {"text": part.text}
            return [proof_block(part.signature, "next"), block] if part.signature else [block]
        case kind:
            dropped.add(kind)
            return []
