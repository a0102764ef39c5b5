"""What answers beside chat tell of their usage. Each endpoint has its own names for tokens, or seconds in their place.

https://platform.openai.com/docs/api-reference/images/object, …/audio/json-object and …/audio/speech-audio-done-event
(2026-11).
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.request import Extras
from headgate.core.usage import Measures, Usage
from headgate.dialects.openai_chat.usage import read_usage
from headgate.dialects.openai_chat.wire import OBJECT


class _Details(Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    seconds: int | float | None = None
    prompt_audio_seconds: int | float | None = None
    """Mistral's, https://docs.mistral.ai/api/endpoint/audio/transcriptions (2026-11)."""
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    output_tokens_details: _Details | None = None


_USAGE: Final = msgspec.json.Decoder(_Usage)
_NO_DETAILS: Final = _Details()
_NULL: Final = Raw(b"null")


def consumed_in(members: Extras) -> Usage | None:
    """The counts that an object of any of these endpoints tells, be it an error."""
    return consumed(members.get("usage", _NULL))


def consumed(raw: Raw = _NULL) -> Usage | None:
    """The counts in a usage object of any of these endpoints; None: there are none."""
    if bytes(raw)[:1] != b"{":
        return None
    try:
        told = _USAGE.decode(raw)
        members = OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    seconds = told.prompt_audio_seconds if told.seconds is None else told.seconds
    measures = None if seconds is None else Measures(audio_ms=round(seconds * 1000))
    if "prompt_tokens" in members:
        return msgspec.structs.replace(read_usage(members), measures=measures)
    if told.input_tokens is None and told.output_tokens is None:
        return None if measures is None else Usage(measures=measures)
    inputs = told.input_tokens_details or told.input_token_details or _NO_DETAILS
    outputs = told.output_tokens_details or _NO_DETAILS
    tokens = int(told.input_tokens or 0)
    return Usage(
        input_tokens=tokens,
        cached_tokens=min(inputs.cached_tokens or 0, tokens),
        input_audio_tokens=min(inputs.audio_tokens or 0, tokens),
        input_image_tokens=min(inputs.image_tokens or 0, tokens),
        output_tokens=int(told.output_tokens or 0),
        output_audio_tokens=outputs.audio_tokens or 0,
        output_image_tokens=outputs.image_tokens or 0,
        measures=measures,
    )
