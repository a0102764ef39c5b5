"""Whole answers, both ways. A whole is a stream of one piece: the same assembler builds the same events."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from headgate.core.events import Event, Finished, Started, StopReason
from headgate.core.fold import AnswerPart, fold
from headgate.core.request import Extras
from headgate.core.tools import INPUT
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.members import arguments_object, merged, object_of
from headgate.dialects.ollama.assembling import Assembler
from headgate.dialects.ollama.errors import render_error
from headgate.dialects.ollama.stream import StreamParser
from headgate.dialects.ollama.usage import write_usage
from headgate.dialects.ollama.wire import ENCODE, NAME, NULL, REASONS, WORDS, time_of

Wire = dict[str, object]


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer, or of a stream that came as one: a call streams unless it says otherwise."""
    try:
        members = object_of(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parser = StreamParser()
        events = parser.feed(body) + parser.close()
        if isinstance(events[-1], Finished):
            return events
        seen = body[:80].decode("utf-8", "replace").strip() or "an empty body"
        raise Malformed(f"the provider's answer is not a JSON object: {seen!r}") from None
    if not {"message", "error"} & members.keys():
        raise Malformed("the provider's answer has no `message`")
    assembler = Assembler(is_whole=True)
    assembler.add(members, body)
    if not assembler.is_over:
        raise Malformed("the provider's answer says that it is not done")
    return assembler.events


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body that a client of this dialect reads; of a failed answer, its error."""
    events = list(events)
    start = next((event for event in events if isinstance(event, Started)), Started())
    answer = fold(events)
    if answer.problem is not None:
        return render_error(answer.problem)[1]
    is_own = start.dialect == NAME
    opaques = [*answer.opaques, *(opaque for part in answer.parts for opaque in part.opaques)]
    dropped.update(opaque.name for opaque in opaques if opaque.dialect != NAME and opaque.raw != NULL)
    dropped.update({"choices"} if answer.more_reasons else ())
    own = [opaque for opaque in opaques if opaque.dialect == NAME]
    extras = answer.extras if is_own else {}
    message = _message(answer.parts, dropped, extras, is_own=is_own)
    message |= {opaque.name: opaque.raw for opaque in own if opaque.slot == "message"} | _under("message.", extras)
    wire: Wire = {**head(start, reply_to), "message": message, "done": True}
    wire |= ending(answer.reason or "other", answer.wire_reason, is_own=is_own)
    if answer.usage is not None:
        wire |= write_usage(answer.usage)
    if logprobs := [opaque.raw for opaque in own if opaque.slot == "logprobs"]:
        wire["logprobs"] = logprobs
    wire |= {opaque.name: opaque.raw for opaque in own if opaque.slot == "answer"} | _under("answer.", extras)
    return ENCODE(wire)


def head(start: Started, reply_to: ReplyTo) -> Wire:
    """The members that every object of an answer begins with."""
    if start.dialect == NAME:
        model: Wire = {"model": start.model} if start.model else {}
        created: Wire = {name: raw for name, raw in start.extras.items() if name == "created_at"}
        return model | created
    return {"model": start.model or reply_to.model, "created_at": time_of(start.created or reply_to.now_s)}


def ending(reason: StopReason, wire_reason: str, *, is_own: bool) -> Wire:
    """The member that says why the answer ended: what this dialect said, when it means the same."""
    if is_own and not wire_reason:
        return {}
    is_same = is_own and REASONS.get(wire_reason, "other") in (reason, "stop" if reason == "tool_calls" else reason)
    return {"done_reason": wire_reason if is_same else WORDS.get(reason, "stop")}


def _under(prefix: str, extras: Extras) -> Extras:
    return {name[len(prefix) :]: raw for name, raw in extras.items() if name.startswith(prefix)}


def _message(parts: list[AnswerPart], dropped: set[str], extras: Extras, *, is_own: bool) -> Wire:
    told = [part for part in parts if part.choice == 0]
    text = "".join(part.text for part in told if part.kind in ("text", "refusal"))
    thinking = "".join(part.text for part in told if part.kind == "reasoning")
    images = [part.text for part in told if part.kind == "image"]
    calls = [written_call(part, is_own=is_own) for part in told if part.kind == "tool_call"]
    dropped.update(part.kind for part in told if part.kind in ("audio", "file"))
    dropped.update("reasoning.signature" for part in told if part.signature is not None)
    wire: Wire = {} if "missing.role" in extras else {"role": "assistant"}
    wire |= {"content": text} if text or "missing.content" not in extras else {}
    wire |= {"thinking": thinking} if thinking else {}
    wire |= {"images": images} if images else {}
    return wire | ({"tool_calls": calls} if calls else {})


def written_call(part: AnswerPart, *, is_own: bool) -> Wire:
    """A tool call, complete: `text` is its arguments."""
    marks = part.form.split() if is_own else []
    wire: Wire = {} if "no_id" in marks else {"id": part.id}
    function: Wire = {"name": part.name}
    if "text" in marks:
        function["arguments"] = part.text
    elif part.text or "none" not in marks:
        function["arguments"] = arguments_object(part.text, INPUT)
    wire["function"] = function
    if not is_own:
        return wire
    left: dict[str, Raw] = {name: raw for name, raw in part.extras.items() if not name.startswith("function.")}
    function |= _under("function.", part.extras)
    return merged(wire, left)
