"""How an ordinary whole answer ended, without reading the rest of it: all that the verbatim lane has to know.

Anything out of the ordinary is left to `parse_response`, whose last event this is in every case.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from headgate.core.events import Event, Finished
from headgate.core.usage import Usage
from headgate.dialects.ollama.response import parse_response

_Count = Annotated[int, Meta(ge=0)]


class _Message(Struct, gc=False):
    tool_calls: None = None


class _Answer(Struct, gc=False):
    message: _Message
    done: bool
    done_reason: Literal["stop", "length"]
    prompt_eval_count: _Count
    eval_count: _Count
    error: None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def tap(body: bytes) -> Event:
    """The last event of a whole answer: `Finished` or `Failed`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return parse_response(body)[-1]
    if not answer.done:
        return parse_response(body)[-1]
    usage = Usage(input_tokens=answer.prompt_eval_count, output_tokens=answer.eval_count)
    return Finished(reason=answer.done_reason, usage=usage, wire_reason=answer.done_reason)
