"""A request, read: Ollama's chat as words; and looked at, or patched, where it passes as it is.

A call streams unless it says otherwise: https://docs.ollama.com/api/streaming (2026-11).
"""

from typing import Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import Request
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bodies import top_level
from headgate.dialects.depth import check_depth
from headgate.dialects.members import Members, invalid, read_body
from headgate.dialects.ollama.knobs import read_knobs, read_tools
from headgate.dialects.ollama.messages import read_messages
from headgate.dialects.ollama.wire import ENCODE, NAME
from headgate.dialects.wishes import may_have_wishes

_FALSE: Final = Raw(b"false")


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The call that a client of this dialect makes."""
    members = read_body(body)
    form: list[str] = []
    messages = read_messages(_messages(members))
    model = members.text("model")
    is_stream = members.flag("stream")
    form += [] if is_stream is None else ["stream"]
    return Request(
        dialect=NAME,
        model=model or envelope.model,
        messages=messages,
        knobs=read_knobs(members, form),
        tools=read_tools(members, form),
        is_stream=is_stream is not False if envelope.is_stream is None else envelope.is_stream,
        form=" ".join(form),
        extras=members.rest,
    )


def _messages(members: Members) -> list[Members]:
    seen = members.shape("messages")
    if seen in ("", "null"):
        raise members.missing("messages")
    if seen != "an array":
        raise invalid("messages", "an array of objects", seen)
    objects = members.objects("messages")
    if not objects:
        raise InvalidRequest(
            "'messages' must have at least one message: models are loaded and unloaded at Ollama itself",
            param="messages",
        )
    return objects


class _Function(Struct, gc=False):
    name: str
    arguments: dict[str, Raw] | None = None


class _Call(Struct, gc=False):
    function: _Function


class _Message(Struct, gc=False):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None


class _Schema(Struct, gc=False):
    name: str
    parameters: dict[str, Raw] | None = None
    description: str | None = None


class _Tool(Struct, gc=False):
    function: _Schema


class _Options(Struct, gc=False):
    num_predict: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class _Body(Struct, gc=False):
    """Every member that `parse_request` may refuse, at least as strict: what does not fit is left to it."""

    messages: list[_Message]
    model: str | None = None
    stream: bool | None = None
    options: _Options | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[_Tool] | None = None
    format: Raw | None = None
    think: Raw | None = None


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
    asks = seen.tools or seen.format or seen.think or any(message.images for message in seen.messages)
    if asks or not seen.messages:
        return _parsed_head(body, envelope)
    is_stream = seen.stream is not False if envelope.is_stream is None else envelope.is_stream
    limit = seen.options.num_predict if seen.options is not None else None
    return Head(
        model=seen.model or envelope.model,
        is_stream=is_stream,
        max_tokens=None if limit is None or limit < 0 else limit,
        has_wishes=may_have_wishes(body),
    )


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
    if target.is_stream and wire.get("stream") == _FALSE:
        wire["stream"] = True
    elif not target.is_stream and wire.get("stream") != _FALSE:
        wire["stream"] = False
    return ENCODE(wire)
