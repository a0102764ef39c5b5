"""A request, read: Cohere's chat as words; and looked at, or patched, where it passes as it is."""

from typing import Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import Request
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bodies import top_level
from headgate.dialects.cohere.knobs import read_choice, read_knobs, read_tools
from headgate.dialects.cohere.messages import read_messages, with_documents
from headgate.dialects.cohere.wire import ENCODE, NAME
from headgate.dialects.depth import check_depth
from headgate.dialects.members import Members, invalid, read_body
from headgate.dialects.wishes import may_have_wishes

_TRUE: Final = Raw(b"true")


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The call that a client of this dialect makes."""
    members = read_body(body)
    form: list[str] = []
    messages = read_messages(_messages(members))
    model = members.text("model")
    is_stream = members.flag("stream")
    form += [] if is_stream is not False else ["stream"]
    form += ["no_documents"] if members.take_empty("documents") else []
    return Request(
        dialect=NAME,
        model=model or envelope.model,
        messages=with_documents(messages, members),
        knobs=read_knobs(members, form),
        tools=read_tools(members, form),
        tool_choice=read_choice(members),
        is_stream=bool(is_stream) if envelope.is_stream is None else envelope.is_stream,
        form=" ".join(form),
        extras=members.rest,
    )


def _messages(members: Members) -> list[Members]:
    seen = members.shape("messages")
    if seen in ("", "null") and "message" in members.rest:
        raise InvalidRequest(
            "'messages' is required; a body with 'message' is for the first version of the API, "
            "which Cohere has retired: send 'messages'",
            param="messages",
        )
    if seen in ("", "null"):
        raise members.missing("messages")
    if seen != "an array":
        raise invalid("messages", "an array of objects", seen)
    objects = members.objects("messages")
    if not objects:
        raise InvalidRequest("'messages' must have at least one message", param="messages")
    return objects


class _Part(Struct, gc=False):
    type: str
    text: str | None = None


class _Function(Struct, gc=False):
    name: str
    arguments: str | None = None


class _Call(Struct, gc=False):
    function: _Function


class _Message(Struct, gc=False):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    tool_plan: str | None = None


class _Schema(Struct, gc=False):
    name: str
    parameters: dict[str, Raw] | None = None
    description: str | None = None


class _Tool(Struct, gc=False):
    function: _Schema
    type: str | None = None


class _Format(Struct, gc=False):
    type: str | None = None


class _Thinking(Struct, gc=False):
    token_budget: int | None = None


class _Body(Struct, gc=False):
    """Every member that `parse_request` may refuse, at least as strict: what does not fit is left to it."""

    messages: list[_Message]
    model: str | None = None
    stream: bool | None = None
    documents: tuple[()] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    p: float | None = None
    k: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    response_format: _Format | None = None
    thinking: _Thinking | None = None
    tools: list[_Tool] | None = None
    strict_tools: bool | None = None


_BODY: Final = Decoder(_Body)


def peek(body: bytes, envelope: Envelope) -> Head:
    """What must be known of a body that passes as it is; refuses what `parse_request` refuses."""
    check_depth(body)
    try:
        if not body.isascii():
            body.decode()
        seen = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parsed_head(body, envelope)
    asks = seen.tools or seen.response_format or seen.thinking
    if asks or not seen.messages or not _is_plain(seen.messages):
        return _parsed_head(body, envelope)
    is_stream = bool(seen.stream) if envelope.is_stream is None else envelope.is_stream
    return Head(
        model=seen.model or envelope.model,
        is_stream=is_stream,
        max_tokens=seen.max_tokens,
        has_wishes=may_have_wishes(body),
    )


def _is_plain(messages: list[_Message]) -> bool:
    """Whether there are words only; of the other parts, a doubt is `parse_request`'s to settle."""
    parts = (part for message in messages if type(message.content) is list for part in message.content)
    return all(part.type == "text" and part.text is not None for part in parts)


def _parsed_head(body: bytes, envelope: Envelope) -> Head:
    """The slow way: with its complaint, if there is one, and with all that the call needs."""
    request = parse_request(body, envelope)
    return Head(
        model=request.model,
        is_stream=request.is_stream,
        max_tokens=request.knobs.max_tokens,
        needs=needs_of(request),
        has_wishes=may_have_wishes(body),
    )


def patch(body: bytes, target: Target) -> bytes:
    """The body with the model and the stream flag put in; the rest byte for byte."""
    wire = cast("dict[str, object]", top_level(body))
    if target.model:
        wire["model"] = target.model
    if target.is_stream and wire.get("stream") != _TRUE:
        wire["stream"] = True
    elif not target.is_stream and wire.get("stream") == _TRUE:
        wire["stream"] = False
    return ENCODE(wire)
