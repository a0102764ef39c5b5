"""An answer as it comes together: members of the wire in, events out, for streams and wholes alike."""

from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from headgate.core.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
)
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.cohere.errors import problem_of_end
from headgate.dialects.cohere.usage import read_usage
from headgate.dialects.cohere.wire import ARRAY, EMPTIES, ENCODE, NAME, OBJECT, PLAN, REASONS
from headgate.dialects.members import shape

_TEXT: Final = Decoder(str)
_SAID: Final = {"text": "text", "thinking": "thinking"}
_FAULTS: Final[dict[Outcome, str]] = {
    Outcome.CUT: "the answer ended before it was complete",
    Outcome.PROTOCOL: "the answer was not one of Cohere's chat",
    Outcome.SERVER: "the provider ended the answer with an error",
}


class _Open(Struct):
    """A part under way."""

    index: int
    is_over: bool = False


class Assembler:
    """Builds the events of one answer into `events`, from which the owner takes them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.usage: Usage | None = None
        self.is_started = False
        self.is_over = False
        self.extras: Extras = {}
        """Empty members, of interest to nobody but a renderer of the same dialect."""
        self._open: dict[str, _Open] = {}
        self._parts = 0

    # what holds for the whole answer

    def start(self, members: Extras) -> None:
        """The answer's head; only the first counts."""
        if not self.is_started:
            self.is_started = True
            self.events.append(Started(id=take_text(members, "id") or "", dialect=NAME))

    def leave(self, members: Extras, slot: str) -> None:
        """Leftovers of the answer (`answer`) or of its message (`message`)."""
        for name, raw in members.items():
            if bytes(raw) in EMPTIES:
                self.extras[f"{slot}.{name}"] = raw.copy()
            else:
                self.events.append(Opaque(name=name, raw=raw.copy(), dialect=NAME, slot=slot))

    def tell(self, name: str, raw: Raw, slot: str, place: str = "") -> None:
        """Something that only this dialect understands, on a part when its place is told."""
        index = self._open[place].index if place in self._open else None
        self.events.append(Opaque(name=name, raw=raw.copy(), dialect=NAME, slot=slot, index=index))

    def tell_each(self, members: Extras, name: str, slot: str) -> None:
        """Each entry of a list likewise. A list that is empty, or no list, stays where it is."""
        if name in members and shape(members[name]) == "an array" and bytes(members[name]) not in EMPTIES:
            for raw in ARRAY.decode(members.pop(name)):
                self.tell(name, raw, slot)

    # parts, each known by its place on the wire

    def content(self, place: str, members: Extras) -> None:
        """A content part begins. One of a kind that we do not know is told as it is."""
        kind = text_of(members.get("type")) or ""
        word = _SAID.get(kind)
        if word is None:
            return self.tell(kind or "content", Raw(ENCODE(members)), "content")
        del members["type"]
        text = take_text(members, word) or ""
        self._begin(place, "text" if kind == "text" else "reasoning", extras=_copied(members))
        self.more(place, text)
        return None

    def plan(self, text: str) -> None:
        """More of the plan that precedes tool calls."""
        if "plan" not in self._open:
            self._begin("plan", "reasoning", form=PLAN)
        self.more("plan", text)

    def call(self, place: str, members: Extras) -> None:
        """A tool call begins."""
        function = OBJECT.decode(members.pop("function")) if _is_object(members.get("function")) else {}
        marks: list[str] = []
        call_id, name = take_text(members, "id"), take_text(function, "name") or ""
        marks += [] if call_id else ["no_id"]
        if bytes(members.get("type", b"")) == b'"function"':
            del members["type"]
        elif "type" not in members:
            marks.append("untyped")
        arguments = take_text(function, "arguments")
        marks += ["none"] if arguments is None else []
        extras = _copied(members) | {f"function.{member}": raw.copy() for member, raw in function.items()}
        index = self._parts
        started = PartStarted(
            index=index, kind="tool_call", id=call_id or f"call_{index}", name=name, form=" ".join(marks), extras=extras
        )
        self._add(place, started)
        self.more(place, arguments or "")

    def more(self, place: str, text: str) -> None:
        """More of a part. Of one that never began, or is over, there is nobody to tell."""
        part = self._open.get(place)
        if part is not None and not part.is_over and text:
            self.events.append(PartDelta(part.index, text))

    def has(self, place: str) -> bool:
        """Whether that part has begun."""
        return place in self._open

    def end(self, place: str) -> None:
        """A part is complete."""
        part = self._open.get(place)
        if part is not None and not part.is_over:
            part.is_over = True
            self.events.append(PartEnded(index=part.index))

    def _begin(self, place: str, kind: str, *, form: str = "", extras: Extras | None = None) -> None:
        started = PartStarted(index=self._parts, kind=kind, form=form, extras=extras or {})  # pyright: ignore[reportArgumentType]
        self._add(place, started)

    def _add(self, place: str, started: PartStarted) -> None:
        self.end(place)
        self._open[place] = _Open(started.index)
        self._parts += 1
        self.events.append(started)

    # how it ends

    def finish(self, members: Extras, raw: bytes) -> None:
        """The end, as its members tell it."""
        self.start({})
        word = text_of(members.get("finish_reason"))
        usage = members.get("usage")
        if usage is not None and _is_object(usage):
            self.usage = read_usage(OBJECT.decode(usage))
            if self.usage is not None:
                del members["usage"]
        error = take_text(members, "error")
        reason = REASONS.get(word or "", "other")
        if error or reason == "error":
            return self.fail(problem_of_end(error or _FAULTS[Outcome.SERVER], take_text(members, "error_type"), raw))
        if word is not None:
            del members["finish_reason"]
        for place in self._open:
            self.end(place)
        self.tell_each(members, "logprobs", "logprobs")
        self.leave(members, "answer")
        self.events.append(Finished(reason=reason, usage=self.usage, wire_reason=word or "", extras=self.extras))
        self.is_over = True
        return None

    def fail(self, problem: Problem) -> None:
        """The end by a fault."""
        if not self.is_over:
            self.is_over = True
            self.events.append(Failed(problem))

    def fail_by(self, outcome: Outcome, detail: str = "") -> None:
        """The end by a fault of which no more than its class is known."""
        message = f"{_FAULTS[outcome]}: {detail}" if detail else _FAULTS[outcome]
        self.fail(Problem(kind="upstream", message=message, outcome=outcome, dialect=NAME))


def text_of(raw: Raw | None) -> str | None:
    """A string, None for anything else."""
    return None if raw is None or bytes(raw)[:1] != b'"' else _TEXT.decode(raw)


def take_text(members: Extras, name: str) -> str | None:
    """A string member, taken out; one of another type is a leftover."""
    text = text_of(members.get(name))
    if text is not None:
        del members[name]
    return text


def _is_object(raw: Raw | None) -> bool:
    return raw is not None and bytes(raw)[:1] == b"{"


def _copied(members: Extras) -> Extras:
    return {name: raw.copy() for name, raw in members.items()}
