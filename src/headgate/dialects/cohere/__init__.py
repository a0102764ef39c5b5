"""Cohere's chat, second version: https://docs.cohere.com/v2/reference/chat. Must not know any other dialect."""

from collections.abc import Sequence

from headgate.dialects.base import Dialect, Headers, Target
from headgate.dialects.cohere.embeddings import EMBEDDINGS, usage_of
from headgate.dialects.cohere.errors import parse_error, render_error
from headgate.dialects.cohere.renderer import StreamRenderer
from headgate.dialects.cohere.rendering import render_request
from headgate.dialects.cohere.request import parse_request, patch, peek
from headgate.dialects.cohere.response import parse_response, render_response
from headgate.dialects.cohere.stream import StreamParser
from headgate.dialects.cohere.tap import tap
from headgate.dialects.cohere.wire import NAME
from headgate.dialects.halves import embeddings_row, ranking_row
from headgate.dialects.reranking import Speaker, usage_of_ranking
from headgate.dialects.side import by_name

RANKING = Speaker(dialect=NAME, path="/v2/rerank", gives_back=False).operation


def _address(_: Target) -> str:
    return "/v2/chat"


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
    sides=by_name(
        (
            embeddings_row(("/v2/embed",), EMBEDDINGS, ("embeddings",), usage_of),
            ranking_row(("/v2/rerank",), RANKING, ("results",), usage_of_ranking),
        )
    ),
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
