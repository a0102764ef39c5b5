"""How an ordinary whole answer ended, without reading the rest of it: all that the verbatim lane has to know.

Anything out of the ordinary is left to `parse_response`, whose last event this is in every case.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.core.events import Event, Finished
from headgate.core.usage import Usage
from headgate.dialects.gemini.reasons import REASONS
from headgate.dialects.gemini.response import parse_response

_Count = Annotated[int, Meta(ge=0, lt=2**53)]


class _Call(Struct, gc=False):
    pass


class _Part(Struct, gc=False):
    functionCall: _Call | None = None
    text: str | None = None


class _Content(Struct, gc=False, frozen=True):
    parts: tuple[_Part, ...] = ()


class _Candidate(Struct, gc=False):
    finishReason: str
    content: _Content = _Content()
    index: Literal[0] = 0
    groundingMetadata: None = None


class _Usage(Struct, gc=False, forbid_unknown_fields=True):
    promptTokenCount: _Count
    totalTokenCount: _Count
    candidatesTokenCount: _Count = 0
    thoughtsTokenCount: _Count = 0
    cachedContentTokenCount: _Count = 0
    toolUsePromptTokenCount: _Count = 0
    promptTokensDetails: Raw = Raw()
    toolUsePromptTokensDetails: Raw = Raw()
    candidatesTokensDetails: Raw = Raw()
    cacheTokensDetails: Raw = Raw()
    trafficType: Raw = Raw()
    serviceTier: Literal["standard"] | None = None


class _Answer(Struct, gc=False):
    candidates: tuple[_Candidate]
    usageMetadata: _Usage
    promptFeedback: None = None
    error: None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_MEDIA = re.compile(rb'"modality"\s*:\s*(?:"IMAGE"|"AUDIO"|\d)')


def tap(body: bytes) -> Event:
    """The last event of a whole answer: `Finished` or `Failed`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return parse_response(body)[-1]
    candidate, usage = answer.candidates[0], answer.usageMetadata
    reason = REASONS.get(candidate.finishReason)
    spent_in = usage.promptTokenCount + usage.toolUsePromptTokenCount
    answered, thought = usage.candidatesTokenCount, usage.thoughtsTokenCount
    # a thinking that is counted twice, and tokens that have a price of their own
    is_odd = (thought and usage.totalTokenCount == spent_in + answered) or _MEDIA.search(body)
    if reason is None or is_odd:
        return parse_response(body)[-1]
    if reason == "stop":
        for part in candidate.content.parts:
            if part.functionCall is not None:
                if part.text is not None:
                    return parse_response(body)[-1]
                reason = "tool_calls"
    counts = Usage(
        input_tokens=spent_in,
        cached_tokens=usage.cachedContentTokenCount,
        output_tokens=answered + thought,
        reasoning_tokens=thought,
    )
    return Finished(reason=reason, usage=counts, wire_reason=candidate.finishReason)
