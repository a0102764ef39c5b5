"""Amazon Bedrock's Converse and ConverseStream: one API for the models of every maker. Must not know other dialects."""

from collections.abc import Sequence
from typing import Final

from headgate.dialects.base import Dialect, Headers, Target
from headgate.dialects.bedrock_converse.address import address
from headgate.dialects.bedrock_converse.counting import COUNTING
from headgate.dialects.bedrock_converse.errors import parse_error, render_error
from headgate.dialects.bedrock_converse.render import render_request
from headgate.dialects.bedrock_converse.request import parse_request, patch, peek
from headgate.dialects.bedrock_converse.response import parse_response, render_response
from headgate.dialects.bedrock_converse.stream import StreamParser
from headgate.dialects.bedrock_converse.wire import NAME
from headgate.dialects.bedrock_converse.writer import StreamRenderer
from headgate.dialects.eventstream import CONTENT_TYPE


def headers(_target: Target, _client: Headers) -> Sequence[tuple[str, str]]:
    """None of its own: everything is said in the body."""
    return ()


DIALECT: Final = Dialect(
    name=NAME,
    peek=peek,
    patch=patch,
    parse_request=parse_request,
    render_request=render_request,
    address=address,
    headers=headers,
    parse_response=parse_response,
    render_response=render_response,
    stream_parser=StreamParser,
    stream_renderer=StreamRenderer,
    stream_type=CONTENT_TYPE,
    parse_error=parse_error,
    render_error=render_error,
    ping=b"",  # an event stream has no comments
    counting=COUNTING,
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
