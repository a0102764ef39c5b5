"""How an ordinary whole answer ended, without reading the rest of it: all that the verbatim lane has to know.

Anything out of the ordinary is left to `parse_response`, whose last event this is in every case.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.core.events import Event, Finished
from headgate.core.usage import Usage, tier_of
from headgate.dialects.anthropic.reader import REASONS
from headgate.dialects.anthropic.response import parse_response

_Count = Annotated[int, Meta(ge=0, lt=2**53)]


class _Lifetimes(Struct):
    ephemeral_1h_input_tokens: _Count = 0


class _Details(Struct):
    thinking_tokens: _Count = 0


class _Searches(Struct):
    web_search_requests: _Count = 0


class _Usage(Struct):
    input_tokens: _Count
    output_tokens: _Count
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _Lifetimes | None = None
    output_tokens_details: _Details | None = None
    server_tool_use: _Searches | None = None
    service_tier: str | None = None
    speed: str | None = None


class _Answer(Struct):
    type: Literal["message"]
    content: Raw
    stop_reason: str
    usage: _Usage
    stop_sequence: str | None = None
    error: Raw = Raw()


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ABSENT: Final = Raw()


def tap(body: bytes) -> Event:
    """The last event of a whole answer: `Finished` or `Failed`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return parse_response(body)[-1]
    reason = REASONS.get(answer.stop_reason)
    if reason is None or answer.error != _ABSENT:
        return parse_response(body)[-1]
    return Finished(
        reason=reason, usage=_counts(answer.usage), stop_sequence=answer.stop_sequence, wire_reason=answer.stop_reason
    )


def _counts(usage: _Usage) -> Usage:
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    lifetimes, details, searches = usage.cache_creation, usage.output_tokens_details, usage.server_tool_use
    return Usage(
        input_tokens=usage.input_tokens + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written, lifetimes.ephemeral_1h_input_tokens) if lifetimes is not None else 0,
        output_tokens=usage.output_tokens,
        reasoning_tokens=details.thinking_tokens if details is not None else 0,
        web_searches=searches.web_search_requests if searches is not None else 0,
        tier=tier_of(usage.service_tier) or tier_of(usage.speed),
    )
