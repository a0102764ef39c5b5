"""How an ordinary whole answer ended, without reading the rest of it: all that the verbatim lane has to know.

Anything out of the ordinary is left to `parse_response`, whose last event this is in every case.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from headgate.core.events import Event, Finished
from headgate.core.usage import Usage
from headgate.dialects.gemini.reasons import REASONS
from headgate.dialects.gemini.response import parse_response

_Count = Annotated[int, Meta(ge=0, lt=2**53)]


class _Part(Struct):
    functionCall: dict[str, Raw] | UnsetType = UNSET
    text: str | UnsetType = UNSET


class _Content(Struct):
    parts: list[_Part] = []


class _Candidate(Struct):
    finishReason: str
    content: _Content | UnsetType = UNSET
    index: Literal[0] = 0
    groundingMetadata: None = None


class _Detail(Struct):
    modality: Literal["TEXT", "IMAGE", "AUDIO", "VIDEO", "DOCUMENT"]
    tokenCount: _Count = 0


class _Usage(Struct, forbid_unknown_fields=True):
    promptTokenCount: _Count
    totalTokenCount: _Count
    candidatesTokenCount: _Count = 0
    thoughtsTokenCount: _Count = 0
    cachedContentTokenCount: _Count = 0
    toolUsePromptTokenCount: _Count = 0
    promptTokensDetails: list[_Detail] = []
    toolUsePromptTokensDetails: list[_Detail] = []
    candidatesTokensDetails: list[_Detail] = []
    cacheTokensDetails: Raw = Raw()
    trafficType: Raw = Raw()
    serviceTier: Raw = Raw()


class _Answer(Struct):
    candidates: tuple[_Candidate]
    usageMetadata: _Usage
    promptFeedback: None = None
    error: None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def tap(body: bytes) -> Event:
    """The last event of a whole answer: `Finished` or `Failed`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return parse_response(body)[-1]
    candidate, usage = answer.candidates[0], answer.usageMetadata
    parts = () if candidate.content is UNSET else candidate.content.parts
    calls = [part for part in parts if part.functionCall is not UNSET]
    spent_in = usage.promptTokenCount + usage.toolUsePromptTokenCount
    reason = REASONS.get(candidate.finishReason)
    # a thinking that is counted twice, and a part of two kinds
    is_odd = usage.thoughtsTokenCount and usage.totalTokenCount == spent_in + usage.candidatesTokenCount
    if reason is None or is_odd or any(part.text is not UNSET for part in calls):
        return parse_response(body)[-1]
    if calls and reason == "stop":
        reason = "tool_calls"
    return Finished(reason=reason, usage=_counts(usage, spent_in), wire_reason=candidate.finishReason)


def _counts(usage: _Usage, spent_in: int) -> Usage:
    heard = (*usage.promptTokensDetails, *usage.toolUsePromptTokensDetails)
    made = usage.candidatesTokensDetails
    return Usage(
        input_tokens=spent_in,
        cached_tokens=usage.cachedContentTokenCount,
        output_tokens=usage.candidatesTokenCount + usage.thoughtsTokenCount,
        reasoning_tokens=usage.thoughtsTokenCount,
        input_audio_tokens=_of("AUDIO", heard),
        input_image_tokens=_of("IMAGE", heard),
        output_audio_tokens=_of("AUDIO", made),
        output_image_tokens=_of("IMAGE", made),
    )


def _of(modality: str, details: Sequence[_Detail]) -> int:
    return sum(detail.tokenCount for detail in details if detail.modality == modality) if details else 0
