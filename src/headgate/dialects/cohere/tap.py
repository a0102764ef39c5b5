"""How an ordinary whole answer ended, without reading the rest of it: all that the verbatim lane has to know.

Anything out of the ordinary is left to `parse_response`, whose last event this is in every case.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.events import Event, Finished
from headgate.dialects.cohere.response import parse_response
from headgate.dialects.cohere.usage import read_usage
from headgate.dialects.cohere.wire import REASONS
from headgate.dialects.members import readable


class _Message(Struct, gc=False):
    pass


class _Answer(Struct, gc=False):
    message: _Message
    finish_reason: str
    usage: dict[str, Raw]
    error: None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def tap(body: bytes) -> Event:
    """The last event of a whole answer: `Finished` or `Failed`."""
    try:
        answer = _ANSWER.decode(readable(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return parse_response(body)[-1]
    reason = REASONS.get(answer.finish_reason)
    if reason is None or reason == "error":
        return parse_response(body)[-1]
    return Finished(reason=reason, usage=read_usage(answer.usage), wire_reason=answer.finish_reason)
