"""The wire shapes of OpenAI's chat completions: only the fields that are read or written here.

https://platform.openai.com/docs/api-reference/chat (2026-11), and what compatible hosts add to it.
"""

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder, Encoder

NAME: Final = "openai_chat"
FORM: Final = "chat:"
"""Opens the `form` of an event's part, so that another dialect's hint is never taken for ours."""

NULL: Final = Raw(b"null")

ENCODE: Final = Encoder().encode


CHOICES_MAX: Final = 128
"""More answers to one call than this API gives; a choice of another number is told by its place in the list."""


class FunctionDelta(Struct, gc=False, forbid_unknown_fields=True):
    """More of a function call."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(Struct, gc=False, forbid_unknown_fields=True):
    """More of a tool call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None


class DetailDelta(Struct, gc=False):
    """More of a reasoning detail, as OpenRouter has them: https://openrouter.ai/docs/use-cases/reasoning-tokens."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    id: str | None = None
    index: int | None = None


class Delta(Struct, forbid_unknown_fields=True):
    """More of a message."""

    content: str | None = None
    role: str | None = None
    tool_calls: list[CallDelta] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[DetailDelta] | None = None
    refusal: str | None = None


class Choice(Struct, forbid_unknown_fields=True):
    """More of one of several answers."""

    delta: Delta
    index: Annotated[int, Meta(ge=0, lt=CHOICES_MAX)] = 0
    finish_reason: str | None = None
    logprobs: dict[str, Raw] | None = None
    native_finish_reason: str | None = None
    content_filter_results: dict[str, Raw] | None = None


class Chunk(Struct, forbid_unknown_fields=True):
    """One event of a stream, in its ordinary form: anything else in it makes the lenient reader read it."""

    choices: list[Choice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    usage: dict[str, Raw] | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    provider: str | None = None
    obfuscation: str | None = None


CHUNK: Final = Decoder(Chunk)
OBJECT: Final = Decoder(dict[str, Raw])
ARRAY: Final = Decoder(list[Raw])
