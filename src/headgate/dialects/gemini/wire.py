"""Gemini's request shapes, as far as they are checked, and the tables of its words. Must not know the canonical form.

Google reads requests as protobuf JSON: every member may be spelt in camelCase or snake_case, a single object may
stand for a list of one, enum values may be words or numbers (https://protobuf.dev/programming-guides/json/, 2026-11).
The checks accept all of that; whatever is not named here is carried, not judged.
"""

import re
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from headgate.core.problems import InvalidRequest
from headgate.dialects.bodies import half_character, top_level
from headgate.dialects.depth import check_depth

_T = TypeVar("_T")

NAME: Final = "gemini"

Whole = Annotated[float, Meta(multiple_of=1, ge=-(2**53), le=2**53)]
Enum = str | int | None
Json = dict[str, Raw] | None


class Blob(Struct, gc=False):
    """Bytes in base64."""

    data: str | None = None
    mimeType: str | None = None
    mime_type: str | None = None


class FileData(Struct, gc=False):
    """A file somewhere else."""

    fileUri: str | None = None
    file_uri: str | None = None
    mimeType: str | None = None
    mime_type: str | None = None


class FunctionCall(Struct, gc=False):
    """A call of a function."""

    id: str | None = None
    name: str | None = None
    args: Json = None


class ResponsePart(Struct, gc=False):
    """A picture or document among a function's results."""

    inlineData: Blob | None = None
    inline_data: Blob | None = None
    fileData: FileData | None = None
    file_data: FileData | None = None


class FunctionResponse(Struct, gc=False):
    """What a function answered."""

    id: str | None = None
    name: str | None = None
    response: Json = None
    parts: list[ResponsePart] | ResponsePart | None = None


class Part(Struct, gc=False):
    """A piece of a turn: one data member, and marks on it."""

    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None
    thought_signature: str | None = None
    inlineData: Blob | None = None
    inline_data: Blob | None = None
    fileData: FileData | None = None
    file_data: FileData | None = None
    functionCall: FunctionCall | None = None
    function_call: FunctionCall | None = None
    functionResponse: FunctionResponse | None = None
    function_response: FunctionResponse | None = None


class Content(Struct, gc=False):
    """A turn."""

    role: str | None = None
    parts: list[Part] | Part | None = None


class Declaration(Struct, gc=False):
    """A function the model may call."""

    name: str
    description: str | None = None
    parameters: Json = None
    parametersJsonSchema: Json = None
    parameters_json_schema: Json = None


class Tool(Struct, gc=False):
    """Functions, or tools that Google runs."""

    functionDeclarations: list[Declaration] | Declaration | None = None
    function_declarations: list[Declaration] | Declaration | None = None


class CallingConfig(Struct, gc=False):
    """Whether and what the model must call."""

    mode: Enum = None
    allowedFunctionNames: list[str] | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Struct, gc=False):
    """How tools are used."""

    functionCallingConfig: CallingConfig | None = None
    function_calling_config: CallingConfig | None = None


class ThinkingConfig(Struct, gc=False):
    """How hard to think."""

    includeThoughts: bool | None = None
    include_thoughts: bool | None = None
    thinkingBudget: Whole | None = None
    thinking_budget: Whole | None = None
    thinkingLevel: Enum = None
    thinking_level: Enum = None


class GenerationConfig(Struct, gc=False):
    """The knobs."""

    maxOutputTokens: Whole | None = None
    max_output_tokens: Whole | None = None
    temperature: float | None = None
    topP: float | None = None
    top_p: float | None = None
    topK: Whole | None = None
    top_k: Whole | None = None
    stopSequences: list[str] | str | None = None
    stop_sequences: list[str] | str | None = None
    candidateCount: Whole | None = None
    candidate_count: Whole | None = None
    seed: Whole | None = None
    presencePenalty: float | None = None
    presence_penalty: float | None = None
    frequencyPenalty: float | None = None
    frequency_penalty: float | None = None
    responseLogprobs: bool | None = None
    response_logprobs: bool | None = None
    logprobs: Whole | None = None
    responseMimeType: str | None = None
    response_mime_type: str | None = None
    responseSchema: Json = None
    response_schema: Json = None
    responseJsonSchema: Json = None
    response_json_schema: Json = None
    thinkingConfig: ThinkingConfig | None = None
    thinking_config: ThinkingConfig | None = None


class GenerateContent(Struct, gc=False):
    """The body of generateContent and streamGenerateContent."""

    contents: list[Content] | Content
    model: str | None = None
    systemInstruction: Content | str | None = None
    system_instruction: Content | str | None = None
    tools: list[Tool] | Tool | None = None
    toolConfig: ToolConfig | None = None
    tool_config: ToolConfig | None = None
    generationConfig: GenerationConfig | None = None
    generation_config: GenerationConfig | None = None


class TextPart(Struct, gc=False, forbid_unknown_fields=True):
    """A piece of an answer's text or thinking, and nothing else."""

    text: str
    thought: bool = False


class TextContent(Struct, gc=False, forbid_unknown_fields=True):
    """The content of a chunk that only brings text."""

    parts: tuple[TextPart]
    role: str = ""


class TextCandidate(Struct, gc=False, forbid_unknown_fields=True):
    """The candidate of a chunk that only brings text."""

    content: TextContent
    index: int = 0


class TextChunk(Struct, gc=False, forbid_unknown_fields=True):
    """The usual chunk of a stream: text. Any other is read member by member."""

    candidates: tuple[TextCandidate]
    usageMetadata: Raw | UnsetType = UNSET
    modelVersion: str = ""
    responseId: str = ""
    createTime: str = ""


GENERATE: Final = msgspec.json.Decoder(GenerateContent)
TEXT_CHUNK: Final = msgspec.json.Decoder(TextChunk)
OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
ARRAY: Final = msgspec.json.Decoder(list[Raw])
ANY: Final = msgspec.json.Decoder()
ENCODER: Final = msgspec.json.Encoder()
NULL: Final = Raw(b"null")

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_EXPECTED = re.compile(r"^Expected `([^`]*)`(?:, got `([^`]*)`)?")
_MISSING = re.compile(r"^Object missing required field `([^`]*)`")
_WORDS: Final = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def checked(body: bytes) -> GenerateContent:
    """`body`, judged: raises `InvalidRequest` naming the member that is wrong."""
    return _decoded(GENERATE.decode, body)


def checked_object(body: bytes) -> dict[str, Raw]:
    """The members of `body`, judged only as far as to be an object."""
    return _decoded(top_level, body)


def _decoded(decode: Callable[[bytes], _T], body: bytes) -> _T:
    check_depth(body)
    try:
        if not body.isascii():
            body.decode()
        return decode(body)
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8; encode it as UTF-8.") from None
    except msgspec.ValidationError as error:
        raise refusal(str(error)) from None
    except msgspec.DecodeError as error:
        if (half := half_character(body)) is not None:
            raise half from None
        raise InvalidRequest(f"The request body is not valid JSON; send one JSON object. Seen: {error}.") from None


def refusal(told: str) -> InvalidRequest:
    """The decoder's complaint in words that name the member and what it must be."""
    at = _PATH.search(told)
    path = at[1] if at else ""
    if missing := _MISSING.match(told):
        param = f"{path}.{missing[1]}" if path else missing[1]
        return InvalidRequest(f"`{param}` is missing; it is required.", param=param)
    subject = f"`{path}`" if path else "The request body"
    if not (expected := _EXPECTED.match(told)):
        return InvalidRequest(f"{subject} is not valid: {_PATH.sub('', told)}.", param=path or None)
    wanted = " or ".join(dict.fromkeys(_WORDS.get(word, word) for word in expected[1].split(" | ")))
    wanted = "a whole number" if "multiple" in told or "=" in told else wanted
    seen = f", not {_WORDS.get(expected[2], expected[2])}" if expected[2] else ""
    return InvalidRequest(f"{subject} must be {wanted}{seen}.", param=path or None)


def is_null(raw: Raw) -> bool:
    """Whether a member was written as null."""
    return raw == NULL


def is_list(raw: Raw) -> bool:
    """Whether a JSON value is a list."""
    return memoryview(raw)[0] == ord("[")


def is_object(raw: Raw) -> bool:
    """Whether a JSON value is an object."""
    return memoryview(raw)[0] == ord("{")


def is_string(raw: Raw) -> bool:
    """Whether a JSON value is a string."""
    return memoryview(raw)[0] == ord('"')


def value_of(raw: Raw | bytes) -> object:
    """A JSON value of an answer, or None where a number in it is beyond all bounds: an answer is read as it comes."""
    try:
        return ANY.decode(raw)
    except msgspec.ValidationError:
        return None


def text_of(raw: Raw) -> str:
    """A JSON value as it was written."""
    return bytes(raw).decode("utf-8", "replace")


def compact(raw: Raw) -> str:
    """A JSON value without white space between its tokens."""
    return msgspec.json.format(bytes(raw), indent=-1).decode("utf-8", "replace")


def raw_of(value: object) -> Raw:
    """`value` as JSON."""
    return Raw(ENCODER.encode(value))
