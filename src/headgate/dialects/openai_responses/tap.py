"""How an ordinary whole answer ended, without reading the rest of it: all that the verbatim lane has to know.

Anything out of the ordinary is left to `parse_response`, whose last event this is in every case.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from headgate.core.events import Event, Finished, StopReason
from headgate.core.usage import ServiceTier, Usage, tier_of
from headgate.dialects.openai_responses.response import parse_response

_Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class _Content(Struct, gc=False):
    type: str


class _Item(Struct, gc=False):
    type: Literal["message", "reasoning", "function_call", "custom_tool_call"]
    content: list[_Content] | None = None


class _Inputs(Struct, gc=False, forbid_unknown_fields=True):
    cached_tokens: _Count = 0
    cache_write_tokens: _Count = 0


class _Outputs(Struct, gc=False, forbid_unknown_fields=True):
    reasoning_tokens: _Count = 0


class _Usage(Struct, gc=False, forbid_unknown_fields=True):
    input_tokens: _Count
    output_tokens: _Count
    total_tokens: _Count
    input_tokens_details: _Inputs | None = None
    output_tokens_details: _Outputs | None = None


class _Searches(Struct, gc=False):
    num_requests: Literal[0] = 0


class _Tools(Struct, gc=False):
    web_search: _Searches | None = None


class _Answer(Struct, gc=False):
    status: Literal["completed"]
    output: list[_Item]
    usage: _Usage
    error: None = None
    incomplete_details: None = None
    tool_usage: _Tools | None = None
    service_tier: str | None = None
    id: str = ""


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_CALLS: Final = ("function_call", "custom_tool_call")
_NO_INPUTS: Final = _Inputs()
_NO_OUTPUTS: Final = _Outputs()


def tap(body: bytes) -> Event:
    """The last event of a whole answer: `Finished` or `Failed`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return parse_response(body)[-1]
    return Finished(
        reason=_reason(answer.output),
        usage=_counts(answer.usage, tier_of(answer.service_tier)),
        wire_reason=answer.status,
        id=answer.id,
    )


def _reason(output: list[_Item]) -> StopReason:
    reason: StopReason = "stop"
    for item in output:
        if item.type in _CALLS:
            return "tool_calls"
        if item.type == "message" and any(part.type == "refusal" for part in item.content or ()):
            reason = "refusal"
    return reason


def _counts(usage: _Usage, tier: ServiceTier) -> Usage:
    inputs = usage.input_tokens_details or _NO_INPUTS
    outputs = usage.output_tokens_details or _NO_OUTPUTS
    return Usage(
        input_tokens=usage.input_tokens,
        cached_tokens=inputs.cached_tokens,
        cache_write_tokens=inputs.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=outputs.reasoning_tokens,
        tier=tier,
    )
