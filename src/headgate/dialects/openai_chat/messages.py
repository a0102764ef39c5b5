"""The messages of a request, read: roles, tool calls, tool results, and the thinking that comes back."""

from typing import Final, cast

from msgspec import Raw, Struct
from msgspec.structs import replace

from headgate.core.request import Message, Part, Refused, Role, Text, ToolCall, ToolResult
from headgate.core.signatures import unseal
from headgate.dialects.members import Members, invalid
from headgate.dialects.openai_chat.content import read_content, take_cache
from headgate.dialects.openai_chat.reasoning import read_reasoning
from headgate.dialects.openai_chat.wire import ENCODE, OBJECT

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_ORDINARY_CALL: Final = b'{"type":"function"}'


class _Asked(Struct):
    """Calls that the last assistant's turn made and nobody has answered yet, as (id, name)."""

    calls: list[tuple[str, str]]

    def answered(self, call_id: str, name: str) -> str:
        """The id of the call that a result answers, found by its name or its turn when the wire tells none."""
        match_id = [call for call in self.calls if call[0] == call_id]
        match_name = [call for call in self.calls if not call_id and call[1] == name]
        found = (match_id or match_name or ([] if call_id else self.calls))[:1]
        for call in found:
            self.calls.remove(call)
        return call_id or (found[0][0] if found else "")


def read_messages(objects: list[Members]) -> tuple[Message, ...]:
    """All messages, in order."""
    asked = _Asked([])
    return tuple(_read_message(members, number, asked) for number, members in enumerate(objects))


def _read_message(members: Members, number: int, asked: _Asked) -> Message:
    wire_role = members.text("role")
    if wire_role is None:
        raise members.missing("role")
    form: list[str] = []
    parts, spelling = read_content(members, role=wire_role)
    form += [spelling] if spelling else []
    if wire_role in ("tool", "function"):
        return _read_result(members, wire_role, parts, (form, asked))
    if parts and not spelling:
        form += _move_cache(members, parts)
    if wire_role not in _ROLES:  # a host's own: it travels as a leftover, and as the nearest that all know
        members.rest["role"] = Raw(ENCODE(wire_role))
        wire_role = "user"
    if wire_role == "assistant":
        thinking, names = read_reasoning(members)
        parts = [*thinking, *_signed(members, parts), *_refusal(members), *_calls(members, number)]
        form += names
        form += ["no_calls"] if members.take_empty("tool_calls") else []
        asked.calls = [(part.id, part.name) for part in parts if isinstance(part, ToolCall)]
    name = members.word("name") or ""
    role = cast(Role, wire_role)
    return Message(role=role, parts=tuple(parts), name=name, form=" ".join(form), extras=members.rest)


def _move_cache(members: Members, parts: list[Part]) -> list[str]:
    """A mark on a message of plain words is one on the words."""
    cache, mark = take_cache(members)
    if cache and isinstance(parts[0], Text):
        parts[0] = replace(parts[0], cache=cache, form=mark)
        return ["cache"]
    return []


def _read_result(members: Members, role: str, parts: list[Part], context: tuple[list[str], _Asked]) -> Message:
    form, asked = context
    cache, mark = take_cache(members)
    name = members.word("name") or ""
    wire_id = members.text("tool_call_id") or ""
    call_id = asked.answered(wire_id, name)
    form += ["function"] if role == "function" else []
    form += [] if wire_id else ["no_id"]
    form += ["breakpoint"] if mark else []
    inner = cast("tuple[Text, ...]", tuple(parts))
    # a list of what a tool said; a function's or host's own parts ride along as they came
    result = ToolResult(call_id=call_id, parts=inner, name=name, cache=cache, form=" ".join(form))
    return Message(role="tool", parts=(result,), extras=members.rest)


def _signed(members: Members, parts: list[Part]) -> list[Part]:
    """Google signs words too, https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11)."""
    if parts and isinstance(parts[-1], Text) and (signature := take_signature(members)):
        return [*parts[:-1], replace(parts[-1], signature=unseal(signature, spoken="gemini"))]
    return parts


def take_signature(holder: Members) -> str | None:
    """The signature in `extra_content.google`, where Google's compatible API puts it."""
    if holder.shape("extra_content") != "an object":
        return None
    extra = Members(OBJECT.decode(holder.rest["extra_content"]), "")
    if extra.shape("google") != "an object":
        return None
    google = Members(OBJECT.decode(extra.rest["google"]), "")
    if google.shape("thought_signature") != "a string":
        return None
    signature = google.text("thought_signature")
    del extra.rest["google"], holder.rest["extra_content"]
    extra.keep("google", google)
    holder.keep("extra_content", extra)
    return signature


def _refusal(members: Members) -> list[Part]:
    text = members.word("refusal")
    return [] if text is None else [Refused(text=text)]


def _calls(members: Members, number: int) -> list[Part]:
    objects = members.objects("tool_calls")
    calls: list[Part] = [_read_call(call, f"call_{number}_{order}") for order, call in enumerate(objects)]
    function = members.object("function_call")
    if function is not None:
        arguments, _ = _arguments(function)
        name = function.text("name") or ""
        members.keep("function_call", function)
        calls.append(ToolCall(id=f"call_{number}", name=name, arguments=arguments, form="function_call"))
    return calls


def _read_call(call: Members, substitute: str) -> ToolCall:
    marks: list[str] = []
    call_id = call.word("id")
    if not call_id:
        marks.append("no_id" if call_id is None else "empty_id")
    bookkeeping = {name: call.rest.pop(name) for name in ("type", "index") if name in call.rest}
    is_custom = call.shape("custom") == "an object"
    holder_name = "custom" if is_custom else "function"
    holder = call.object(holder_name)
    if holder is None:
        raise call.missing("function")
    name = holder.text("name")
    if name is None:
        raise holder.missing("name")
    arguments, spelling = (holder.text("input") or "", "") if is_custom else _arguments(holder)
    marks += [spelling] if spelling else []
    call.keep(holder_name, holder)
    signature = take_signature(call)
    cache, mark = take_cache(call)
    marks += [mark] if mark else []
    form = ENCODE(bookkeeping) if bookkeeping or not is_custom else b""
    words = "" if form == _ORDINARY_CALL else form.decode()
    return ToolCall(
        id=call_id or substitute,
        name=name,
        arguments=arguments,
        is_custom=is_custom,
        cache=cache,
        signature=unseal(signature, spoken="gemini") if signature else None,
        form=" ".join([words, *marks]) if marks else words,
        extras=call.rest,
    )


def _arguments(function: Members) -> tuple[str, str]:
    """The arguments' JSON as text. Some hosts write the object itself."""
    match function.shape("arguments"):
        case "a string":
            return function.text("arguments") or "", ""
        case "an object":
            return bytes(function.rest.pop("arguments")).decode(), "object"
        case "":
            return "", "none"
        case "null":
            return "", ""
        case seen:
            raise invalid(function.at("arguments"), "a string", seen)
