"""Anthropic's token counting: a request of the Messages API without what concerns only the answer.

https://docs.claude.com/en/api/messages-count-tokens (2026-11)
"""

from typing import Final

import msgspec

from headgate.core.request import Request
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.render import members_of
from headgate.dialects.anthropic.request import parse_request
from headgate.dialects.base import Counting, Malformed, Target

_OF_THE_ANSWER: Final = (
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
)


def _address(target: Target) -> str:
    return "/v1/messages/count_tokens"


def _render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    members = members_of(request, target, dropped)
    return wire.encode({name: value for name, value in members.items() if name not in _OF_THE_ANSWER})


def _parse_response(body: bytes) -> int:
    try:
        members = wire.OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("the upstream's token count is not a JSON object") from None
    if "input_tokens" not in members:
        raise Malformed("the upstream's token count has no `input_tokens`")
    return wire.count_in(members["input_tokens"])


def _render_response(count: int) -> bytes:
    return wire.encode({"input_tokens": count})


COUNTING: Final = Counting(
    address=_address,
    parse_request=parse_request,
    render_request=_render_request,
    parse_response=_parse_response,
    render_response=_render_response,
)
