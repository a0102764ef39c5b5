"""Ollama's own chat: https://docs.ollama.com/api/chat. Must not know any other dialect."""

from collections.abc import Sequence

from headgate.dialects.base import Dialect, Headers, Target
from headgate.dialects.halves import embeddings_row
from headgate.dialects.ollama.embeddings import EMBEDDINGS
from headgate.dialects.ollama.errors import parse_error, render_error
from headgate.dialects.ollama.renderer import StreamRenderer
from headgate.dialects.ollama.rendering import render_request
from headgate.dialects.ollama.request import parse_request, patch, peek
from headgate.dialects.ollama.response import parse_response, render_response
from headgate.dialects.ollama.stream import StreamParser
from headgate.dialects.ollama.tap import tap
from headgate.dialects.ollama.usage import read_usage
from headgate.dialects.ollama.wire import NAME
from headgate.dialects.side import by_name


def _address(_: Target) -> str:
    return "/api/chat"


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
    stream_type="application/x-ndjson",
    event_ends=(b"\n",),
    parse_error=parse_error,
    render_error=render_error,
    # A line of its own must be an object; white space before one is allowed in JSON, and clients let it pass
    ping=b" ",
    sides=by_name((embeddings_row(("/api/embed",), EMBEDDINGS, ("embeddings",), read_usage),)),
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
