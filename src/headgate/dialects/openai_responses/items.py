"""Input items, read into turns: what the model said in a row becomes one message. Must not know settings."""

from collections.abc import Callable, Sequence
from typing import Final, cast

from msgspec import Raw, structs

from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Audio,
    File,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    Refused,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.core.signatures import unseal
from headgate.dialects.openai_responses.content import DEFAULT_TEXT, ContentPart, parse_part
from headgate.dialects.openai_responses.reading import Node, fault, missing, read, read_members
from headgate.dialects.openai_responses.sealing import unwrap
from headgate.dialects.openai_responses.wire import (
    ELEMENTS,
    NAME,
    NULL,
    TEXT,
    Members,
    encoded,
    members_of,
    raw_is,
    spelling,
    text_of,
)

AS_TEXT: Final = encoded("string")
"""In a form under `content` or `output`: it was a bare string, not an array."""
ITEM: Final = "item"
"""As a message's form: its one part is an item by itself."""

_ROLES: Final = ("user", "assistant", "system", "developer")
_SPELLING: Final = ("type", "id", "status")

# Traces of tools that the provider ran: what they found is in the words that follow. Any other item unknown
# elsewhere (a tool's result that the caller gives, a reference to stored state) would change the call if left out.
_DISPENSABLE: Final = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "mcp_call",
        "x_search_call",
    }
)


class Turns:
    """Gathers items into messages."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        self._said: list[Part] = []

    def say(self, *parts: Part) -> None:
        """Adds to the model's turn."""
        self._said.extend(parts)

    def sign(self, signature: Signature) -> None:
        """Puts a signature that travelled behind its part back on it."""
        if self._said and isinstance(part := self._said[-1], Text | ToolCall):
            self._said[-1] = structs.replace(part, signature=signature)

    def add(self, message: Message) -> None:
        """Ends the model's turn and adds another's."""
        self.close()
        self.messages.append(message)

    def close(self) -> None:
        """Ends the model's turn."""
        if self._said:
            self.messages.append(Message(role="assistant", parts=tuple(self._said)))
            self._said = []


def parse_items(raws: Sequence[Raw], messages: list[Message]) -> None:
    """Adds the turns that the elements of `input` tell."""
    turns = Turns(messages)
    for index, raw in enumerate(raws):
        node = read_members(raw, f"input[{index}]")
        kind = text_of(node.rest.get("type")) or ("" if "role" not in node.rest else "message")
        if not kind and "id" not in node.rest:
            raise missing(node.at("role"), 'a message has a role and a content, another item a "type".')
        parser = _PARSERS.get(kind)
        if parser is not None:
            parser(node, raw, turns)
        else:
            _foreign(kind or "item_reference", node, raw, turns)
    turns.close()


def _foreign(kind: str, node: Node, raw: Raw, turns: Turns) -> None:
    part = Foreign(name=kind, raw=raw, is_feature=kind not in _DISPENSABLE)
    role = text_of(node.rest.get("role"))
    if kind.endswith(("_output", "_response")):
        turns.add(Message(role="tool", parts=(part,), form=ITEM))
    elif role in _ROLES and role != "assistant":
        turns.add(Message(role=cast("Role", role), parts=(part,), form=ITEM))
    else:
        turns.say(part)


def _message(node: Node, raw: Raw, turns: Turns) -> None:
    role = node.text("role")
    if role is None:
        raise missing(node.at("role"), "say who speaks: user, assistant, system or developer.")
    if role not in _ROLES:
        path = node.at("role")
        raise InvalidRequest(f"`{path}` must be one of {', '.join(_ROLES)}, not {role!r}.", param=path)
    form = node.keep(*_SPELLING)
    parts = _parts(node, form, "output_text" if role == "assistant" else DEFAULT_TEXT)
    if role == "assistant":
        _say(parts, form, node.rest, raw, turns)
        return
    turns.add(Message(role=cast("Role", role), parts=tuple(parts), form=spelling(form), extras=node.rest))


def _parts(node: Node, form: Members, text_type: str) -> list[ContentPart]:
    content = node.raw("content")
    if content is None:
        return []
    if raw_is(content, b'"'):
        form["content"] = AS_TEXT
        return [Text(text=read(TEXT, content, node.at("content"), "a string"))]
    if not raw_is(content, b"["):
        raise fault(node.at("content"), "a string or an array of parts", content)
    elements = read(ELEMENTS, content, node.at("content"), "an array")
    if not elements:
        form["content"] = content
    return [parse_part(part, f"{node.path}.content[{index}]", text_type) for index, part in enumerate(elements)]


def _say(parts: list[ContentPart], form: Members, extras: Members, raw: Raw, turns: Turns) -> None:
    """An assistant's message item: its own members go with its first part, which so marks where it begins."""
    words = [part for part in parts if isinstance(part, Text | Refused)]
    if not words or len(words) < len(parts):
        turns.say(Foreign(name="message", raw=raw, is_feature=bool(parts)))
        return
    first = words[0]
    item = spelling({ITEM: encoded(form), **members_of_form(first.form)})
    leftovers = {f"message.{name}": value for name, value in extras.items()}
    turns.say(structs.replace(first, form=item, extras={**first.extras, **leftovers}), *words[1:])


def members_of_form(form: str) -> Members:
    """A form's members, to be added to."""
    return members_of(Raw(form.encode())) if form else {}


def _call(node: Node, raw: Raw, turns: Turns) -> None:
    is_custom = text_of(node.rest.get("type")) == "custom_tool_call"
    call_id, name = node.text("call_id"), node.text("name")
    if call_id is None:
        raise missing(node.at("call_id"), "a tool call has the id that its output names.")
    if name is None:
        raise missing(node.at("name"), "a tool call names its tool.")
    arguments = node.text("input" if is_custom else "arguments") or ""
    namespace = text_of(node.rest.get("namespace"))
    if namespace:
        del node.rest["namespace"]
    del node.rest["type"]
    turns.say(
        ToolCall(
            id=call_id,
            name=name,
            namespace=namespace,
            arguments=arguments,
            is_custom=is_custom,
            form=spelling(node.keep("id", "status")),
            extras=node.rest,
        )
    )


def _result(node: Node, raw: Raw, turns: Turns) -> None:
    form = node.keep(*_SPELLING, "namespace") | node.keep_empty("name")  # the call has told its namespace
    call_id = node.text("call_id")
    if call_id is None and "call_id" not in node.rest:
        raise missing(node.at("call_id"), "an output names the call that it answers.")
    name = node.text("name") or ""
    output = node.raw("output")
    parts: list[Text | Image | Audio | File | Foreign] = []
    if output is not None and raw_is(output, b'"'):
        form["output"] = AS_TEXT
        parts.append(Text(text=read(TEXT, output, node.at("output"), "a string")))
    elif output is not None:
        elements = read(ELEMENTS, output, node.at("output"), "a string or an array of parts")
        for index, element in enumerate(elements):
            part = parse_part(element, f"{node.path}.output[{index}]", DEFAULT_TEXT)
            parts.append(Foreign(name="refusal", raw=element) if isinstance(part, Refused) else part)
    result = ToolResult(call_id=call_id or "", name=name, parts=tuple(parts), form=spelling(form), extras=node.rest)
    turns.add(Message(role="tool", parts=(result,)))


def _reasoning(node: Node, raw: Raw, turns: Turns) -> None:
    summary, content = node.array("summary"), node.array("content")
    form: Members = {}
    if summary is not None:
        form["summary"] = encoded(summary)
    if content is not None:
        form["content"] = encoded(content)
    sealed = node.text("encrypted_content")
    signature = unseal(sealed, spoken=NAME) if sealed else None
    is_redacted = False
    if signature is not None and signature.minted_by != NAME:
        signature, mark = unwrap(signature)
        if mark.is_behind:
            turns.sign(signature)
            return
        is_redacted = mark.is_redacted
    del node.rest["type"]
    form |= node.keep("id", "status")
    if node.rest.get("encrypted_content") == NULL:
        form |= node.keep("encrypted_content")
    turns.say(
        Reasoning(
            text=joined(content or [], summary or []),
            signature=signature,
            is_redacted=is_redacted,
            form=spelling(form),
            extras=node.rest,
        )
    )


def joined(*segments: list[Raw]) -> str:
    """The words of reasoning segments, a blank line between them."""
    return "\n\n".join(text_of(members_of(raw).get("text")) for some in segments for raw in some)


_PARSERS: Final[dict[str, Callable[[Node, Raw, Turns], None]]] = {
    "message": _message,
    "function_call": _call,
    "custom_tool_call": _call,
    "function_call_output": _result,
    "custom_tool_call_output": _result,
    "reasoning": _reasoning,
}
