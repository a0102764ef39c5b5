"""Whole answers, both ways. A whole is a stream of one piece: the same assembler builds the same events."""

from collections.abc import Iterable
from typing import Final, cast

import msgspec
from msgspec import Raw

from headgate.core.calls import CallRestorer
from headgate.core.events import Event, Opaque, Started
from headgate.core.fold import Answer, fold
from headgate.core.request import Extras
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.members import merged, readable, repaired
from headgate.dialects.openai_chat.assembling import Assembler
from headgate.dialects.openai_chat.errors import render_error
from headgate.dialects.openai_chat.loose import add_members
from headgate.dialects.openai_chat.message import write_message
from headgate.dialects.openai_chat.parts import Wire
from headgate.dialects.openai_chat.reasons import word_of
from headgate.dialects.openai_chat.usage import write_usage
from headgate.dialects.openai_chat.wire import ARRAY, ENCODE, NAME, NULL, OBJECT


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer."""
    assembler = Assembler()
    add_members(assembler, members_of(body), body, is_whole=True)
    assembler.finish()
    return assembler.events


def members_of(body: bytes) -> dict[str, Raw]:
    """The members of a whole answer's object, or the complaint that it is none."""
    try:
        return OBJECT.decode(readable(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return OBJECT.decode(repaired(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        seen = body[:80].decode("utf-8", "replace").strip() or "an empty body"
        raise Malformed(f"the provider's answer is not a JSON object: {seen!r}") from None


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body that a client of this dialect reads; of a failed answer, its error."""
    events = list(events)
    is_own = any(isinstance(event, Started) and event.dialect == NAME for event in events)
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
        "choices": [_choice(answer, number, dropped, is_own=is_own) for number in numbers],
    }
    if answer.usage is not None:
        wire["usage"] = write_usage(answer.usage)
    return ENCODE(wire | slot(answer.opaques, "answer") | (_under("answer.", answer.extras) if is_own else {}))


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


_LISTS: Final = {"reasoning_details": "detail", "images": "image"}
"""Members of a message that are lists, and where their entries are kept that are no parts."""


def _pieces(opaques: Iterable[Opaque], place: str, number: int) -> list[Raw]:
    """Our own leftovers that are entries of a list, each for itself."""
    return [each.raw for each in opaques if (each.dialect, each.slot, each.choice) == (NAME, place, number)]


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


def _under(prefix: str, extras: Extras) -> Extras:
    """Null, empty and bookkeeping members that this dialect's parser put aside under `prefix`."""
    return {name[len(prefix) :]: raw for name, raw in extras.items() if name.startswith(prefix)}


def _choice(answer: Answer, number: int, dropped: set[str], *, is_own: bool) -> Wire:
    parts = [part for part in answer.parts if part.choice == number]
    message = write_message(parts, dropped, pieces=_pieces(answer.opaques, "content", number))
    for name, place in _LISTS.items():
        if pieces := _pieces(answer.opaques, place, number):
            message[name] = [*_list(message.get(name)), *pieces]
    if not is_own:
        message = {"content": None, "refusal": None} | message
    kept = _under(f"choices.{number}.", answer.extras) if is_own else {}
    leftovers = slot(answer.opaques, "message", number) | _under("message.", kept)
    merged(message, {name: Raw(ENCODE(value)) for name, value in leftovers.items()})
    if message.get("role") == NULL:
        del message["role"]
    reasons = (answer.reason or "other", *answer.more_reasons)
    reason = reasons[number] if 0 <= number < len(reasons) else "stop"
    dropped.update({"finish_reason"} if reason == "error" else ())
    wire_reason = answer.wire_reason if number == 0 else ""
    has_refusal = any(part.kind == "refusal" for part in parts)
    word = word_of(reason, wire_reason if is_own else None, has_refusal=has_refusal)
    choice: Wire = {"index": number, "message": message, "finish_reason": word}
    if not is_own:
        choice["logprobs"] = None
    choice |= slot(answer.opaques, "choice", number) | _under("choice.", kept)
    missing = _under("missing.", kept)
    return {name: value for name, value in choice.items() if name not in missing}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
