"""An answer as it comes together: objects of the wire in, events out, for streams and wholes alike.

Ollama has no parts, only fields that grow. Here the fields become parts: one opens when its field first says something
and ends when another does, or when the answer ends.
"""

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from headgate.core.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
)
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.ollama.errors import problem_of_line
from headgate.dialects.ollama.usage import read_usage
from headgate.dialects.ollama.wire import (
    EMPTIES,
    NAME,
    NULL,
    OBJECT,
    REASONS,
    is_object,
    media_type_of,
    seconds_of,
    text_of,
)

T = TypeVar("T")

_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_RAWS: Final = msgspec.json.Decoder(list[Raw])
_FIELDS: Final[tuple[tuple[str, PartKind], ...]] = (("thinking", "reasoning"), ("content", "text"))
_FAULTS: Final[dict[Outcome, str]] = {
    Outcome.CUT: "the answer ended before it was complete",
    Outcome.PROTOCOL: "the answer was not one of Ollama's chat",
}

# How long each step took: no part of what was said, so elsewhere nobody misses it.
_BOOKKEEPING = re.compile(r"\w+_duration")


class Assembler:
    """Builds the events of one answer into `events`, from which the owner takes them."""

    def __init__(self, *, is_whole: bool) -> None:
        self.events: list[Event] = []
        self.usage: Usage | None = None
        self.is_over = False
        self._is_whole = is_whole
        self._is_started = False
        self._extras: Extras = {}
        """Empty members and bookkeeping, of interest to nobody but a renderer of the same dialect."""
        self._kind = ""
        self._parts = 0
        self._calls = 0
        self._stamp = ""

    def add(self, members: Extras, body: bytes) -> None:
        """All that a line, or a whole answer, says."""
        error = members.get("error")
        if error is not None and bytes(error) not in EMPTIES:
            return self.fail(problem_of_line(error, body))
        if not is_object(members.get("message")):
            return self.fail_by(Outcome.PROTOCOL, "it has no `message`")
        message = OBJECT.decode(members.pop("message"))
        self._start(members)
        self._add_message(message)
        if bytes(members.pop("done", b"true" if self._is_whole else b"false")) == b"true":
            self._finish(members)
        else:
            self._tell(members, "answer")
        return None

    def more(self, kind: PartKind, text: str) -> None:
        """More of the words or of the thinking."""
        if self._kind != kind:
            self._close()
            self._kind = kind
            self.events.append(PartStarted(index=self._parts, kind=kind))
            self._parts += 1
        self.events.append(PartDelta(self._parts - 1, text))

    @property
    def is_started(self) -> bool:
        """Whether the head is known."""
        return self._is_started

    def _start(self, members: Extras) -> None:
        created, model = members.pop("created_at", NULL), text_of(members.get("model"))
        told = text_of(created) or ""
        if model is not None:
            del members["model"]
        if self._is_started:
            return
        self._is_started = True
        self._stamp = re.sub(r"\D", "", told)
        extras = {} if created == NULL else {"created_at": created.copy()}
        self.events.append(Started(model=model or "", created=seconds_of(told), dialect=NAME, extras=extras))

    def _add_message(self, message: Extras) -> None:
        if bytes(message.get("role", b"")) == b'"assistant"':
            del message["role"]
        elif self._is_whole and "role" not in message:
            self._extras["missing.role"] = NULL
        if self._is_whole and "content" not in message:
            self._extras["missing.content"] = NULL
        for name, kind in _FIELDS:
            if text := text_of(message.get(name)):
                del message[name]
                self.more(kind, text)
        for image in _taken(message, "images", _RAWS):
            self._add_image(image)
        for call in _taken(message, "tool_calls", _OBJECTS):
            self._add_call(call)
        self._tell(message, "message")

    def _add_image(self, raw: Raw) -> None:
        data = text_of(raw) or ""
        self._close()
        self.events += [
            PartStarted(index=self._parts, kind="image", media_type=media_type_of(data)),
            PartDelta(self._parts, data),
            PartEnded(index=self._parts),
        ]
        self._parts += 1

    def _add_call(self, members: Extras) -> None:
        function = OBJECT.decode(members.pop("function")) if is_object(members.get("function")) else {}
        call_id, name = text_of(members.get("id")), text_of(function.get("name"))
        if call_id:
            del members["id"]
        if name is not None:
            del function["name"]
        marks = [] if call_id else ["no_id"]
        arguments = ""
        if is_object(function.get("arguments")):
            arguments = bytes(function.pop("arguments")).decode()
        elif (text := text_of(function.get("arguments"))) is not None:
            del function["arguments"]
            arguments = text
            marks.append("text")
        else:
            marks.append("none")
        self._close()
        extras = {name: raw.copy() for name, raw in members.items()}
        extras |= {f"function.{name}": raw.copy() for name, raw in function.items()}
        index = self._parts
        call_id = call_id or f"call_{self._stamp}_{self._calls}"
        started = PartStarted(
            index=index, kind="tool_call", id=call_id, name=name or "", form=" ".join(marks), extras=extras
        )
        self.events += [started, *([PartDelta(index, arguments)] if arguments else []), PartEnded(index=index)]
        self._parts += 1
        self._calls += 1

    def _tell(self, members: Extras, slot: str) -> None:
        """Leftovers: what says something is told, what is empty is only kept, and of a stream not even that."""
        for item in _taken(members, "logprobs", _RAWS):
            self.events.append(Opaque(name="logprobs", raw=item.copy(), dialect=NAME, slot="logprobs"))
        for name, raw in members.items():
            if bytes(raw) not in EMPTIES and not _BOOKKEEPING.fullmatch(name):
                self.events.append(Opaque(name=name, raw=raw.copy(), dialect=NAME, slot=slot))
            elif self._is_whole or slot == "answer":
                self._extras[f"{slot}.{name}"] = raw.copy()

    def _close(self) -> None:
        if self._kind:
            self.events.append(PartEnded(index=self._parts - 1))
            self._kind = ""

    # how it ends

    def _finish(self, members: Extras) -> None:
        self._close()
        word = text_of(members.get("done_reason"))
        if word is not None:
            del members["done_reason"]
        self.usage = read_usage(members)
        self._tell(members, "answer")
        reason = "stop" if word is None else REASONS.get(word, "other")
        if self._calls and reason == "stop":
            reason = "tool_calls"  # for which there is no word of its own
        self.events.append(Finished(reason=reason, usage=self.usage, wire_reason=word or "", extras=self._extras))
        self.is_over = True

    def fail(self, problem: Problem) -> None:
        """The end by a fault."""
        if not self.is_over:
            self.is_over = True
            self.events.append(Failed(problem))

    def fail_by(self, outcome: Outcome, detail: str = "") -> None:
        """The end by a fault of which no more than its class is known."""
        message = f"{_FAULTS[outcome]}: {detail}" if detail else _FAULTS[outcome]
        self.fail(Problem(kind="upstream", message=message, outcome=outcome, dialect=NAME))


def _taken(members: Extras, name: str, decoder: msgspec.json.Decoder[list[T]]) -> list[T]:
    """A list, taken out; anything else, and an empty list, is a leftover."""
    try:
        found = decoder.decode(members.get(name, b"[]"))
    except msgspec.ValidationError:
        return []
    if found:
        del members[name]
    return found
