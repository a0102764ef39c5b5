"""Gemini: Google's generateContent and streamGenerateContent. Must not know any other dialect."""

from collections.abc import Sequence

from headgate.dialects.base import Dialect, Headers, Target
from headgate.dialects.gemini.counting import COUNTING
from headgate.dialects.gemini.embeddings import EMBEDDINGS, patch_embeddings, usage_of
from headgate.dialects.gemini.errors import parse_error, render_error
from headgate.dialects.gemini.interactions import INTERACTIONS
from headgate.dialects.gemini.quirks import QUIRKS
from headgate.dialects.gemini.request import address, parse_request, patch, peek, render_request
from headgate.dialects.gemini.response import parse_response, render_response
from headgate.dialects.gemini.signatures import SEALS
from headgate.dialects.gemini.stream import StreamParser
from headgate.dialects.gemini.tap import tap
from headgate.dialects.gemini.wire import NAME
from headgate.dialects.gemini.writing import StreamRenderer
from headgate.dialects.halves import embeddings_row
from headgate.dialects.side import by_name


def headers(_target: Target, _client: Headers) -> Sequence[tuple[str, str]]:
    """None of its own: the client's `x-goog-api-client` tells of the client, not of the call."""
    return ()


DIALECT = Dialect(
    name=NAME,
    peek=peek,
    patch=patch,
    parse_request=parse_request,
    render_request=render_request,
    address=address,
    headers=headers,
    seals=SEALS,
    parse_response=parse_response,
    tap=tap,
    render_response=render_response,
    stream_parser=StreamParser,
    stream_renderer=StreamRenderer,
    parse_error=parse_error,
    render_error=render_error,
    # Google's Python SDK takes a comment line for a chunk and fails; an empty line it skips, in either framing
    # (google-genai 3.4.0, `_iter_response_stream`, 2026-11)
    ping=b"\r\n",
    counting=COUNTING,
    quirks=QUIRKS,
    sides=by_name(
        (
            embeddings_row(
                (),
                EMBEDDINGS,
                ("embedding", "embeddings"),
                lambda members: usage_of(members.get("usageMetadata")),
                patch_embeddings,
            ),
            INTERACTIONS,
        )
    ),
)

__all__ = [
    "DIALECT",
    "StreamParser",
    "StreamRenderer",
    "address",
    "headers",
    "parse_error",
    "parse_request",
    "parse_response",
    "patch",
    "peek",
    "render_error",
    "render_request",
    "render_response",
]
