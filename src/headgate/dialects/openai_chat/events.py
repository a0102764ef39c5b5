"""Streams of the endpoints beside chat: events with a `type`, or the chunks of the older completions.

https://platform.openai.com/docs/api-reference/images-streaming, …/audio/transcript-text-delta-event and
…/audio/speech-audio-delta-event (2026-11).
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.problems import Problem
from headgate.core.usage import Measures, Usage
from headgate.dialects.openai_chat.consumed import consumed
from headgate.dialects.openai_chat.errors import error_object, problem_of_event
from headgate.dialects.openai_chat.wire import ENCODE
from headgate.dialects.side import EventsTap, Streaming, WholeEvents
from headgate.dialects.sse import ServerSentEvent, event

EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""An event may hold a whole picture."""
_OVER: Final = ("speech.audio.done", "transcript.text.done")
_ENDS: Final = (".completed", *_OVER)
_NULL: Final = Raw(b"null")


class _Choice(Struct):
    text: str | None = None
    finish_reason: str | None = None


class _Told(Struct):
    type: str | None = None
    delta: Raw = _NULL
    choices: list[_Choice] | None = None
    usage: Raw = _NULL
    error: Raw = _NULL


_TOLD: Final = msgspec.json.Decoder(_Told)
_TEXT: Final = msgspec.json.Decoder(str)


class EventTap(EventsTap):
    """Listens in on a stream."""

    def __init__(self) -> None:
        super().__init__(EVENT_BYTES_MAX)
        self._images = 0

    def _done(self) -> None:
        self.is_finished = True

    def _read(self, each: ServerSentEvent) -> None:
        told = _TOLD.decode(each.data)
        kind = told.type or each.name
        if kind == "error" or bytes(told.error)[:1] in (b"{", b'"'):
            self.usage = consumed(told.usage) or self.usage  # a failure may be billed too
            is_inner = bytes(told.error)[:1] in (b"{", b'"')
            self.failed = problem_of_event(told.error if is_inner else Raw(each.data), each.data)
            return
        self._count(told, kind)

    def _count(self, told: _Told, kind: str) -> None:
        usage = consumed(told.usage)
        if kind.startswith("image") and kind.endswith(".completed"):
            self._images += 1
            self.usage = structs.replace(usage or Usage(), measures=Measures(images=self._images))
        elif usage is not None:
            self.usage = usage
        if kind == "transcript.text.delta" and bytes(told.delta)[:1] == b'"':
            self.chars += len(_TEXT.decode(told.delta))
        for choice in told.choices or ():
            self.chars += len(choice.text or "")
            self.is_finished = self.is_finished or choice.finish_reason is not None
        # after one picture, or one choice, others may come
        self.is_finished = self.is_finished or kind.endswith(_ENDS)
        self.is_over = self.is_over or kind.endswith(_OVER)


def error_event(problem: Problem) -> bytes:
    """What ends a stream that broke off, as it ends one of chat."""
    return event(ENCODE(error_object(problem)))


def named_error_event(problem: Problem) -> bytes:
    """The same where events have types."""
    return event(ENCODE({"type": "error", **error_object(problem)}), "error")


def streaming(fail: Callable[[Problem], bytes] = named_error_event) -> Streaming:
    """How events with types are streamed."""
    return Streaming(tap=EventTap, filter=lambda _asked: WholeEvents(), fail=fail)
