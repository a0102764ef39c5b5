"""The wire of OpenAI's Responses API: the shapes read on hot paths, the codecs, and the words both halves share.

Must not know what the words mean elsewhere. Reference: https://platform.openai.com/docs/api-reference/responses and
https://github.com/openai/openai-openapi (2026-11).
"""

import re
from typing import Final, Literal

from msgspec import Raw, Struct, json

NAME: Final = "openai_responses"

Members = dict[str, Raw]
"""A JSON object, its values not yet read."""

NULL: Final = Raw(b"null")
NOTHING: Final = Raw()
"""Of a member that is not there."""
EMPTY_LIST: Final = Raw(b"[]")
ENCODER: Final = json.Encoder()
MEMBERS: Final = json.Decoder(Members)
ELEMENTS: Final = json.Decoder(list[Raw])
TEXT: Final = json.Decoder(str)

_SURROGATE: Final = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)

SATISFIED_INCLUDES: Final = frozenset({"reasoning.encrypted_content", "message.output_text.logprobs"})
"""Wishes of `include` that the canonical form expresses: signatures, and `logprobs`."""


class AudioHead(Struct, gc=False):
    """What `peek` must see of a sound."""

    data: str | None = None
    format: str | None = None


class PartHead(Struct):
    """What `peek` must see of a content part."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    detail: str | None = None
    input_audio: AudioHead | None = None


class ItemHead(Struct):
    """What `peek` must see of an input item."""

    type: str | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[PartHead] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[PartHead] | None = None
    summary: list[Raw] | None = None
    encrypted_content: str | None = None


class ToolHead(Struct):
    """What `peek` must see of a tool."""

    type: str
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    function: Raw = Raw()


class FormatHead(Struct, gc=False):
    """What `peek` must see of an output format."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class TextHead(Struct):
    """What `peek` must see of `text`."""

    format: FormatHead | None = None


class ReasoningHead(Struct, gc=False):
    """What `peek` must see of `reasoning`."""

    effort: str | None = None


class RequestHead(Struct):
    """What `peek` must see of a request."""

    model: str
    input: str | list[ItemHead] | None = None
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    tools: list[ToolHead] | None = None
    tool_choice: str | Members | None = None
    include: list[str] | None = None
    text: TextHead | None = None
    reasoning: ReasoningHead | None = None
    background: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    store: bool | None = None
    previous_response_id: Raw = NOTHING
    conversation: Raw = NOTHING
    models: Raw = NOTHING
    provider: Raw = NOTHING
    max_price: Raw = NOTHING
    max_cost_usd: Raw = NOTHING


class DeltaEvent(Struct, gc=False):
    """An event that brings more of a part: all that is read of it."""

    delta: str
    output_index: int
    content_index: int = 0
    summary_index: int = 0


class StreamEvent(Struct):
    """Any other event of a stream; what it holds is decoded by need."""

    type: str = ""
    delta: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str | None = None
    item: Raw = Raw()
    response: Raw = Raw()
    part: Raw = Raw()


REQUEST_HEAD: Final = json.Decoder(RequestHead)
DELTA_EVENT: Final = json.Decoder(DeltaEvent)
STREAM_EVENT: Final = json.Decoder(StreamEvent)


def encoded(value: object) -> Raw:
    """`value` as raw JSON."""
    return Raw(ENCODER.encode(value))


def spelling(members: Members) -> str:
    """A node's `form`: the members that mean nothing elsewhere, as JSON text; "" for none."""
    return ENCODER.encode(members).decode() if members else ""


def spelt(form: str) -> Members:
    """The members that `spelling` kept."""
    return MEMBERS.decode(form) if form else {}


def text_of(raw: Raw | None) -> str:
    """The string that `raw` is, "" if it is none."""
    if raw is None or not raw_is(raw, b'"'):
        return ""
    return TEXT.decode(raw)


def mended(data: bytes) -> bytes:
    """`data` without halves of characters, which services send that cut their text by UTF-16 units."""
    return _SURROGATE.sub(lambda found: found[1] or rb"\ufffd", data)


def raw_is(raw: Raw, mark: bytes) -> bool:
    """Whether the JSON begins with `mark`: `{`, `[`, `"`."""
    return bytes(memoryview(raw)[:1]) == mark


def members_of(raw: Raw | None) -> Members:
    """The members of the object that `raw` is, none if it is no object."""
    return MEMBERS.decode(raw) if raw is not None and raw_is(raw, b"{") else {}


def elements_of(raw: Raw | None) -> list[Raw]:
    """The elements of the array that `raw` is, none if it is no array."""
    return ELEMENTS.decode(raw) if raw is not None and raw_is(raw, b"[") else []
