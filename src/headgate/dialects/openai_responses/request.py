"""Requests of the Responses API: read, peeked at, patched. The other way is in `rendering`."""

from typing import Final, cast

import msgspec
from msgspec import Raw

from headgate.core.needs import needs_of
from headgate.core.request import Foreign, Message, Request, Text
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bodies import top_level
from headgate.dialects.kept import may_refer, references
from headgate.dialects.openai_responses.items import parse_items
from headgate.dialects.openai_responses.needs import needs_in
from headgate.dialects.openai_responses.quirks import QUIRKS
from headgate.dialects.openai_responses.reading import Node, check_body, fault, missing, read, read_body
from headgate.dialects.openai_responses.rendering import INPUT, INSTRUCTIONS, STATE_FORM, render_request
from headgate.dialects.openai_responses.settings import STATE, parse_knobs, state_of
from headgate.dialects.openai_responses.tools import parse_tool_choice, parse_tools
from headgate.dialects.openai_responses.wire import (
    ELEMENTS,
    EMPTY_LIST,
    ENCODER,
    NAME,
    NOTHING,
    NULL,
    REQUEST_HEAD,
    TEXT,
    ItemHead,
    Members,
    PartHead,
    RequestHead,
    ToolHead,
    raw_is,
    spelling,
    spelt,
)
from headgate.dialects.wishes import may_have_wishes

_NOT_THERE: Final = (NOTHING, NULL)
_SEALED_ABROAD: Final = b'"~hg.'
_PLAIN_PARTS: Final = frozenset({"input_text", "output_text", "text"})
_REFERRING: Final = (b"file_id", b"previous_response_id", b"conversation", b"vector_store_ids")
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The canonical request; every member without a canonical meaning stays in some node's extras."""
    node = read_body(body)
    model = node.text("model") or envelope.model
    if not model and node.rest.get("prompt", NULL) == NULL:  # a stored prompt may name the model itself
        raise missing("model", "name the model that is to answer.")
    form: Members = {}
    is_stream = bool(node.flag("stream")) if node.rest.get("stream") != Raw(b"false") else False
    knobs = parse_knobs(node, form)
    tools = parse_tools(node, form)
    return Request(
        dialect=NAME,
        model=model,
        tool_choice=parse_tool_choice(node),
        messages=tuple(_messages(node)),
        tools=tools,
        knobs=knobs,
        is_stream=is_stream,
        form=spelling(form),
        extras=node.rest,
    )


def _messages(node: Node) -> list[Message]:
    messages: list[Message] = []
    state = state_of(node)
    if state:
        parts = tuple(Foreign(name=name, raw=raw, is_feature=True) for name, raw in state.items())
        messages.append(Message(role="system", parts=parts, form=STATE_FORM))
    instructions = node.text("instructions")
    if instructions is not None:
        messages.append(Message(role="system", parts=(Text(text=instructions),), form=INSTRUCTIONS))
    raw = node.raw("input")
    if raw is None:
        if not state:
            raise missing("input", "send the prompt as a string, or an array of items.")
    elif raw_is(raw, b'"'):
        text = read(TEXT, raw, "input", "a string")
        messages.append(Message(role="user", parts=(Text(text=text),), form=INPUT))
    elif raw_is(raw, b"["):
        if raw == EMPTY_LIST:
            node.rest["input"] = raw
        parse_items(read(ELEMENTS, raw, "input", "an array"), messages)
    else:
        raise fault("input", "a string or an array of items", raw)
    return messages


def peek(body: bytes, envelope: Envelope) -> Head:
    """The head of a valid request; what the quick look does not know for sure, `parse_request` judges."""
    check_body(body)
    try:
        head = REQUEST_HEAD.decode(body)
    except (msgspec.DecodeError, ValueError):
        head = None
    if head is None or not _is_plain(head):
        request = parse_request(body, envelope)
        return Head(
            model=request.model,
            is_stream=request.is_stream,
            max_tokens=request.knobs.max_tokens,
            needs=needs_of(request),
            has_wishes=may_have_wishes(body),
            refers=references(body) if may_refer(body, *_REFERRING) else (),
            is_kept=is_kept(request),
            home=_home(top_level(body)),
        )
    needs, refers = needs_in(head)
    return Head(
        model=head.model,
        is_stream=bool(head.stream),
        max_tokens=head.max_output_tokens,
        needs=needs,
        has_wishes=not (head.models is head.provider is head.max_price is head.max_cost_usd is NOTHING),
        refers=references(body) if refers else (),
        is_kept=head.store is not False,
        home=_home_of(head),
    )


def _home(members: Members) -> str:
    """The first member that asks for what only a service of this dialect keeps."""
    is_background = members.get("background") == Raw(b"true")
    return next((name for name in STATE if members.get(name, NULL) != NULL), "background" if is_background else "")


def _home_of(head: RequestHead) -> str:
    """The same, of what the quick look sees; a stored prompt is left to whoever has to do without it."""
    if head.background:
        return "background"
    if head.previous_response_id not in _NOT_THERE:
        return "previous_response_id"
    return "conversation" if head.conversation not in _NOT_THERE else ""


def is_kept(request: Request) -> bool:
    """Whether the service will keep the answer: it does, unless it is told not to."""
    return "store" not in spelt(request.form)


def _is_plain(head: RequestHead) -> bool:
    """Whether the quick look is enough: what it accepts, `parse_request` accepts."""
    if not head.model or head.input is None:
        return False
    if head.tools is not None and not all(map(_is_plain_tool, head.tools)):
        return False
    return isinstance(head.input, str) or all(map(_is_plain_item, head.input))


def _is_plain_tool(tool: ToolHead) -> bool:
    return tool.type != "function" or (tool.name is not None and not len(memoryview(tool.function)))


def _is_plain_item(item: ItemHead) -> bool:
    kind, content = item.type, item.content
    if kind in _CALLS:
        return item.call_id is not None and item.name is not None
    if kind is None or kind == "message":
        return item.role is not None and (not isinstance(content, list) or all(map(_is_plain_part, content)))
    if kind in _OUTPUTS:
        return item.call_id is not None and (not isinstance(item.output, list) or all(map(_is_plain_part, item.output)))
    return kind != "reasoning" or not isinstance(content, str)


def _is_plain_part(part: PartHead) -> bool:
    return part.type not in _PLAIN_PARTS or part.text is not None


def patch(body: bytes, target: Target) -> bytes:
    """The same body for `target.model`: every other member byte for byte.

    Usage always comes, so nothing need be asked for. A conversation that holds another service's proofs cannot pass
    as it is (OpenAI refuses an `encrypted_content` that it did not make): it is rendered without them.
    """
    if _SEALED_ABROAD in body:
        request = parse_request(body, Envelope())
        target = msgspec.structs.replace(target, is_stream=request.is_stream)
        return render_request(request, target, set())
    members = cast("dict[str, object]", top_level(body))
    if target.model:
        members["model"] = target.model
    for name in target.quirks:
        members = QUIRKS[name].apply(members)
    return ENCODER.encode(members)
