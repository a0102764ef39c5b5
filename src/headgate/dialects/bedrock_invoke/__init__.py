"""Amazon Bedrock's InvokeModel: the body is in the format of the model's maker. Must not know those formats itself.

It is a framing of other dialects: Anthropic's messages, Nova's Converse, OpenAI's chat completions. A dialect knows no
other, so the registry, which knows all, hands them in. Answers keep the words of the maker's own dialect: what a
client of that dialect gets is what the maker said.
"""

from collections.abc import Sequence

from msgspec import structs

from headgate.dialects.base import Counting, Dialect, Headers, Target
from headgate.dialects.bedrock_invoke.bodies import Bodies, Counts, asked_in
from headgate.dialects.bedrock_invoke.completions import NAME
from headgate.dialects.bedrock_invoke.framing import EVENTS, Makers, StreamParser, StreamRenderer
from headgate.dialects.bedrock_invoke.vectors import SIDES
from headgate.dialects.eventstream import CONTENT_TYPE


def headers(_target: Target, _client: Headers) -> Sequence[tuple[str, str]]:
    """None of its own: versions and betas stand in the bodies."""
    return ()


def _counting(bodies: Bodies, makers: Makers) -> Counting | None:
    """Bedrock counts a body of InvokeModel where it counts one of Converse."""
    converses, counts = makers[EVENTS].counting, Counts(bodies)
    return converses and structs.replace(
        converses, parse_request=counts.parse_request, render_request=counts.render_request
    )


def dialect_over(makers: Makers) -> Dialect:
    """The dialect, over those that its bodies are of."""
    bodies = Bodies(makers)
    return Dialect(
        name=NAME,
        peek=bodies.peek,
        patch=bodies.patch,
        parse_request=bodies.parse_request,
        render_request=bodies.render_request,
        address=bodies.address,
        headers=headers,
        parse_response=bodies.parse_response,
        render_response=bodies.render_response,
        stream_parser=lambda: StreamParser(makers),
        stream_renderer=lambda reply_to: StreamRenderer(makers, reply_to, asked_in(reply_to)),
        stream_type=CONTENT_TYPE,
        parse_error=makers[EVENTS].parse_error,
        render_error=makers[EVENTS].render_error,
        ping=b"",  # an event stream has no comments
        counting=_counting(bodies, makers),
        sides=SIDES,
    )


__all__ = ["dialect_over"]
