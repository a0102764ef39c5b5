"""A stream, folded: the whole answer that a sequence of events tells. Pure."""

from collections.abc import Iterable

from msgspec import Struct, field

from headgate.core.events import (
    Event,
    Finished,
    Opaque,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    StopReason,
)
from headgate.core.problems import Problem
from headgate.core.request import Extras, Signature
from headgate.core.usage import Usage


class AnswerPart(Struct, kw_only=True):
    """One part of an answer, complete; `text` is its deltas joined."""

    index: int
    kind: PartKind
    text: str = ""
    id: str = ""
    name: str = ""
    namespace: str = ""
    media_type: str = ""
    choice: int = 0
    is_redacted: bool = False
    is_custom: bool = False
    signature: Signature | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)
    opaques: list[Opaque] = field(default_factory=list)


class Answer(Struct, kw_only=True):
    """A whole answer. Exactly one of `reason` and `problem` is set once the events are complete."""

    id: str = ""
    model: str = ""
    created: int = 0
    parts: list[AnswerPart] = field(default_factory=list)
    reason: StopReason | None = None
    more_reasons: tuple[StopReason, ...] = ()
    wire_reason: str = ""
    stop_sequence: str | None = None
    usage: Usage | None = None
    problem: Problem | None = None
    opaques: list[Opaque] = field(default_factory=list)
    extras: Extras = field(default_factory=dict)
    """Leftovers of the start and of the end together."""

    @property
    def text(self) -> str:
        """The words of the first choice, joined."""
        return "".join(part.text for part in self.parts if part.kind == "text" and part.choice == 0)


def fold(events: Iterable[Event]) -> Answer:
    """The whole answer that `events` tell. A delta of an unknown part is a bug of the parser and raises KeyError."""
    answer = Answer()
    open_parts: dict[int, AnswerPart] = {}
    texts: dict[int, list[str]] = {}
    for event in events:
        match event:
            case PartDelta(index, text):
                texts[index].append(text)
            case PartStarted():
                open_parts[event.index] = _opened(event)
                texts[event.index] = []
                answer.parts.append(open_parts[event.index])
            case PartEnded():
                part = open_parts[event.index]
                part.signature = event.signature or part.signature
                part.extras.update(event.extras)
            case Opaque():
                _hang(answer, open_parts, event)
            case Started():
                answer.id, answer.model, answer.created = event.id, event.model, event.created
                answer.extras.update(event.extras)
            case Finished():
                _finish(answer, event)
            case failed:
                answer.problem = failed.problem
    for index, pieces in texts.items():
        open_parts[index].text = "".join(pieces)
    return answer


def _opened(event: PartStarted) -> AnswerPart:
    return AnswerPart(
        index=event.index,
        kind=event.kind,
        id=event.id,
        name=event.name,
        namespace=event.namespace,
        media_type=event.media_type,
        choice=event.choice,
        is_redacted=event.is_redacted,
        is_custom=event.is_custom,
        form=event.form,
        extras=dict(event.extras),
    )


def _hang(answer: Answer, open_parts: dict[int, AnswerPart], event: Opaque) -> None:
    home = answer.opaques if event.index is None else open_parts[event.index].opaques
    home.append(event)


def _finish(answer: Answer, event: Finished) -> None:
    answer.reason = event.reason
    answer.more_reasons = event.more_reasons
    answer.wire_reason = event.wire_reason
    answer.stop_sequence = event.stop_sequence
    answer.usage = event.usage
    answer.extras.update(event.extras)
