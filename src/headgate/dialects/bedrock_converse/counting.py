"""Bedrock's CountTokens: what of a Converse request goes in, without what concerns only the answer.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html (2026-11)
"""

from typing import Final

import msgspec

from headgate.core.problems import InvalidRequest
from headgate.core.request import Request
from headgate.dialects.base import Counting, Envelope, Malformed, Target
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.address import model_path
from headgate.dialects.bedrock_converse.render import members_of
from headgate.dialects.bedrock_converse.request import parse_request
from headgate.dialects.bedrock_converse.wire import count_in, members_in

_COUNTED: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def _address(target: Target) -> str:
    return f"{model_path(target.model)}/count-tokens"


def _parse_request(body: bytes, envelope: Envelope) -> Request:
    members = wire.read_body(wire.OBJECT, body)
    given = members_in(members.get("input")).get("converse")
    if given is None:
        raise InvalidRequest("input.converse is missing: send the call whose tokens to count", param="input.converse")
    return parse_request(bytes(given), envelope)


def _render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    members = members_of(request, target, dropped)
    return wire.encode({"input": {"converse": {name: members[name] for name in _COUNTED if name in members}}})


def _parse_response(body: bytes) -> int:
    try:
        return count_in(wire.OBJECT.decode(body)["inputTokens"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        raise Malformed("the answer of CountTokens tells no `inputTokens`") from None


def _render_response(count: int) -> bytes:
    return wire.encode({"inputTokens": count})


COUNTING: Final = Counting(
    address=_address,
    parse_request=_parse_request,
    render_request=_render_request,
    parse_response=_parse_response,
    render_response=_render_response,
)
