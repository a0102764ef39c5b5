"""The Responses API's token counting: a request without what concerns only the answer.

https://platform.openai.com/docs/api-reference/responses/input-tokens (2026-11). Few services that speak this dialect
have it; those that do not answer as for any unknown path.
"""

from typing import Final

import msgspec
from msgspec import Struct

from headgate.core.request import Request
from headgate.dialects.base import Counting, Malformed, Target
from headgate.dialects.openai_responses.rendering import render_request
from headgate.dialects.openai_responses.request import parse_request
from headgate.dialects.openai_responses.wire import ENCODER, MEMBERS

_COUNTED: Final = frozenset(
    {
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "truncation",
        "conversation",
        "previous_response_id",
    }
)


class _Answer(Struct):
    input_tokens: int


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def _address(target: Target) -> str:
    return "/responses/input_tokens"


def _render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    members = MEMBERS.decode(render_request(request, target, dropped))
    return ENCODER.encode({name: value for name, value in members.items() if name in _COUNTED})


def _parse_response(body: bytes) -> int:
    try:
        return _ANSWER.decode(body).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("the upstream's token count is not an object with `input_tokens`") from None


def _render_response(count: int) -> bytes:
    return ENCODER.encode({"object": "response.input_tokens", "input_tokens": count})


COUNTING: Final = Counting(
    address=_address,
    parse_request=parse_request,
    render_request=_render_request,
    parse_response=_parse_response,
    render_response=_render_response,
    absent=frozenset({404, 405, 501}),
)
