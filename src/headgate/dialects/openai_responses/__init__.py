"""OpenAI's Responses API over HTTP: create and stream. Knows no host and no other dialect.

State kept at one service (`previous_response_id`, `conversation`, stored prompts, background answers) passes within
the dialect and is refused elsewhere. Calls translated from another dialect are sent with `store: false`.
"""

from collections.abc import Sequence
from typing import Final

from headgate.dialects.base import Dialect, Headers, Target
from headgate.dialects.keying import key_prompt
from headgate.dialects.openai_responses.compacting import SIDES
from headgate.dialects.openai_responses.counting import COUNTING
from headgate.dialects.openai_responses.errors import parse_error, render_error
from headgate.dialects.openai_responses.quirks import QUIRKS
from headgate.dialects.openai_responses.renderer import StreamRenderer
from headgate.dialects.openai_responses.rendering import render_request
from headgate.dialects.openai_responses.request import parse_request, patch, peek
from headgate.dialects.openai_responses.response import parse_response, render_response
from headgate.dialects.openai_responses.stream import StreamParser
from headgate.dialects.openai_responses.tap import tap
from headgate.dialects.openai_responses.wire import NAME


def _address(target: Target) -> str:
    return "/responses"


def _headers(target: Target, headers: Headers) -> Sequence[tuple[str, str]]:
    """Betas pass; the format itself has no header of its own."""
    return [("OpenAI-Beta", headers["openai-beta"])] if "openai-beta" in headers else []


DIALECT: Final = Dialect(
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
    counting=COUNTING,
    sides=SIDES,
    mark_prompt=key_prompt,
    quirks=QUIRKS,
)

__all__ = [
    "DIALECT",
    "StreamParser",
    "StreamRenderer",
    "parse_error",
    "parse_request",
    "parse_response",
    "patch",
    "peek",
    "render_error",
    "render_request",
    "render_response",
]
