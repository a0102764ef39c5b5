"""Whole answers of Gemini, both ways: a whole answer is one chunk. Must not know streams' framing."""

from collections.abc import Iterable

import msgspec

from headgate.core.events import Event
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.gemini.reading import Reader
from headgate.dialects.gemini.wire import ARRAY
from headgate.dialects.gemini.writing import Whole
from headgate.dialects.members import readable


def parse_response(body: bytes) -> list[Event]:
    """The events of a whole answer, or of a list of chunks."""
    body = readable(body)
    reader = Reader(is_whole=True)
    events: list[Event] = []
    try:
        for chunk in ARRAY.decode(body) if body.lstrip()[:1] == b"[" else [body]:
            events += reader.read(bytes(chunk))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the answer is not of Gemini's form: {error}") from None
    if reader.is_failed:
        return events
    if not events:
        raise Malformed("the answer is an empty list")
    return events + reader.finish()


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The body of a whole answer."""
    whole = Whole(reply_to, dropped)
    for event in events:
        whole.add(event)
    return whole.body()
