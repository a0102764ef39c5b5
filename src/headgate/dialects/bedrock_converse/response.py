"""Whole answers, both ways: read as a stream in one piece, written from their folded events."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from headgate.core.events import Event, Failed, Started
from headgate.core.fold import Answer, AnswerPart, fold
from headgate.core.problems import Outcome, Problem
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.errors import render_error, stream_problem
from headgate.dialects.bedrock_converse.reader import AS_IT_WAS, CITED, Reader
from headgate.dialects.bedrock_converse.usage import members_of
from headgate.dialects.bedrock_converse.wire import NAME, Members, items_in, members_in, text_in
from headgate.dialects.bedrock_converse.writing import SPOKEN, picture_format, proof_of, reason_of, tool_of
from headgate.dialects.members import arguments_object, readable

Block = dict[str, object]


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer."""
    try:
        body = readable(body)
        members = wire.OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        shown = body[:80].decode("utf-8", "replace")
        raise Malformed(f"the upstream's answer is not a JSON object: it begins {shown!r}") from None
    if "output" not in members:
        return [Failed(_no_answer(members, body))]
    output = members.pop("output")
    reader = Reader()
    events = reader.start({})
    for raw in items_in(members_in(members_in(output).get("message")).get("content")):
        events += reader.whole(raw)
    reader.stop({"stopReason": members.pop("stopReason", Raw(b"null"))})
    reader.count({**members, **_odd(output)})
    return events + reader.finish()


def _odd(output: Raw) -> Members:
    """What an answer says of its message beyond the usual."""
    members = members_in(output)
    message = members_in(members.get("message"))
    rest = {name: raw for name, raw in message.items() if name != "content"}
    if members.keys() == {"message"} and rest == {"role": Raw(b'"assistant"')}:
        return {}
    return {"output": wire.raw_of({**members, "message": rest})}


def _no_answer(members: Members, body: bytes) -> Problem:
    if "message" in members:
        return stream_problem(text_in(members.get("__type")), body)
    message = "the upstream's answer has no output"
    return Problem(kind="upstream", message=message, outcome=Outcome.PROTOCOL, dialect=NAME, raw=body)


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body of a whole answer."""
    events = list(events)
    is_home = any(isinstance(event, Started) and event.dialect == NAME for event in events)
    answer = fold(events)
    if answer.problem is not None:
        return render_error(answer.problem)[1]
    message: Block = {"role": "assistant", "content": _content(answer, dropped, is_home=is_home)}
    out: Block = {
        "output": {"message": message},
        "stopReason": reason_of(answer.reason or "other", answer.wire_reason if is_home else ""),
        "usage": members_of(answer.usage, is_home=is_home),
    }
    if not is_home:
        if answer.stop_sequence is not None:
            dropped.add("stop_sequence")
        return wire.encode({**out, "metrics": {"latencyMs": 0}})  # SDKs in typed languages want it
    if answer.usage is None:
        del out["usage"]
    extras = dict(answer.extras)
    if (odd := extras.pop("output", None)) is not None:
        rest = members_in(odd)
        out["output"] = {**rest, "message": {**members_in(rest.get("message")), "content": message["content"]}}
    dropped.update(opaque.name for opaque in answer.opaques if not opaque.slot.startswith("content."))
    return wire.encode({**out, **extras})


def _content(answer: Answer, dropped: set[str], *, is_home: bool) -> list[object]:
    if not is_home:
        dropped.update(opaque.name for opaque in answer.opaques)
        return [block for part in answer.parts if (block := _foreign_block(part, dropped)) is not None]
    blocks: dict[int, object] = {part.index: _own_block(part, dropped) for part in answer.parts}
    for opaque in answer.opaques:
        slot, _, index = opaque.slot.partition(".")
        if slot == "content":
            blocks[int(index)] = opaque.raw
    return [blocks[index] for index in sorted(blocks)]


def _own_block(part: AnswerPart, dropped: set[str]) -> Block | Raw:
    citations = [opaque.raw for opaque in part.opaques if opaque.slot == "citation"]
    if (block := next((opaque.raw for opaque in part.opaques if opaque.slot == AS_IT_WAS), None)) is not None:
        return block
    dropped.update(opaque.name for opaque in part.opaques if opaque.slot != "citation")
    match part.kind:
        case "tool_call":
            return {"toolUse": {**tool_of(part, is_home=True), "input": _input(part.text)}}
        case "reasoning":
            return _reasoning(part) if part.is_redacted else _reasoning(part, part.extras)
        case "image":
            return {"image": {"format": picture_format(part.media_type), "source": {"bytes": part.text}}}
        case _ if citations or part.form == CITED:
            content: Block = {"content": [{"text": part.text}], **({"citations": citations} if citations else {})}
            return {"citationsContent": {**content, **part.extras}}
        case _:
            return {"text": part.text, **part.extras}


def _input(text: str) -> Raw:
    """A call's input as it came; of a call that was cut off, an object that holds its text."""
    data = text.encode("utf-8", "replace")
    try:
        wire.ANY.decode(data)
    except msgspec.DecodeError:
        return arguments_object(text, "arguments")
    return Raw(data)


def _reasoning(part: AnswerPart, extras: Members | None = None) -> Block:
    proof = proof_of(part.signature, is_redacted=part.is_redacted)
    if part.is_redacted:
        return {"reasoningContent": proof}
    return {"reasoningContent": {"reasoningText": {"text": part.text, **proof, **(extras or {})}}}


def _foreign_block(part: AnswerPart, dropped: set[str]) -> Block | None:
    if part.choice:
        dropped.add("choices")
        return None
    dropped.update(opaque.name for opaque in part.opaques)
    if part.signature is not None and part.kind != "reasoning":
        dropped.add("reasoning.signature")
    match part.kind:
        case "tool_call":
            arguments = (
                wire.raw_of({"input": part.text}) if part.is_custom else arguments_object(part.text, "arguments")
            )
            return {"toolUse": {**tool_of(part, is_home=False), "input": arguments}}
        case "reasoning":
            return _reasoning(part) if part.text or part.signature is not None else None
        case "image" if (word := picture_format(part.media_type)) is not None:
            return {"image": {"format": word, "source": {"bytes": part.text}}}
        case kind if kind in SPOKEN:
            return {"text": part.text} if part.text else None
        case kind:
            dropped.add(kind)
            return None
