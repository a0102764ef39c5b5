"""What a fake upstream will do with the next request: faults first, then scripted answers, then the API's own. Must
not know sockets.
"""

import math
import random
from collections.abc import Sequence

from msgspec import Struct

from headgate.transport.fake.answers import Answer
from headgate.transport.fake.faults import Fault
from headgate.transport.fake.steps import Send, Step, Wait
from headgate.transport.fake.voice import Ask
from headgate.transport.fake.voices import answer_by_default


class _ScriptedAnswer(Struct):
    """An answer for a path (None: for all), for streamed or whole calls (None: both), so many times (None: always)."""

    answer: Answer | Sequence[Step]
    path: str | None
    for_stream: bool | None
    times: int | None

    def fits(self, ask: Ask) -> bool:
        return self.path in (None, ask.path) and self.for_stream in (None, ask.wants_stream)


class _PlannedFault(Struct):
    fault: Fault
    times: int | None
    probability: float
    path: str | None


class Play(Struct, frozen=True):
    """What is to be done with one request."""

    steps: list[Step]
    fault: str | None
    status: int | None


class Pace(Struct, frozen=True, kw_only=True):
    """How long default answers take: log-normal until the first token, longer for longer prompts."""

    gap_s: float = 0.0
    first_s: float = 0.0
    """The median for a short prompt; 0: at once."""
    spread: float = 0.56
    """Of the logarithm. 0.56: the 95th percentile is two and a half medians."""
    prompt_tokens: int = 8000
    """A prompt of so many takes twice as long."""

    def wait_s(self, ask: Ask, dice: random.Random) -> float:
        """Until the first token of one answer."""
        if not self.first_s:
            return 0.0
        return self.first_s * (1 + ask.prompt_tokens / self.prompt_tokens) * math.exp(dice.gauss(0, self.spread))


class Playbook:
    """The scripts and faults of one fake upstream; chance comes from a seed."""

    def __init__(self, pace: Pace, seed: int) -> None:
        self._pace = pace
        self._gap_s = pace.gap_s
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._once: list[_ScriptedAnswer] = []
        self._always: list[_ScriptedAnswer] = []
        self._faults: list[_PlannedFault] = []

    def add_answer(
        self,
        answer: Answer | Sequence[Step],
        *,
        path: str | None = None,
        for_stream: bool | None = None,
        times: int | None = None,
    ) -> None:
        """Answers so; with `times`, that often and before any standing answer."""
        scripted = _ScriptedAnswer(answer, path, for_stream, times)
        if times is None:
            self._always.insert(0, scripted)
        else:
            self._once.append(scripted)

    def add_fault(self, fault: Fault, *, times: int | None, probability: float, path: str | None) -> None:
        """Fails so, from the next request on."""
        self._faults.append(_PlannedFault(fault, times, probability, path))

    def clear_faults(self, kind: type[Fault] = Fault) -> None:
        """Takes faults back: all, or those of one kind."""
        self._faults = [planned for planned in self._faults if not isinstance(planned.fault, kind)]

    def play(self, ask: Ask) -> Play:
        """Decides what the next request gets."""
        answer = self._answer(ask)
        fault = self._fault(ask)
        first_s = self._pace.wait_s(ask, self._dice)
        if fault is not None:
            shaped = answer if isinstance(answer, Answer) else answer_by_default(ask, self._gap_s)
            return _play(_after(first_s * fault.usual_waits, fault.steps(shaped)), fault.name)
        return _play(_after(first_s, answer.steps()) if isinstance(answer, Answer) else list(answer), None)

    def play_instead(self, ask: Ask) -> Play | None:
        """What a wish for a WebSocket gets in plain HTTP: a fault or an answer that is planned; None: its wish."""
        fault = self._fault(ask)
        if fault is not None:
            return _play(fault.steps(answer_by_default(ask, self._gap_s)), fault.name)
        if any(scripted.fits(ask) for scripted in [*self._once, *self._always]):
            return self.play(ask)
        return None

    def _answer(self, ask: Ask) -> Answer | Sequence[Step]:
        for scripted in [*self._once, *self._always]:
            if scripted.fits(ask):
                if scripted.times is not None:
                    scripted.times -= 1
                    if not scripted.times:
                        self._once.remove(scripted)
                return scripted.answer
        return answer_by_default(ask, self._gap_s)

    def _fault(self, ask: Ask) -> Fault | None:
        for planned in self._faults:
            if planned.path not in (None, ask.path) or not planned.fault.strikes(ask):
                continue
            if planned.probability < 1 and self._dice.random() >= planned.probability:
                continue
            if planned.times is not None:
                planned.times -= 1
                if not planned.times:
                    self._faults.remove(planned)
            return planned.fault
        return None


def _after(wait_s: float, steps: list[Step]) -> list[Step]:
    return [Wait(wait_s), *steps] if wait_s else steps


def _play(steps: list[Step], fault: str | None) -> Play:
    first = next((step.data for step in steps if isinstance(step, Send)), b"")
    version, _, rest = first[:12].partition(b" ")
    is_answer = version.startswith(b"HTTP/1.") and rest.isdigit()
    return Play(steps, fault, int(rest) if is_answer else None)
