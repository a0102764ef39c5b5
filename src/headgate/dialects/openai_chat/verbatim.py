"""What passes unconverted: a body looked at, a body patched, and the one event of a stream that is withheld."""

import re
from collections.abc import Iterator
from typing import Final, cast

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from headgate.core.needs import NO_NEEDS, PDF, Ability, Needs, names_pdf, needing, needs_of
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bodies import top_level
from headgate.dialects.depth import check_depth
from headgate.dialects.kept import may_refer, references
from headgate.dialects.openai_chat.quirks import QUIRKS, Wire, raw_of
from headgate.dialects.openai_chat.request import parse_request
from headgate.dialects.openai_chat.wire import ENCODE, OBJECT
from headgate.dialects.sse import EVENT_BYTES_MAX
from headgate.dialects.wishes import may_have_wishes

_NONE: Final = Raw()


class _Url(Struct, gc=False):
    url: str


class _Sound(Struct, gc=False):
    data: str
    format: str | None = None


class _File(Struct, gc=False):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _Part(Struct, gc=False):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | _Url | None = None
    video_url: str | _Url | None = None
    file_url: str | _Url | None = None
    input_audio: str | _Sound | None = None
    file: _File | None = None
    document_url: str | None = None
    document_name: str | None = None


class _Function(Struct, gc=False):
    name: str
    arguments: str | dict[str, Raw] | None = None


class _Call(Struct, gc=False):
    function: _Function


class _Legacy(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Raw] | None = None


class _Message(Struct, gc=False):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    function_call: _Legacy | None = None


class _Schema(Struct, gc=False):
    name: str
    parameters: dict[str, Raw] | None = None
    description: str | None = None
    strict: bool | None = None


class _Tool(Struct, gc=False):
    function: _Schema | None = None
    type: str | None = None


class _Options(Struct, gc=False):
    include_usage: bool | None = None


class _Named(Struct, gc=False):
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    mode: str | None = None


class _Choice(Struct, gc=False):
    type: str | None = None
    name: str | None = None
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Named | None = None


class _Format(Struct, gc=False):
    type: str | None = None
    json_schema: _Named | None = None
    value: dict[str, Raw] | None = None


class _Thinking(Struct, gc=False):
    max_tokens: int | None = None
    budget_tokens: int | None = None
    type: str | None = None
    effort: str | None = None
    enabled: bool | None = None


class _Body(Struct, gc=False):
    """Every member that `parse_request` may refuse, at least as strict: what does not fit is left to it."""

    messages: list[_Message]
    model: str | None = None
    stream: bool | None = None
    store: bool | None = None
    stream_options: _Options | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int | None = None
    seed: int | None = None
    random_seed: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    user: str | None = None
    reasoning_effort: str | None = None
    reasoning: _Thinking | None = None
    thinking: _Thinking | None = None
    thinking_budget: int | None = None
    enable_thinking: bool | None = None
    response_format: _Format | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    functions: list[_Schema] | None = None
    function_call: str | _Named | None = None
    models: Raw = _NONE
    provider: Raw = _NONE
    max_price: Raw = _NONE
    max_cost_usd: Raw = _NONE


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
    kinds = _kinds(seen) if seen.messages else None
    if kinds is None:
        return _parsed_head(body, envelope)
    is_stream = bool(seen.stream) if envelope.is_stream is None else envelope.is_stream
    asked = seen.stream_options is not None and seen.stream_options.include_usage
    return Head(
        model=seen.model or envelope.model,
        is_stream=is_stream,
        wants_usage=bool(asked) or not is_stream,
        max_tokens=seen.max_tokens if seen.max_completion_tokens is None else seen.max_completion_tokens,
        needs=_needs(seen, kinds),
        has_wishes=not (seen.models is seen.provider is seen.max_price is seen.max_cost_usd is _NONE),
        refers=references(body) if "file" in kinds else (),
        is_kept=seen.store is True,
    )


def _kinds(seen: _Body) -> set[str] | None:
    """The kinds of parts, if each has what its type promises; None is a doubt for `parse_request` to settle."""
    kinds: set[str] = set()
    for message in seen.messages:
        content = message.content
        if type(content) is list:
            for part in content:
                kinds.add(part.type)
                if part.type in _PROMISES and getattr(part, part.type) is None:
                    return None
    for tool in seen.tools or ():
        if tool.function is None and tool.type in (None, "function"):
            return None
    return kinds


def _needs(seen: _Body, kinds: set[str]) -> Needs:
    found: set[Ability] = {_MEDIA[kind] for kind in kinds if kind in _MEDIA} if kinds else set()
    if seen.tools or seen.functions:
        found.add("tools")
    if seen.response_format is not None and (seen.response_format.type == "json_schema" or seen.response_format.value):
        found.add("json_schema")
    if (seen.reasoning_effort or seen.reasoning or seen.thinking or seen.enable_thinking) and _is_thinking(seen):
        found.add("reasoning")
    if not kinds.isdisjoint(_FILES) and any(map(_has_pdf, seen.messages)):
        found.add("pdf")
    return needing(frozenset(found)) if found else NO_NEEDS


def _is_thinking(seen: _Body) -> bool:
    """Whether the model is told to think, by the first of the spellings that is used."""
    if seen.reasoning_effort:
        return seen.reasoning_effort != "none"
    told = seen.reasoning or seen.thinking
    if told is None:
        return True
    is_off = told.enabled is False or told.type == "disabled" or told.effort == "none"
    return not is_off and (told.max_tokens if told.budget_tokens is None else told.budget_tokens) != 0


def _has_pdf(message: _Message) -> bool:
    return type(message.content) is list and any(
        text.startswith(f"data:{PDF}") or names_pdf(text) for part in message.content for text in _files(part)
    )


def _files(part: _Part) -> Iterator[str]:
    """What names or holds a file: OpenAI's own way, and those of Mistral and Perplexity."""
    if (file := part.file) is not None:
        yield from filter(None, (file.file_data, file.filename))
    yield from filter(None, (part.document_url, part.document_name))
    if (url := part.file_url) is not None:
        yield url if isinstance(url, str) else url.url


_FILES: Final = frozenset({"file", "document_url", "file_url"})
_MEDIA: Final[dict[str, Ability]] = {"image_url": "image", "input_audio": "audio"}


_PROMISES: Final = frozenset({"text", "image_url", "video_url", "file_url", "input_audio", "file", "refusal"})


def _parsed_head(body: bytes, envelope: Envelope) -> Head:
    """The slow way: with its complaint, if there is one."""
    request = parse_request(body, envelope)
    return Head(
        model=request.model,
        is_stream=request.is_stream,
        wants_usage=request.wants_usage,
        max_tokens=request.knobs.max_tokens,
        needs=needs_of(request),
        has_wishes=may_have_wishes(body),
        refers=references(body) if may_refer(body, b"file_id") else (),
        is_kept=top_level(body).get("store") == _TRUE,
    )


def patch(body: bytes, target: Target) -> bytes:
    """The body with the model, the stream flag and a wish for usage put in; the rest byte for byte."""
    wire = cast(Wire, top_level(body))
    if target.model:
        wire["model"] = target.model
    if target.is_stream:
        if wire.get("stream") != _TRUE:
            wire["stream"] = True
        if wire.get("stream_options") != _ASKED:
            wire["stream_options"] = asking(wire.get("stream_options"))
    elif wire.get("stream") == _TRUE:
        wire["stream"] = False
    for name in target.quirks:
        wire = QUIRKS[name].apply(wire)
    return ENCODE(wire)


_TRUE: Final = Raw(b"true")
_ASKED: Final = Raw(b'{"include_usage":true}')


def asking(options: object) -> object:
    """The stream's options with the wish for usage, its other members as they were."""
    raw = raw_of(options)
    if bytes(raw)[:1] != b"{":
        return _ASKED
    members = cast(Wire, OBJECT.decode(raw))
    return raw if members.get("include_usage") == _TRUE else {**members, "include_usage": True}


class _Told(Struct):
    choices: list[Raw] | None = None
    usage: Raw = Raw()


_TOLD: Final = Decoder(_Told)
_BOUNDARY = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n|\Z))")
"""A blank line. A CR that ends the bytes so far may be half of one."""


class UsageFilter:
    """Withholds the event that tells usage and nothing else, since the client did not ask for it."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The complete events so far, byte for byte."""
        seen = max(len(self._rest) - 3, 0)  # what was looked at is not again, but for the length of a blank line
        buffer = self._rest
        buffer += data
        passed: list[bytes | bytearray] = []
        start = 0
        for found in _BOUNDARY.finditer(buffer, seen):
            event = buffer[start : found.end()]
            if not _tells_only_usage(event):
                passed.append(event)
            start = found.end()
        self._rest = buffer[start:] if start else buffer
        if len(self._rest) > EVENT_BYTES_MAX:
            passed.append(self.close())
        return b"".join(passed)

    def close(self) -> bytes:
        """What came after the last complete event."""
        rest, self._rest = bytes(self._rest), bytearray()
        return b"" if _tells_only_usage(rest) else rest


def _tells_only_usage(event: bytes | bytearray) -> bool:
    if b'"usage"' not in event or b'"choices":[{' in event:  # quotes inside of texts have a backslash before them
        return False
    data = b"".join(line[5:] for line in event.replace(b"\r", b"\n").split(b"\n") if line.startswith(b"data:"))
    try:
        told = _TOLD.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return told.choices == [] and bytes(told.usage)[:1] == b"{"
