"""Anthropic's Messages API, in its versions 2023-06-01 and 2026-10-21. Must not know another wire format."""

from collections.abc import Sequence
from typing import Final

from headgate.dialects.anthropic.counting import COUNTING
from headgate.dialects.anthropic.errors import parse_error, render_error
from headgate.dialects.anthropic.marking import mark_prompt
from headgate.dialects.anthropic.quirks import QUIRKS
from headgate.dialects.anthropic.render import render_request
from headgate.dialects.anthropic.request import parse_request, patch, peek
from headgate.dialects.anthropic.response import parse_response, render_response
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.anthropic.stream import StreamParser
from headgate.dialects.anthropic.tap import tap
from headgate.dialects.anthropic.writer import StreamRenderer
from headgate.dialects.base import Dialect, Headers, Target

_VERSION: Final = "2023-06-01"
"""Sent when neither the caller nor the provider's data names one: compatible services know no later one."""


def address(target: Target) -> str:
    """The path below the base URL."""
    return "/v1/messages"


def headers(target: Target, client: Headers) -> Sequence[tuple[str, str]]:
    """The version, and the caller's other `anthropic-*` fields: an open list, since a beta travels with its fields."""
    version = client.get("anthropic-version") or target.version or _VERSION
    others = {name: value for name, value in client.items() if name.startswith("anthropic-")}
    return list({**others, "anthropic-version": version}.items())


DIALECT: Final = Dialect(
    name=NAME,
    peek=peek,
    patch=patch,
    parse_request=parse_request,
    render_request=render_request,
    address=address,
    headers=headers,
    parse_response=parse_response,
    tap=tap,
    render_response=render_response,
    stream_parser=StreamParser,
    stream_renderer=StreamRenderer,
    parse_error=parse_error,
    render_error=render_error,
    ping=b'event: ping\ndata: {"type": "ping"}\n\n',
    counting=COUNTING,
    mark_prompt=mark_prompt,
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
