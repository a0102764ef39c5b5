"""Turns of a request, read: contents and parts into messages. Must not know how they are written.

Gemini's function calls often have no id: each gets one from its place in the conversation, so that the same history
always reads the same, and the answers to them are matched by id, else by name and order.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from headgate.core.request import (
    Audio,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.dialects.gemini.ids import synthetic_id
from headgate.dialects.gemini.media import Media, kind_of, source_of_uri, type_of_url
from headgate.dialects.gemini.signatures import from_wire
from headgate.dialects.gemini.spelling import Fields
from headgate.dialects.gemini.wire import ANY, ARRAY, OBJECT, compact, is_list, is_null, is_string, raw_of, text_of

_ROLES: Final[dict[str, Role]] = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_WRAPPERS: Final = ("result", "output", "error")
"""The members whose value is what the function said (https://ai.google.dev/api/caching#FunctionResponse, 2026-11)."""


class Conversation:
    """The calls of one request so far, for ids and for matching results."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def called(self, name: str, told: str) -> str:
        """The id of a call: the one told, or one made from its place."""
        call_id = told or synthetic_id(self._count, name)
        self._count += 1
        self._open.append((call_id, name))
        return call_id

    def answered(self, name: str, told: str) -> str:
        """The id of the call that a result belongs to."""
        at = next((at for at, (call_id, _) in enumerate(self._open) if told and call_id == told), None)
        if at is None:
            at = next((at for at, (_, called) in enumerate(self._open) if called == name), None)
        if at is None:
            return self._unasked(name, told)
        return self._open.pop(at)[0]

    def _unasked(self, name: str, told: str) -> str:
        """The id of a result that no call asked for."""
        call_id = told or synthetic_id(self._count, name)
        self._count += 1
        return call_id


def string(raw: Raw | None) -> str:
    """A JSON string; empty when absent."""
    return "" if raw is None else str(ANY.decode(raw))


def items(raw: Raw, fields: Fields, mark: str) -> list[Raw]:
    """The members of a list; a single object may stand for a list of one."""
    if is_list(raw):
        return ARRAY.decode(raw)
    fields.mark(mark)
    return [raw]


def parse_system(raw: Raw) -> Message:
    """`systemInstruction`: a string or a content."""
    if is_string(raw):
        return Message(role="system", parts=(Text(text=string(raw)),), form="=string")
    fields = Fields(raw)
    parts = _parts(fields, Conversation())
    role = fields.take("role")
    if role is not None:
        fields.mark("=role", role)
    return Message(role="system", parts=parts, form=fields.form, extras=fields.left)


def parse_content(raw: Raw, conversation: Conversation) -> Message:
    """One turn. A turn of nothing but function results is a tool's."""
    fields = Fields(raw)
    parts = _parts(fields, conversation)
    told = fields.take("role")
    role: Role = _ROLES.get(string(told), "user") if told is not None else "user"
    if told is None:
        fields.mark("=norole")
    elif string(told) not in _ROLES:
        fields.left["role"] = told
    elif string(told) not in ("user", "model"):
        fields.mark("=role", told)
    if role == "user" and parts and all(isinstance(part, ToolResult) for part in parts):
        role = "tool"
    return Message(role=role, parts=parts, form=fields.form, extras=fields.left)


def _parts(fields: Fields, conversation: Conversation) -> tuple[Part, ...]:
    raw = fields.take("parts")
    if raw is None:
        fields.mark("=noparts")
        return ()
    return tuple(_part(item, conversation) for item in items(raw, fields, "=onepart"))


def _part(raw: Raw, conversation: Conversation) -> Part:
    fields = Fields(raw)
    for name, parse in _PARSERS.items():
        value = fields.take(name)
        if value is not None:
            return parse(value, fields, conversation)
    signature = fields.left.get("thoughtSignature") or fields.left.get("thought_signature")
    if signature is not None and not is_null(signature) and not set(fields.left) - _MARKS_ONLY:
        fields.mark("=bare")
        return _text(Raw(b'""'), fields, conversation)
    return Foreign(name=next(iter(fields.left.keys() - _MARKS_ONLY), "part"), raw=raw)


_MARKS_ONLY: Final = frozenset(("thought", "thoughtSignature", "thought_signature"))


def _signature(fields: Fields) -> tuple[Signature | None, bool]:
    raw = fields.take("thoughtSignature")
    return (None, False) if raw is None else from_wire(string(raw))


def _is_thought(fields: Fields) -> bool:
    raw = fields.take("thought")
    if raw is not None and raw == Raw(b"false"):
        fields.mark("=thought")
    return raw is not None and raw == Raw(b"true")


def _text(value: Raw, fields: Fields, _: Conversation) -> Part:
    is_thought = _is_thought(fields)
    signature, is_redacted = _signature(fields)
    text = string(value)
    if is_thought:
        return Reasoning(text=text, signature=signature, is_redacted=is_redacted, form=fields.form, extras=fields.left)
    return Text(text=text, signature=signature, form=fields.form, extras=fields.left)


def _inline(value: Raw, fields: Fields, _: Conversation) -> Media:
    blob = Fields(value)
    media_type, data = blob.take("mimeType"), blob.take("data")
    if media_type is None:
        blob.mark("=notype")
    if data is None:
        blob.mark("=nodata")
    fields.adopt("inlineData", blob)
    return _medium(Inline(string(media_type), string(data)), string(media_type), fields)


def _linked(value: Raw, fields: Fields, _: Conversation) -> Media:
    file = Fields(value)
    media_type, uri = file.take("mimeType"), file.take("fileUri")
    if uri is None:
        file.mark("=nouri")
    fields.adopt("fileData", file)
    source = source_of_uri(string(uri), string(media_type))
    return _medium(source, string(media_type) or type_of_url(string(uri)), fields)


def _medium(source: Inline | Link | FileId, media_type: str, fields: Fields) -> Media:
    if _false_thought(fields):
        fields.mark("=thought")
    match kind_of(media_type):
        case "image":
            return Image(source=source, form=fields.form, extras=fields.left)
        case "audio":
            return Audio(source=source, form=fields.form, extras=fields.left)
        case _:
            return File(source=source, form=fields.form, extras=fields.left)


def _false_thought(fields: Fields) -> bool:
    """Takes away a `thought` that only says no."""
    is_false = fields.left.get("thought") == Raw(b"false")
    if is_false:
        del fields.left["thought"]
    return is_false


def _call(value: Raw, fields: Fields, conversation: Conversation) -> ToolCall:
    call = Fields(value)
    told, name, arguments = call.take("id"), string(call.take("name")), call.take("args")
    if told is None:
        call.mark("=noid")
    fields.adopt("functionCall", call)
    if _false_thought(fields):
        fields.mark("=thought")
    signature, _ = _signature(fields)
    return ToolCall(
        id=conversation.called(name, string(told)),
        name=name,
        arguments="" if arguments is None else compact(arguments),
        signature=signature,
        form=fields.form,
        extras=fields.left,
    )


def _result(value: Raw, fields: Fields, conversation: Conversation) -> ToolResult:
    result = Fields(value)
    told, name = result.take("id"), string(result.take("name"))
    call_id = conversation.answered(name, string(told))
    if told is None:
        result.mark("=noid")
    elif call_id != string(told):
        result.mark("=id", told)
    parts: list[Text | Image | Audio | File | Foreign] = []
    response = result.take("response")
    is_error = response is not None and _said(response, result, parts)
    media = result.take("parts")
    if media is not None:
        parts += [_result_part(item) for item in items(media, result, "=onepart")]
    fields.adopt("functionResponse", result)
    if _false_thought(fields):
        fields.mark("=thought")
    return ToolResult(
        call_id=call_id,
        name=name,
        parts=tuple(parts),
        is_error=is_error,
        form=fields.form,
        extras=fields.left,
    )


def _said(response: Raw, result: Fields, parts: list[Text | Image | Audio | File | Foreign]) -> bool:
    """Adds what the function said as text; whether it is an error. One wrapped string is unwrapped."""
    members = OBJECT.decode(response)
    name = next(iter(members)) if len(members) == 1 else ""
    if name in _WRAPPERS and is_string(members[name]):
        result.mark("=in", raw_of(name))
        parts.append(Text(text=string(members[name])))
    else:
        parts.append(Text(text=text_of(response)))
    return name == "error"


def _result_part(raw: Raw) -> Media | Foreign:
    fields = Fields(raw)
    for name, parse in (("inlineData", _inline), ("fileData", _linked)):
        value = fields.take(name)
        if value is not None:
            return parse(value, fields, Conversation())
    return Foreign(name=next(iter(fields.left), "part"), raw=raw)


_PARSERS: Final[dict[str, Callable[[Raw, Fields, Conversation], Part]]] = {
    "text": _text,
    "functionCall": _call,
    "functionResponse": _result,
    "inlineData": _inline,
    "fileData": _linked,
}
