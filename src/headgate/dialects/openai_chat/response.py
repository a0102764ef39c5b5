"""Whole answers, both ways. A whole is a stream of one piece: the same assembler builds the same events."""

from collections.abc import Iterable
from typing import cast

import msgspec
from msgspec import Raw

from headgate.core.calls import CallRestorer
from headgate.core.events import Event, Opaque
from headgate.core.fold import Answer, fold
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.openai_chat.assembling import Assembler
from headgate.dialects.openai_chat.errors import render_error
from headgate.dialects.openai_chat.loose import add_members, repaired
from headgate.dialects.openai_chat.message import write_message
from headgate.dialects.openai_chat.parts import Wire, merged
from headgate.dialects.openai_chat.reasons import word_of
from headgate.dialects.openai_chat.usage import write_usage
from headgate.dialects.openai_chat.wire import ARRAY, ENCODE, FORM, NAME, NOTES, NULL, OBJECT


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer."""
    assembler = Assembler()
    add_members(assembler, members_of(body), body, is_whole=True)
    assembler.finish()
    return assembler.events


def members_of(body: bytes) -> dict[str, Raw]:
    """The members of a whole answer's object, or the complaint that it is none."""
    try:
        return OBJECT.decode(body if body.isascii() else body.decode("utf-8", "replace").encode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return OBJECT.decode(repaired(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        seen = body[:80].decode("utf-8", "replace").strip() or "an empty body"
        raise Malformed(f"the provider's answer is not a JSON object: {seen!r}") from None


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body that a client of this dialect reads; of a failed answer, its error."""
    answer = fold(CallRestorer(reply_to.echo).restore(events))
    if answer.problem is not None:
        return render_error(answer.problem)[1]
    dropped.update(foreign_names(answer.opaques))
    dropped.update(name for part in answer.parts for name in foreign_names(part.opaques))
    numbers = sorted({part.choice for part in answer.parts} | set(range(len(answer.more_reasons) + 1)))
    wire: Wire = {
        "id": answer.id or reply_to.id,
        "object": "chat.completion",
        "created": answer.created or reply_to.now_s,
        "model": answer.model or reply_to.model,
        "choices": [_choice(answer, number, dropped) for number in numbers],
    }
    if answer.usage is not None:
        wire["usage"] = write_usage(answer.usage)
    return ENCODE(wire | slot(answer.opaques, "answer") | _kept(answer, "answer."))


def foreign_names(opaques: Iterable[Opaque]) -> list[str]:
    """What another dialect's leftovers are called."""
    return [opaque.name for opaque in opaques if opaque.dialect != NAME and opaque.raw != NULL]


def slot(opaques: Iterable[Opaque], name: str, number: int | None = None) -> Wire:
    """Our own leftovers of one place. Told more than once, lists go on and anything else is replaced."""
    wire: dict[str, object] = {}
    for opaque in opaques:
        if opaque.dialect == NAME and opaque.slot == name and number in (None, opaque.choice):
            earlier = wire.get(opaque.name)
            wire[opaque.name] = opaque.raw if earlier is None else _continued(earlier, opaque.raw)
    return wire


def _continued(earlier: object, raw: Raw) -> object:
    """Log probabilities and annotations come in instalments, sound's transcript as well."""
    first, more = Raw(ENCODE(earlier)), bytes(raw)[:1]
    if bytes(first)[:1] != more:
        return raw
    match more:
        case b"[":
            return [*ARRAY.decode(first), *ARRAY.decode(raw)]
        case b"{":
            old, new = OBJECT.decode(first), OBJECT.decode(raw)
            return old | {name: _continued(old[name], value) if name in old else value for name, value in new.items()}
        case _:
            return raw


def _kept(answer: Answer, prefix: str) -> Wire:
    """Null and empty members that this dialect's parser put aside."""
    return {name[len(prefix) :]: raw for name, raw in answer.extras.items() if name.startswith(prefix)}


def _choice(answer: Answer, number: int, dropped: set[str]) -> Wire:
    parts = [part for part in answer.parts if part.choice == number]
    message = write_message(parts, dropped, pieces=slot(answer.opaques, "content", number).values())
    details = slot(answer.opaques, "detail", number).values()
    if details:
        message["reasoning_details"] = [*_list(message.get("reasoning_details")), *details]
    if not _is_own(answer):
        message = {"content": None, "refusal": None} | message
    leftovers = slot(answer.opaques, "message", number) | _kept(answer, f"choices.{number}.message.")
    merged(message, {name: Raw(ENCODE(value)) for name, value in leftovers.items()})
    if message.get("role") == NULL:
        del message["role"]
    reasons = (answer.reason or "other", *answer.more_reasons)
    word = word_of(
        reasons[number] if number < len(reasons) else "stop",
        answer.wire_reason if number == 0 and _is_own(answer) else "",
        has_refusal=any(part.kind == "refusal" for part in parts),
    )
    choice: Wire = {"index": number, "message": message, "finish_reason": word}
    if not _is_own(answer):
        choice["logprobs"] = None
    return choice | slot(answer.opaques, "choice", number) | _kept(answer, f"choices.{number}.choice.")


def _is_own(answer: Answer) -> bool:
    """Whether this dialect's parser made the answer: then its leftovers say what else was on the wire."""
    marks = (part.form.startswith(FORM) for part in answer.parts)
    return any(marks) or any(name.startswith(NOTES) for name in answer.extras)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
