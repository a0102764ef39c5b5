"""The Messages API's JSON as far as we read it: structs, decoders, the encoder. Must not know the canonical words.

Fields are those of https://docs.claude.com/en/api/messages (2026-11). What is not named here travels as raw JSON.
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

Number = int | float
"""Clients in other languages send whole numbers with a point: 1024.0."""

Members = dict[str, Raw]
"""The members of a JSON object, each still as it was written."""


NOTHING: Final = Raw()
"""Of a member that is not there."""


class CacheWire(Struct):
    """`cache_control` of a block or a tool."""

    type: str = ""
    ttl: str | None = None


class SourceWire(Struct):
    """Where an image or a document comes from."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None


class TextWire(Struct, tag="text"):
    """A block of words."""

    text: str
    cache_control: CacheWire | None = None


class InstructionWire(Struct):
    """A block of `system`: its type is looked at even though there is but one."""

    type: Literal["text"]
    text: str
    cache_control: CacheWire | None = None


class ImageWire(Struct, tag="image"):
    """A picture."""

    source: SourceWire
    cache_control: CacheWire | None = None


class DocumentWire(Struct, tag="document"):
    """A PDF or a plain text."""

    source: SourceWire
    title: str | None = None
    cache_control: CacheWire | None = None


class ThinkingWire(Struct, tag="thinking"):
    """Thinking, given back."""

    thinking: str = ""
    signature: str | None = None


class RedactedWire(Struct, tag="redacted_thinking"):
    """Thinking that only the service can read, given back."""

    data: str


class ToolUseWire(Struct, tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: Raw = Raw(b"")
    cache_control: CacheWire | None = None


class SearchResultWire(Struct, tag="search_result"):
    """A text with a source to cite."""


class ToolReferenceWire(Struct, tag="tool_reference"):
    """A tool that a search for tools found."""


ResultBlockWire = TextWire | ImageWire | DocumentWire | SearchResultWire | ToolReferenceWire


class ToolResultWire(Struct, tag="tool_result"):
    """What a tool answered."""

    tool_use_id: str
    content: str | list[ResultBlockWire] | None = None
    is_error: bool | None = None
    cache_control: CacheWire | None = None


class LooseResultWire(Struct):
    """A tool result whose blocks are not looked at yet."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheWire | None = None


class ServerToolUseWire(Struct, tag="server_tool_use"):
    """A call of a tool that the service ran itself."""


class WebSearchResultWire(Struct, tag="web_search_tool_result"):
    """What a web search of the service found."""


BlockWire = (
    TextWire
    | ImageWire
    | DocumentWire
    | ThinkingWire
    | RedactedWire
    | ToolUseWire
    | ToolResultWire
    | SearchResultWire
    | ServerToolUseWire
    | WebSearchResultWire
)

RoleWire = Literal["user", "assistant", "system"]


class TurnWire(Struct):
    """A message."""

    role: RoleWire
    content: str | list[BlockWire]


class LooseTurnWire(Struct):
    """A message whose blocks are not looked at yet."""

    role: RoleWire
    content: str | list[Raw]


class ToolWire(Struct):
    """A tool; `type` is missing or `custom` for a caller's own."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheWire | None = None


class AutoWire(Struct, tag="auto"):
    """The model chooses whether to call a tool."""

    disable_parallel_tool_use: bool | None = None


class AnyWire(Struct, tag="any"):
    """The model must call a tool."""

    disable_parallel_tool_use: bool | None = None


class OneWire(Struct, tag="tool"):
    """The model must call this tool."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoneWire(Struct, tag="none"):
    """The model must not call a tool."""

    disable_parallel_tool_use: bool | None = None


ChoiceWire = AutoWire | AnyWire | OneWire | NoneWire


class EnabledWire(Struct, tag="enabled"):
    """Think within a budget."""

    budget_tokens: Number | None = None
    """Compatible services take it without: https://github.com/AstrBotDevs/AstrBot/pull/8560 (2026-06)."""
    display: str | None = None


class AdaptiveWire(Struct, tag="adaptive"):
    """Think as much as seems right."""

    display: str | None = None


class DisabledWire(Struct, tag="disabled"):
    """Do not think."""

    display: str | None = None


ThoughtWire = EnabledWire | AdaptiveWire | DisabledWire


class MetadataWire(Struct):
    """Who the end user is."""

    user_id: str | None = None


class FormatWire(Struct):
    """The shape of the answer."""

    type: str | None = None
    schema: Members | None = None


class OutputWire(Struct):
    """How the answer should be."""

    effort: str | None = None
    format: FormatWire | None = None


class _Settings(Struct, kw_only=True):
    model: str = ""
    max_tokens: Number | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Number | None = None
    stop_sequences: list[str] | None = None
    metadata: MetadataWire | None = None
    output_config: OutputWire | None = None
    output_format: FormatWire | None = None
    models: Raw = NOTHING
    provider: Raw = NOTHING
    max_price: Raw = NOTHING
    max_cost_usd: Raw = NOTHING


class RequestWire(_Settings, kw_only=True):
    """A whole request, checked down to its blocks: those of unknown kinds take the slower way."""

    messages: list[TurnWire]
    system: str | list[InstructionWire] | None = None
    tools: list[ToolWire] | None = None
    tool_choice: ChoiceWire | None = None
    thinking: ThoughtWire | None = None


class LooseRequestWire(_Settings, kw_only=True):
    """A whole request whose parts are not looked at yet."""

    messages: list[Raw]
    system: str | list[Raw] | None = None
    tools: list[Raw] | None = None
    tool_choice: Members | None = None
    thinking: Members | None = None


OBJECT: Final = msgspec.json.Decoder(Members)
ARRAY: Final = msgspec.json.Decoder(list[Raw])
ANY: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()
REQUEST: Final = msgspec.json.Decoder(RequestWire)
LOOSE_REQUEST: Final = msgspec.json.Decoder(LooseRequestWire)
LOOSE_TURN: Final = msgspec.json.Decoder(LooseTurnWire)
TEXT: Final = msgspec.json.Decoder(TextWire)
IMAGE: Final = msgspec.json.Decoder(ImageWire)
DOCUMENT: Final = msgspec.json.Decoder(DocumentWire)
THINKING: Final = msgspec.json.Decoder(ThinkingWire)
REDACTED: Final = msgspec.json.Decoder(RedactedWire)
TOOL_USE: Final = msgspec.json.Decoder(ToolUseWire)
TOOL_RESULT: Final = msgspec.json.Decoder(LooseResultWire)
TOOL: Final = msgspec.json.Decoder(ToolWire)
CHOICE: Final = msgspec.json.Decoder(ChoiceWire)
THOUGHT: Final = msgspec.json.Decoder(ThoughtWire)

encode: Final = msgspec.json.Encoder().encode


def is_null(raw: Raw) -> bool:
    """Whether the JSON is `null`."""
    return raw == Raw(b"null")


def raw_of(value: object) -> Raw:
    """A value as raw JSON."""
    return Raw(encode(value))


def take(members: Members, *names: str) -> None:
    """Takes out what has found its place in a struct; an explicit null stays, to be written again."""
    for name in names:
        raw = members.get(name)
        if raw is not None and not is_null(raw):
            del members[name]


def first_of(raw: Raw) -> bytes:
    """The first byte of the JSON, which tells its type."""
    return bytes(memoryview(raw)[:1])


def one_line(json: bytes) -> bytes:
    """The JSON without line breaks, which can only stand between its tokens: an event's data is one line."""
    return json.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in json or b"\r" in json else json


def text_in(raw: Raw | None) -> str:
    """The JSON string, or "" where something else stands: an answer is read as it comes."""
    if raw is None or first_of(raw) != b'"':
        return ""
    try:
        return str(ANY.decode(raw))
    except UnicodeDecodeError:
        return str(ANY.decode(bytes(raw).decode("utf-8", "replace")))


def members_in(raw: Raw | None) -> Members:
    """The JSON object's members, or none where something else stands."""
    if raw is None:
        return {}
    try:
        return OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def items_in(raw: Raw | None) -> list[Raw]:
    """The JSON array's items, or none where something else stands."""
    if raw is None:
        return []
    try:
        return ARRAY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def count_in(raw: Raw | None) -> int:
    """The JSON number as a count, or 0 where something else stands."""
    if raw is None:
        return 0
    try:
        value = ANY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0
