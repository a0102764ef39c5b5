"""OpenAI chat completions, https://platform.openai.com/docs/api-reference/chat, as its many hosts speak it."""

from collections.abc import Sequence

from headgate.dialects.base import Dialect, Headers, Target
from headgate.dialects.keying import key_prompt
from headgate.dialects.openai_chat.errors import parse_error, render_error
from headgate.dialects.openai_chat.quirks import QUIRKS
from headgate.dialects.openai_chat.renderer import StreamRenderer
from headgate.dialects.openai_chat.rendering import render_request
from headgate.dialects.openai_chat.request import parse_request
from headgate.dialects.openai_chat.response import parse_response, render_response
from headgate.dialects.openai_chat.sides import SIDES
from headgate.dialects.openai_chat.stream import StreamParser
from headgate.dialects.openai_chat.tap import tap
from headgate.dialects.openai_chat.verbatim import UsageFilter, patch, peek
from headgate.dialects.openai_chat.wire import NAME


def _address(_: Target) -> str:
    return "/chat/completions"


def _headers(_: Target, _client: Headers) -> Sequence[tuple[str, str]]:
    return ()


DIALECT = Dialect(
    name=NAME,
    peek=peek,
    patch=patch,
    parse_request=parse_request,
    render_request=render_request,
    address=_address,
    headers=_headers,
    parse_response=parse_response,
    tap=tap,
    render_response=render_response,
    stream_parser=StreamParser,
    stream_renderer=StreamRenderer,
    parse_error=parse_error,
    render_error=render_error,
    usage_filter=UsageFilter,
    mark_prompt=key_prompt,
    quirks=QUIRKS,
    sides=SIDES,
)

__all__ = [
    "DIALECT",
    "StreamParser",
    "StreamRenderer",
    "UsageFilter",
    "parse_error",
    "parse_request",
    "parse_response",
    "patch",
    "peek",
    "render_error",
    "render_request",
    "render_response",
]
