"""Gemini's countTokens. Must not know answers of the model."""

from typing import Final

import msgspec

from headgate.core.request import Request
from headgate.dialects.base import Counting, Envelope, Malformed, Target
from headgate.dialects.gemini.request import bare, model_path, parse_request, request_object, with_quirks
from headgate.dialects.gemini.wire import ANY, ENCODER, NAME, OBJECT, checked_object, is_null

_WRAPPED: Final = "=wrapped"


def _address(target: Target) -> str:
    return f"{model_path(target.model)}:countTokens"


def _parse_request(body: bytes, envelope: Envelope) -> Request:
    members = checked_object(body)
    inner = members.get("generateContentRequest") or members.get("generate_content_request")
    if inner is None or is_null(inner):
        return parse_request(body, envelope)
    request = parse_request(bytes(inner), envelope)
    return msgspec.structs.replace(request, form="\x1f".join(filter(None, (request.form, _WRAPPED))))


def _render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """`contents` alone take no tools or instructions, so anything from elsewhere is sent wrapped."""
    body: dict[str, object] = request_object(request, target, dropped)
    if request.dialect != NAME or _WRAPPED in request.form:
        body = {"generateContentRequest": {**body, "model": f"models/{bare(target.model)}"}}
    return ENCODER.encode(with_quirks(body, target))


def _parse_response(body: bytes) -> int:
    try:
        total = ANY.decode(OBJECT.decode(body)["totalTokens"])
    except (msgspec.DecodeError, KeyError):
        total = None
    if not isinstance(total, int | float):
        raise Malformed("the answer of countTokens tells no `totalTokens`")
    return int(total)


def _render_response(tokens: int) -> bytes:
    return ENCODER.encode({"totalTokens": tokens})


COUNTING: Final = Counting(
    address=_address,
    parse_request=_parse_request,
    render_request=_render_request,
    parse_response=_parse_response,
    render_response=_render_response,
)
