"""An answer as it comes together: pieces of the wire in, events out, for streams and wholes alike.

Chat completions have no parts, only fields that grow. Here the fields become parts: one opens when its field first
says something, and ends when another field of the same choice does, or when the choice ends. Calls may grow side by
side: one whose arguments are no JSON yet stays open.
"""

import re
from typing import Final

import msgspec
from msgspec import Raw, Struct, field
from msgspec.structs import replace

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
    StopReason,
)
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Extras, Signature
from headgate.core.usage import Usage, tier_of
from headgate.dialects.openai_chat.reasons import WORDS, reason_of
from headgate.dialects.openai_chat.wire import ENCODE, FORM, NAME

_FAULTS: Final[dict[Outcome, str]] = {
    Outcome.CUT: "the answer ended before it was complete",
    Outcome.PROTOCOL: "the answer was not a chat completion",
    Outcome.SERVER: "the provider ended the answer with an error",
}


_VALUE: Final = msgspec.json.Decoder(Raw)

# Who answered and on which terms: no part of what was said, so elsewhere nobody misses it.
_BOOKKEEPING: Final = frozenset({"system_fingerprint", "service_tier", "provider", "native_finish_reason", "x_groq"})


class Call(Struct):
    """A piece of a tool call, as the wire tells it."""

    key: int | None = None
    """Its place in the list of calls; None: not told."""
    id: str = ""
    name: str = ""
    arguments: str = ""
    form: str = ""
    is_custom: bool = False
    signature: Signature | None = None


class _Choice(Struct):
    """One of several answers under way."""

    number: int
    index: int = -1
    """The open part; -1: none."""
    kind: str = ""
    key: str = ""
    """What tells one part from the next of its kind."""
    words: list[str] = field(default_factory=list)
    """Thinking so far, to know a repetition by."""
    signature: Signature | None = None
    calls: dict[int, int] = field(default_factory=dict)
    """Part of the call at each place."""
    call_ids: dict[int, str] = field(default_factory=dict)
    arguments: dict[int, list[str]] = field(default_factory=dict)
    """What each call has been told so far, by its part."""
    unfinished: dict[int, Signature | None] = field(default_factory=dict)
    """Calls that something else began beside, before their arguments were whole; each with its proof."""
    nameless: dict[int, Call] = field(default_factory=dict)
    """Calls whose id came before their name."""
    last_call: int = 0
    reason: str | None = None
    has_refused: bool = False


class Assembler:
    """Builds the events of one answer into `events`, from which the owner takes them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.usage: Usage | None = None
        self.is_over = False
        self.fault = ""
        """What is wrong with the answer, told at its end; empty: nothing."""
        self.has_reason = False
        self.extras: Extras = {}
        """Null, empty and bookkeeping members, of interest to nobody but a renderer of the same dialect."""
        self._choices: dict[int, _Choice] = {}
        self._parts = 0
        self._answer_id = ""
        self.is_started = False
        """Whether the head is known."""
        self._seen: dict[str, Raw] = {}
        self._early: list[Opaque] = []

    # what holds for the whole answer

    def start(self, answer_id: str, model: str, created: int) -> None:
        """The answer's head; only the first counts."""
        if not self.is_started:
            self.is_started = True
            self._answer_id = answer_id
            self.events.append(Started(id=answer_id, model=model, created=created, dialect=NAME))
            self.events += self._early

    def tell(self, name: str, raw: Raw) -> None:
        """A leftover of the answer; one that says the same in every event is told once."""
        if self._seen.get(name) == raw:
            return
        self._seen[name] = raw = raw.copy()
        if name in _BOOKKEEPING:
            self.extras[f"answer.{name}"] = raw
            return
        opaque = Opaque(name=name, raw=raw, dialect=NAME, slot="answer")
        (self.events if self.is_started else self._early).append(opaque)

    def leave(self, name: str, raw: Raw, number: int, slot: str) -> None:
        """A leftover of a choice or its message."""
        if name in _BOOKKEEPING:
            self.extras[f"choices.{number}.{slot}.{name}"] = raw.copy()
            return
        self.events.append(Opaque(name=name, raw=raw.copy(), dialect=NAME, choice=number, slot=slot))

    def hang(self, number: int, name: str, raw: Raw, index: int | None = None) -> None:
        """A leftover of a part: the open one, if no other is told."""
        index = self._choices[number].index if index is None else index
        raw = raw.copy()
        self.events.append(Opaque(name=name, raw=raw, dialect=NAME, index=index, choice=number, slot="part"))

    def is_saying(self, number: int, kind: str) -> bool:
        """Whether a part of this kind is open."""
        return number in self._choices and self._choices[number].kind == kind

    def has_said(self, number: int) -> bool:
        """Whether the choice has any part yet."""
        return number in self._choices and self._parts > 0

    # what one choice says

    def text(self, number: int, text: str, form: str = "", *, key: str = "") -> None:
        """More words."""
        choice = self._choices.get(number) or self._choice(number)
        if choice.kind != "text" or choice.key != key:
            self._open(choice, "text", form)
            choice.key = key
        self.events.append(PartDelta(choice.index, text))

    def reasoning(self, number: int, text: str, form: str, *, key: str = "") -> None:
        """More thinking, from the field or detail that `form` and `key` name."""
        choice = self._choices.get(number) or self._choice(number)
        if choice.kind != "reasoning" or choice.key != key or choice.signature is not None:  # a proof ends a thought
            self._open(choice, "reasoning", form)
            choice.key = key
            choice.words = []
        choice.words.append(text)
        self.events.append(PartDelta(choice.index, text))

    def prove(self, number: int, signature: Signature, text: str, form: str) -> bool:
        """A signature for the thinking that is open, when it stands alone or with a repetition of the words."""
        choice = self._choices.get(number) or self._choice(number)
        is_same = choice.kind == "reasoning" and choice.signature is None
        if is_same and (not text or text == "".join(choice.words)):
            choice.signature = signature
            return True
        if not text:
            self._open(choice, "reasoning", form)
            choice.signature = signature
            return True
        return False

    def sign(self, number: int, signature: Signature) -> None:
        """A signature for whatever part is open."""
        self._choices[number].signature = signature

    def seal(self, number: int, signature: Signature, form: str) -> None:
        """Thinking that is shown to nobody."""
        choice = self._choices.get(number) or self._choice(number)
        index = self._next(choice, "reasoning")
        started = PartStarted(index=index, kind="reasoning", choice=number, is_redacted=True, form=FORM + form)
        self.events.append(started)
        choice.signature = signature

    def refusal(self, number: int, text: str) -> None:
        """More of a refusal."""
        choice = self._choices.get(number) or self._choice(number)
        if choice.kind != "refusal":
            self._open(choice, "refusal")
            choice.has_refused = True
        self.events.append(PartDelta(choice.index, text))

    def medium(self, number: int, started: PartStarted, data: str) -> int:
        """More of a sound (one with the same id), or an image; the index of its part."""
        choice = self._choices.get(number) or self._choice(number)
        if choice.kind != started.kind or (started.id and choice.key != started.id) or started.kind == "image":
            index = self._next(choice, started.kind, started.id)
            self.events.append(replace(started, index=index, choice=number, form=FORM + started.form))
        if data:
            self.events.append(PartDelta(choice.index, data))
        return choice.index

    def call(self, number: int, call: Call) -> int:
        """More of a tool call; the index of its part, -1 while it has no name."""
        choice = self._choices.get(number) or self._choice(number)
        key = call.key
        if key is None:  # without a place, an id or a name begins the next call
            is_next = bool(call.id or call.name) and call.id != choice.call_ids.get(choice.last_call)
            key = max(choice.calls, default=-1) + 1 if is_next else choice.last_call
        known = choice.call_ids.get(key)
        if known is not None and call.id and known and call.id != known:  # the same place, another call
            del choice.calls[key]
        if key not in choice.calls and not self._open_call(choice, key, call):
            return -1
        index = choice.calls[key]
        choice.last_call = key
        if index != choice.index and index not in choice.unfinished:
            self._check_late(choice, index, call.arguments)
            return index
        if call.signature is not None:
            if index == choice.index:
                choice.signature = call.signature
            else:
                choice.unfinished[index] = call.signature
        if call.arguments:
            choice.arguments[index].append(call.arguments)
            self.events.append(PartDelta(index, call.arguments))
        return index

    def _check_late(self, choice: _Choice, index: int, arguments: str) -> None:
        """More of a call that has ended may say it once more, and nothing else."""
        if arguments and arguments != "".join(choice.arguments[index]):
            self.fault = "it went on with a tool call that was whole"

    def _open_call(self, choice: _Choice, key: int, call: Call) -> bool:
        earlier = choice.nameless.pop(key, None)
        call_id = call.id or (earlier.id if earlier else "")
        if not call.name and not call.arguments:
            choice.nameless[key] = Call(id=call_id)
            return False
        form = call.form
        if not call_id:
            form += "" if form else "no_id"
        index = self._next(choice, "tool_call")
        self.events.append(
            PartStarted(
                index=index,
                kind="tool_call",
                id=call_id or self._substitute(index),
                name=call.name,
                choice=choice.number,
                is_custom=call.is_custom,
                form=FORM + form,
            )
        )
        choice.calls[key], choice.call_ids[key], choice.arguments[index] = index, call_id, []
        return True

    def _substitute(self, index: int) -> str:
        """An id for a call that has none; the answer's own makes it unique."""
        return f"call_{re.sub('[^A-Za-z0-9]', '', self._answer_id)[-24:]}_{index}"

    def stop(self, number: int, reason: str) -> None:
        """The choice's reason to end; the latest counts."""
        choice = self._choices.get(number) or self._choice(number)
        choice.reason = reason
        self.has_reason = True
        self._close_all(choice)

    # how it ends

    def finish(self) -> None:
        """The orderly end, or what must be told instead."""
        if self.is_over:
            return
        choices = [self._choices.get(number) or _Choice(number) for number in range(max(self._choices, default=-1) + 1)]
        if self.fault:
            return self.fail_by(Outcome.PROTOCOL, self.fault)
        if any(choice.reason is not None and reason_of(choice.reason) == "error" for choice in choices):
            return self.fail_by(Outcome.SERVER)
        self.start("", "", 0)
        for choice in choices:
            self._close_all(choice)
        for choice in choices[1:]:
            if choice.reason and choice.reason != WORDS.get(_reason(choice)):
                place = f"choices.{choice.number}.choice.finish_reason"
                self.extras[place] = Raw(ENCODE(choice.reason))
        reasons: list[StopReason] = [_reason(choice) for choice in choices] or ["other"]
        self.events.append(
            Finished(
                reason=reasons[0],
                usage=self._told_usage(),
                more_reasons=tuple(reasons[1:]),
                wire_reason=(choices[0].reason or "") if choices else "",
                extras=self.extras,
            )
        )
        self.is_over = True
        return None

    def _told_usage(self) -> Usage | None:
        """The counts, with the tier that is told beside them."""
        told = self._seen.get("service_tier")
        if self.usage is None or told is None:
            return self.usage
        tier = tier_of(bytes(told).strip(b'"').decode(errors="replace"))
        return replace(self.usage, tier=tier) if tier else self.usage

    def fail(self, problem: Problem) -> None:
        """The end by a fault."""
        if not self.is_over:
            self.events.append(Failed(problem))
            self.is_over = True

    def fail_by(self, outcome: Outcome, detail: str = "") -> None:
        """The end by a fault of which no more than its class is known."""
        message = f"{_FAULTS[outcome]}: {detail}" if detail else _FAULTS[outcome]
        self.fail(Problem(kind="upstream", message=message, outcome=outcome, dialect=NAME))

    def _choice(self, number: int) -> _Choice:
        choice = self._choices[number] = _Choice(number)
        return choice

    def _open(self, choice: _Choice, kind: PartKind, form: str = "") -> None:
        index = self._next(choice, kind)
        self.events.append(PartStarted(index=index, kind=kind, choice=choice.number, form=FORM + form))

    def _next(self, choice: _Choice, kind: PartKind, key: str = "") -> int:
        """Ends the open part and makes room for the next."""
        self._close(choice)
        choice.index, choice.kind, choice.key = self._parts, kind, key
        self._parts += 1
        return choice.index

    def _close(self, choice: _Choice) -> None:
        if choice.index < 0:
            return
        if choice.kind == "tool_call" and not _is_json("".join(choice.arguments[choice.index])):
            choice.unfinished[choice.index] = choice.signature
        else:
            self.events.append(PartEnded(index=choice.index, signature=choice.signature))
        choice.index, choice.kind, choice.signature = -1, "", None

    def _close_all(self, choice: _Choice) -> None:
        """Ends what is open, in the order in which it began: dialects whose calls are of one piece tell them then."""
        if choice.index >= 0:
            choice.unfinished[choice.index] = choice.signature
        for index, signature in sorted(choice.unfinished.items()):
            self.events.append(PartEnded(index=index, signature=signature))
        choice.unfinished.clear()
        choice.index, choice.kind, choice.signature = -1, "", None


def _is_json(text: str) -> bool:
    try:
        _VALUE.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _reason(choice: _Choice) -> StopReason:
    """A host that tells none has at least told what the model wants."""
    if not choice.reason:
        return "tool_calls" if choice.calls else "other"
    reason = reason_of(choice.reason)
    return "refusal" if reason == "stop" and choice.has_refused else reason
