"""Streams of this dialect, written: events in, chunks out, each complete and with the same head."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import AnswerPart
from headgate.core.request import Extras, Reasoning
from headgate.core.signatures import seal
from headgate.dialects.base import ReplyTo
from headgate.dialects.openai_chat.errors import error_object
from headgate.dialects.openai_chat.message import own_form
from headgate.dialects.openai_chat.parts import Wire, write_detail
from headgate.dialects.openai_chat.reasoning import DETAIL, STRINGS
from headgate.dialects.openai_chat.reasons import word_of
from headgate.dialects.openai_chat.usage import write_usage
from headgate.dialects.openai_chat.wire import ENCODE, FORM, NAME, NULL
from headgate.dialects.sse import event as framed

_DONE: Final = b"data: [DONE]\n\n"
_FIELDS: Final = {"text": "content", "refusal": "refusal"}
_OWN_SLOTS: Final = {"message": "delta", "choice": "choice", "answer": "answer"}


class _Open(Struct):
    """A part under way."""

    started: PartStarted
    lead: bytes
    """The bytes of a chunk up to the delta's text, where its deltas are text in one field."""
    tail: bytes = b""
    place: int = 0
    """Of a tool call: its place in the list."""
    words: list[str] = []
    has_said: bool = False


class StreamRenderer:
    """Writes one stream."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._reply_to = reply_to
        self._head = b""
        self._parts: dict[int, _Open] = {}
        self._roles: set[int] = set()
        self._calls: dict[int, int] = {}
        self._details = 0
        self._refused: set[int] = set()
        self._leads: dict[str, bytes] = {}

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        out: list[bytes] = []
        for event in events:
            if type(event) is PartDelta:
                part = self._parts[event.index]
                if part.lead:
                    out.append(b"%b%b%b" % (part.lead, ENCODE(event.text), part.tail))
                else:
                    self._grow(part, event.text, out)
            else:
                self._tell(event, out)
        return b"".join(out)
