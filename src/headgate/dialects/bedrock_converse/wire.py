"""Converse's JSON as far as we read it: decoders, the encoder, refusals in words. Must not know the canonical words.

Fields are those of https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (2026-11). What is
not named here travels as raw JSON.
"""

import re
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import InvalidRequest
from headgate.dialects.bodies import half_character
from headgate.dialects.depth import check_depth

NAME: Final = "bedrock_converse"

Members = dict[str, Raw]
"""The members of a JSON object, each still as it was written."""

T = TypeVar("T")


class TurnWire(Struct):
    """A message; its blocks are not looked at yet."""

    role: Literal["user", "assistant", "system"]
    content: list[Members]


class InferenceWire(Struct):
    """`inferenceConfig`."""

    maxTokens: int | float | None = None
    temperature: float | None = None
    topP: float | None = None
    stopSequences: list[str] | None = None


class ToolsWire(Struct):
    """`toolConfig`; the tools are not looked at yet."""

    tools: list[Members] | None = None
    toolChoice: Members | None = None


class RequestWire(Struct):
    """A whole request."""

    messages: list[TurnWire] | None = None
    system: list[Members] | None = None
    inferenceConfig: InferenceWire | None = None
    toolConfig: ToolsWire | None = None
    additionalModelRequestFields: Raw = Raw(b"null")
    outputConfig: Members | None = None


class ToolUseWire(Struct):
    """A call of a tool."""

    toolUseId: str
    name: str
    input: Raw = Raw(b"")
    type: str | None = None


class ToolResultWire(Struct):
    """What a tool answered."""

    toolUseId: str
    content: list[Members]
    status: str | None = None
    type: str | None = None


class ReasoningTextWire(Struct):
    """Thinking in words."""

    text: str = ""
    signature: str | None = None


class ReasoningWire(Struct):
    """Thinking, given back."""

    reasoningText: ReasoningTextWire | None = None
    redactedContent: str | None = None


class ToolSpecWire(Struct):
    """A tool of the caller's own."""

    name: str
    description: str | None = None
    inputSchema: Members | None = None
    strict: bool | None = None


OBJECT: Final = msgspec.json.Decoder(Members)
ARRAY: Final = msgspec.json.Decoder(list[Raw])
ANY: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()
STRING: Final = msgspec.json.Decoder(str)
REQUEST: Final = msgspec.json.Decoder(RequestWire)
TOOL_USE: Final = msgspec.json.Decoder(ToolUseWire)
TOOL_RESULT: Final = msgspec.json.Decoder(ToolResultWire)
REASONING: Final = msgspec.json.Decoder(ReasoningWire)
TOOL_SPEC: Final = msgspec.json.Decoder(ToolSpecWire)

encode: Final = msgspec.json.Encoder().encode

_MISMATCH = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_WORDS: Final = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def read_body(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """What a request's body says, checked: a fault is told with the path of the member."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise InvalidRequest("the request body is not valid UTF-8; send it as UTF-8 encoded JSON") from None
    check_depth(body)
    return read(decoder, body)


def read(decoder: "msgspec.json.Decoder[T]", raw: Raw | bytes, where: str = "") -> T:
    """What stands at `where`, a path such as `messages[0].content`."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise (None if where else half_character(bytes(raw))) or _refusal(error, where) from None


def _refusal(error: msgspec.DecodeError, where: str) -> InvalidRequest:
    told = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return InvalidRequest(f"{where or 'the request body'} is not valid JSON ({told}); send one JSON object")
    found = _PATH.search(told)
    path = ".".join(filter(None, (where, found[1] if found else "")))
    if missing := _MISSING.match(told):
        path = ".".join(filter(None, (path, missing[1])))
        return InvalidRequest(f"{path} is missing; add it", param=path)
    subject = path or "the request body"
    if mismatch := _MISMATCH.match(told):
        names = [_WORDS.get(word, word) for word in mismatch[1].split(" | ") if word != "null"]
        wanted = " or ".join(dict.fromkeys(names))
        return InvalidRequest(f"{subject} must be {wanted}, not {_WORDS.get(mismatch[2], mismatch[2])}", param=path)
    return InvalidRequest(f"{subject} has a value that is not allowed ({_PATH.sub('', told)})", param=path or None)


def whole(number: float | None, where: str) -> int | None:
    """A number of tokens; clients in other languages send whole numbers with a point."""
    if number is None or isinstance(number, int):
        return number
    if not number.is_integer():
        raise InvalidRequest(f"{where} must be a whole number, not {number!r}", param=where)
    return int(number)


def is_null(raw: Raw) -> bool:
    """Whether the JSON is `null`."""
    return raw == Raw(b"null")


def raw_of(value: object) -> Raw:
    """A value as raw JSON."""
    return Raw(encode(value))


def take(members: Members, *names: str) -> None:
    """Takes out what has found its place; an explicit null stays, to be written again."""
    for name in names:
        raw = members.get(name)
        if raw is not None and not is_null(raw):
            del members[name]


def text_in(raw: Raw | None) -> str:
    """The JSON string, or "" where something else stands: an answer is read as it comes."""
    value = value_in(raw)
    return value if isinstance(value, str) else ""


def value_in(raw: Raw | None) -> object:
    """The JSON value; None where there is none that can be read."""
    if raw is None:
        return None
    try:
        return ANY.decode(raw)
    except UnicodeDecodeError:
        return ANY.decode(bytes(raw).decode("utf-8", "replace"))
    except msgspec.DecodeError:
        return None


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
    value = value_in(raw)
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0
