"""The messages of a request, read: words, pictures, thinking, calls and their results."""

from typing import Final, cast

from msgspec import Raw, Struct

from headgate.core.request import Image, Inline, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from headgate.dialects.members import Members, invalid
from headgate.dialects.ollama.wire import ENCODE, media_type_of

_ROLES: Final = frozenset({"system", "user", "assistant", "tool"})


class _Asked(Struct):
    """Calls that nobody has answered yet, as (id, name)."""

    calls: list[tuple[str, str]]

    def answered(self, call_id: str, name: str) -> str:
        """The id of the call that a result answers: told, else of the call of that name, else of the first."""
        by_name = [call for call in self.calls if call[1] == name]
        known = [call for call in self.calls if call[0] == call_id] if call_id else by_name or self.calls
        for call in known[:1]:
            self.calls.remove(call)
            return call[0]
        return call_id


def read_messages(objects: list[Members]) -> tuple[Message, ...]:
    """All messages, in order."""
    asked = _Asked([])
    return tuple(_read_message(members, number, asked) for number, members in enumerate(objects))


def _read_message(members: Members, number: int, asked: _Asked) -> Message:
    role = members.text("role")
    if role is None:
        raise members.missing("role")
    form: list[str] = []
    parts = _words(members, form)
    form += ["no_images"] if members.take_empty("images") else []
    parts += [_image(raw, f"{members.at('images')}[{i}]") for i, raw in enumerate(members.array("images"))]
    if role == "tool":
        return _read_result(members, parts, (form, asked))
    if role not in _ROLES:  # one that we do not know yet travels as a leftover, and as the nearest that all know
        members.rest["role"] = Raw(ENCODE(role))
        role = "user"
    if role == "assistant":
        calls = [_read_call(call, f"call_{number}_{i}") for i, call in enumerate(members.objects("tool_calls"))]
        form += ["no_calls"] if members.take_empty("tool_calls") else []
        parts = [*_thinking(members, form), *parts, *calls]
        asked.calls = [(call.id, call.name) for call in calls]
    return Message(role=cast(Role, role), parts=tuple(parts), form=" ".join(form), extras=members.rest)


def _words(members: Members, form: list[str]) -> list[Part]:
    text = members.text("content")
    form += ["empty"] if text == "" else []
    return [Text(text=text)] if text else []


def _thinking(members: Members, form: list[str]) -> list[Part]:
    text = members.text("thinking")
    form += ["thoughtless"] if text == "" else []
    return [Reasoning(text=text)] if text else []


def _image(raw: Raw, path: str) -> Image:
    data = Members({path: raw}, "").text(path)
    if data is None:
        raise invalid(path, "base64 text", "null")
    return Image(source=Inline(media_type_of(data), data))


def _read_call(call: Members, substitute: str) -> ToolCall:
    marks: list[str] = []
    call_id = call.word("id")
    marks += [] if call_id else ["no_id" if call_id is None else "empty_id"]
    holder = call.object("function")
    if holder is None:
        raise call.missing("function")
    name = holder.text("name")
    if name is None:
        raise holder.missing("name")
    arguments = ""
    match holder.shape("arguments"):
        case "an object":
            arguments = bytes(holder.rest.pop("arguments")).decode()
        case "a string":
            arguments = holder.text("arguments") or ""
            marks.append("text")
        case "" | "null":
            marks.append("none")
        case seen:
            raise invalid(holder.at("arguments"), "an object", seen)
    call.keep("function", holder)
    return ToolCall(id=call_id or substitute, name=name, arguments=arguments, form=" ".join(marks), extras=call.rest)


def _read_result(members: Members, parts: list[Part], context: tuple[list[str], _Asked]) -> Message:
    form, asked = context
    name, wire_id = members.word("tool_name"), members.word("tool_call_id")
    form += [] if name is not None else ["no_name"]
    form += [] if wire_id is not None else ["no_id"]
    result = ToolResult(
        call_id=asked.answered(wire_id or "", name or ""),
        name=name or "",
        parts=cast("tuple[Text | Image, ...]", tuple(parts)),
        form=" ".join(form),
    )
    return Message(role="tool", parts=(result,), extras=members.rest)
