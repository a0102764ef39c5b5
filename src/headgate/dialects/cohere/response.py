"""Whole answers, both ways. A whole is a stream of one piece: the same assembler builds the same events."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from headgate.core.events import Event, Started
from headgate.core.fold import Answer, AnswerPart, fold
from headgate.core.request import Extras
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.cohere.assembling import Assembler, text_of
from headgate.dialects.cohere.errors import parse_error, render_error
from headgate.dialects.cohere.usage import write_usage
from headgate.dialects.cohere.wire import ENCODE, NAME, NULL, OBJECT, PLAN, REASONS, WORDS
from headgate.dialects.members import merged, object_of

Wire = dict[str, object]

_OBJECTS: Final = Decoder(list[dict[str, Raw]])


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer."""
    try:
        members = object_of(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        seen = body[:80].decode("utf-8", "replace").strip() or "an empty body"
        raise Malformed(f"the provider's answer is not a JSON object: {seen!r}") from None
    assembler = Assembler()
    add_whole(assembler, members, body)
    return assembler.events


def add_whole(assembler: Assembler, members: Extras, body: bytes) -> None:
    """All that a whole answer says; where it is an error, that."""
    raw = members.pop("message", NULL)
    if bytes(raw)[:1] != b"{":
        if text_of(raw) is None:
            raise Malformed("the provider's answer has no `message`")
        return assembler.fail(msgspec.structs.replace(parse_error(502, {}, body), status=0))
    assembler.start(members)
    _add_message(assembler, OBJECT.decode(raw))
    return assembler.finish(members, body)


def _add_message(assembler: Assembler, message: Extras) -> None:
    if bytes(message.get("role", b"")) == b'"assistant"':
        del message["role"]
    elif "role" not in message:
        assembler.extras["missing.role"] = NULL
    plan = text_of(message.get("tool_plan"))
    if plan:
        del message["tool_plan"]
        assembler.plan(plan)
        assembler.end("plan")
    content = text_of(message.get("content"))
    if content:
        del message["content"]
        assembler.content("0", {"type": Raw(b'"text"'), "text": Raw(ENCODE(content))})
        assembler.extras["plain.content"] = NULL
    for place, part in enumerate(_taken(message, "content")):
        assembler.content(f"{place}", part)
        assembler.end(f"{place}")
    for place, call in enumerate(_taken(message, "tool_calls")):
        assembler.call(f"call {place}", call)
        assembler.end(f"call {place}")
    assembler.tell_each(message, "citations", "citation")
    assembler.leave(message, "message")


def _taken(message: Extras, name: str) -> list[Extras]:
    """A list of objects, taken out; anything else, and an empty list, is a leftover."""
    try:
        found = _OBJECTS.decode(message.get(name, b"[]"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    if found:
        del message[name]
    return found


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body that a client of this dialect reads; of a failed answer, its error."""
    events = list(events)
    is_own = any(isinstance(event, Started) and event.dialect == NAME for event in events)
    answer = fold(events)
    if answer.problem is not None:
        return render_error(answer.problem)[1]
    opaques = [*answer.opaques, *(opaque for part in answer.parts for opaque in part.opaques)]
    dropped.update(opaque.name for opaque in opaques if opaque.dialect != NAME and opaque.raw != NULL)
    own = [opaque for opaque in opaques if opaque.dialect == NAME]
    dropped.update(opaque.name for opaque in own if opaque.slot == "event")
    dropped.update({"choices"} if answer.more_reasons else ())
    extras = answer.extras if is_own else {}
    message: Wire = {} if "missing.role" in extras else {"role": "assistant"}
    message |= _message(answer, dropped, is_own=is_own)
    for slot, name in (("content", "content"), ("citation", "citations")):
        if entries := [opaque.raw for opaque in own if opaque.slot == slot]:
            message[name] = [*_listed(message.get(name)), *entries]
    message |= {opaque.name: opaque.raw for opaque in own if opaque.slot == "message"} | _under("message.", extras)
    if "plain.content" in extras:
        message["content"] = answer.text
    wire: Wire = {"id": answer.id or ("" if is_own else reply_to.id), "message": message}
    wire = {name: value for name, value in wire.items() if value != ""}
    word = word_of(answer, is_own=is_own)
    wire |= {} if word is None else {"finish_reason": word}
    if answer.usage is not None:
        wire["usage"] = write_usage(answer.usage)
    if logprobs := [opaque.raw for opaque in own if opaque.slot == "logprobs"]:
        wire["logprobs"] = logprobs
    wire |= {opaque.name: opaque.raw for opaque in own if opaque.slot == "answer"} | _under("answer.", extras)
    return ENCODE(wire)


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def word_of(answer: Answer, *, is_own: bool) -> str | None:
    """The wire word for the reason: what this dialect said, when it means the same."""
    if is_own and not answer.wire_reason:
        return None
    if is_own and REASONS.get(answer.wire_reason, "other") == answer.reason:
        return answer.wire_reason
    return WORDS[answer.reason or "other"]


def _under(prefix: str, extras: Extras) -> Extras:
    return {name[len(prefix) :]: raw for name, raw in extras.items() if name.startswith(prefix)}


def _message(answer: Answer, dropped: set[str], *, is_own: bool) -> Wire:
    wire: Wire = {}
    content: list[Wire] = []
    calls: list[Wire] = []
    for part in answer.parts:
        if part.choice:
            continue
        if part.signature is not None:
            dropped.add("reasoning.signature")
        match part.kind:
            case "reasoning" if part.form == PLAN:
                wire["tool_plan"] = f"{wire.get('tool_plan', '')}{part.text}"
            case "text" | "refusal" | "reasoning":
                if is_own or part.text:
                    content.append(written_content(part, is_own=is_own) | {_word(part.kind): part.text})
            case "tool_call":
                calls.append(_call(part, is_own=is_own))
            case kind:
                dropped.add(kind)
    wire |= {"content": content} if content else {}
    return wire | ({"tool_calls": calls} if calls else {})


def _word(kind: str) -> str:
    return "thinking" if kind == "reasoning" else "text"


def written_content(part: AnswerPart, *, is_own: bool) -> Wire:
    """A content part without its words."""
    word = _word(part.kind)
    return {"type": word, word: "", **(part.extras if is_own else {})}


def _call(part: AnswerPart, *, is_own: bool) -> Wire:
    return written_call(part, part.text or ("" if is_own else "{}"), is_own=is_own)


def written_call(part: AnswerPart, arguments: str, *, is_own: bool) -> Wire:
    """A tool call."""
    marks = part.form.split() if is_own else []
    wire: Wire = {} if "no_id" in marks else {"id": part.id}
    wire |= {} if "untyped" in marks else {"type": "function"}
    function: Wire = {"name": part.name}
    function |= {} if "none" in marks and not arguments else {"arguments": arguments}
    wire["function"] = function
    if not is_own:
        return wire
    function |= _under("function.", part.extras)
    return merged(wire, {name: raw for name, raw in part.extras.items() if not name.startswith("function.")})
