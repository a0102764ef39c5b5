"""The messages of a request, read: roles, tool calls and plans, tool results, and documents."""

from collections.abc import Sequence
from typing import Final, cast

from msgspec import Raw

from headgate.core.request import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from headgate.dialects.cohere.content import read_content, read_document
from headgate.dialects.cohere.wire import ENCODE, PLAN
from headgate.dialects.members import Members, invalid

DOCUMENTS: Final = "documents"
"""The form of a message that is the request's `documents`: to every other service, something the user showed."""

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})


def read_messages(objects: Sequence[Members]) -> list[Message]:
    """All messages, in order."""
    return [_read_message(members, number) for number, members in enumerate(objects)]


def with_documents(messages: Sequence[Message], body: Members) -> tuple[Message, ...]:
    """The messages, with the documents shown to the model before the talk begins."""
    raws = body.array("documents")
    if not raws:
        return tuple(messages)
    documents = tuple(read_document(raw, f"documents[{i}]") for i, raw in enumerate(raws))
    at = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    return (*messages[:at], Message(role="user", parts=documents, form=DOCUMENTS), *messages[at:])


def _read_message(members: Members, number: int) -> Message:
    role = members.text("role")
    if role is None:
        raise members.missing("role")
    parts, spelling = read_content(members, role=role)
    form = [spelling] if spelling else []
    if role == "tool":
        return _read_result(members, parts, form)
    if role not in _ROLES:  # one that we do not know yet travels as a leftover, and as the nearest that all know
        members.rest["role"] = Raw(ENCODE(role))
        role = "user"
    if role == "assistant":
        calls = [_read_call(call, f"call_{number}_{i}") for i, call in enumerate(members.objects("tool_calls"))]
        parts = [*_plan(members, form), *parts, *calls]
        form += [f"no_{name}" for name in ("tool_calls", "citations") if members.take_empty(name)]
    return Message(role=cast(Role, role), parts=tuple(parts), form=" ".join(form), extras=members.rest)


def _plan(members: Members, form: list[str]) -> list[Part]:
    text = members.text("tool_plan")
    if text:
        return [Reasoning(text=text, form=PLAN)]
    form += [] if text is None else ["no_tool_plan"]
    return []


def _read_call(call: Members, substitute: str) -> ToolCall:
    marks: list[str] = []
    call_id = call.word("id")
    marks += [] if call_id else ["no_id" if call_id is None else "empty_id"]
    if bytes(call.rest.get("type", b"")) == b'"function"':
        del call.rest["type"]
    elif "type" not in call.rest:
        marks.append("untyped")
    holder = call.object("function")
    if holder is None:
        raise call.missing("function")
    name = holder.text("name")
    if name is None:
        raise holder.missing("name")
    arguments, mark = _arguments(holder)
    marks += [mark] if mark else []
    call.keep("function", holder)
    return ToolCall(id=call_id or substitute, name=name, arguments=arguments, form=" ".join(marks), extras=call.rest)


def _arguments(function: Members) -> tuple[str, str]:
    match function.shape("arguments"):
        case "a string":
            return function.text("arguments") or "", ""
        case "an object":
            return bytes(function.rest.pop("arguments")).decode(), "object"
        case "" | "null" as seen:
            return "", "" if seen else "none"
        case seen:
            raise invalid(function.at("arguments"), "a string", seen)


def _read_result(members: Members, parts: list[Part], form: list[str]) -> Message:
    call_id = members.text("tool_call_id")
    form += [] if call_id is not None else ["no_id"]
    inner = cast("tuple[Text, ...]", tuple(parts))
    return Message(
        role="tool",
        parts=(ToolResult(call_id=call_id or "", parts=inner, form=" ".join(form)),),
        extras=members.rest,
    )
