"""Whether a failure domain (host, account, deployment) may have traffic, and how much. Pure: time is an argument.

    HEALTHY ── too many overdue ──▶ SUSPECT ── 2 s later ──▶ HALF_OPEN ── good ones ────▶ RAMPING ── 30 s ──▶ HEALTHY
       └───── failures in a row, or most of them ──▶ OPEN ── eject time over ──┘  └── a bad one ──▶ OPEN, for longer

SUSPECT comes from requests that are still on their way, so nobody has to wait for a timeout to learn of it. A brownout
(some requests fail) is weighted instead of ejected. A failure is booked at the lowest domain that explains it.
"""

from enum import StrEnum
from math import inf, sqrt
from typing import Final

from msgspec import Struct

from headgate.core.problems import Outcome
from headgate.routing.suspicion import Suspicion

EJECT_S: Final = 5.0
"""How long a domain that has opened gets nothing at first; twice as long each time it opens again."""
EJECT_S_MAX: Final = 300.0
EJECT_JITTER: Final = 0.2
SUSPECT_S: Final = 2.0
"""How long one under suspicion gets nothing new before a single request tries it."""
CALM_S: Final = 60.0
"""So much health takes one doubling back."""
RAMP_S: Final = 30.0
RAMP_LEAST: Final = 0.1
GOOD_TO_CLOSE: Final = 3
"""So many good trials in a row close a domain that told of its failures."""
GOOD_AFTER_SILENCE: Final = 8
"""And one that was silent, within `GOOD_S`: callers wait for silence, and of one that answers every other request three
in a row are soon found."""
GOOD_S: Final = 30.0
"""After so long without a second bad trial, few good ones are enough for it too."""
QUARANTINE_S: Final = 600.0
"""An account whose key is refused or whose credit is used up is tried again so much later."""
CONNECTS_MAX: Final = 3
FAILURES_MAX: Final = 5
"""So many in a row open a domain."""
RATE_SAMPLES_MIN: Final = 15.0
WEIGHT_LEAST: Final = 0.05

_MEMORY_S, _MEMORY_SAMPLES = 30.0, 20.0
_SCALE_MAX = 1e12
_TELLING = 1.5
"""Fewer failures than this are no brownout."""
_NEGLIGIBLE = 0.05
_WILSON_Z = 1.96


class State(StrEnum):
    """Of a domain."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    OPEN = "open"
    HALF_OPEN = "half_open"
    RAMPING = "ramping"


class Blame(Struct, frozen=True, gc=False):
    """Whose failure an outcome is, and how much of one."""

    level: str
    weight: float


BLAME: Final[dict[Outcome, Blame]] = {
    Outcome.ACCOUNT: Blame("account", 1.0),
    Outcome.OVERLOAD: Blame("deployment", 0.5),
    Outcome.SERVER: Blame("deployment", 1.0),
    Outcome.CONNECT: Blame("host", 1.0),
    Outcome.SLOW: Blame("deployment", 1.0),
    Outcome.STALL: Blame("deployment", 1.0),
    Outcome.CUT: Blame("deployment", 1.0),
    Outcome.PROTOCOL: Blame("deployment", 1.0),
}
"""Outcomes that are some upstream's failure. RATE is a matter of quotas; the caller's faults, a caller who has gone and
our own are nobody's."""
ANSWERED: Final = frozenset({Outcome.OK, Outcome.CLIENT, Outcome.CONTEXT, Outcome.POLICY})
"""It has done its part."""


class Domain:
    """One failure domain."""

    __slots__ = (
        "_calm_since_s",
        "_good",
        "_good_in_a_row",
        "_is_silent",
        "_is_warned",
        "_last_s",
        "_row",
        "_scale",
        "bad",
        "clean",
        "failed_s",
        "name",
        "opened",
        "probes",
        "since_s",
        "state",
        "suspicion",
        "until_s",
        "used_s",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State.HEALTHY
        self.since_s = 0.0
        """When it came into its state."""
        self.until_s = 0.0
        """When OPEN or SUSPECT ends."""
        self.failed_s = -inf
        """When it failed last."""
        self.used_s = -inf
        """When a request went there last."""
        self.opened = 0
        """How often lately: the exponent of the eject time."""
        self.probes = 0
        """Requests on their way while half open."""
        self.suspicion = Suspicion()
        self._calm_since_s = 0.0
        self.clean = 0
        """Successes since a failure last counted."""
        self._good_in_a_row = 0
        self._is_silent = False
        """Whether it fell silent since it was healthy."""
        self._is_warned = False
        """Whether a trial of it was slow since it is half open."""
        self._row = 0.0
        self._good = 0.0
        self.bad = 0.0
        """Failures lately, in units of their own; 0: none worth mentioning."""
        self._scale = 1.0
        self._last_s = 0.0

    def look(self, now_s: float) -> State:
        """Its state now: time alone ends some of them."""
        state = self.state
        if state is State.HEALTHY:
            return state
        if state in (State.OPEN, State.SUSPECT):
            if now_s >= self.until_s:
                self._enter(State.HALF_OPEN, now_s)
        elif state is State.RAMPING and now_s >= self.since_s + RAMP_S:
            self._enter(State.HEALTHY, now_s)
        return self.state

    def may_probe(self) -> bool:
        """Whether a half-open domain has room for a trial: one at a time."""
        return self.probes == 0

    def weight(self, now_s: float) -> float:
        """The share of its usual traffic that it should get, 0.05 to 1: less in a brownout and while it comes back."""
        share = 1.0
        if self.state is State.RAMPING:
            share = min(1.0, RAMP_LEAST + (1.0 - RAMP_LEAST) * (now_s - self.since_s) / RAMP_S)
        bad = self.bad / self._scale
        if bad < _TELLING:
            return share
        ok = self._good / (self._good + self.bad)
        return share * max(WEIGHT_LEAST, max(0.0, (ok - 0.5) / 0.5) ** 2)

    def failure_rate(self) -> float:
        """The share of requests that failed lately."""
        seen = self._good + self.bad
        return self.bad / seen if seen else 0.0

    def succeeded(self, now_s: float, *, seen_s: float = inf, is_prompt: bool = True) -> None:
        """An answer has come; `is_prompt`: within what is usual. `seen_s`: when it showed that all is well; what showed
        it before the last failure does not end a row of failures."""
        if self.state is State.HEALTHY:
            if self.bad:
                self._note(0.0, now_s)
                self._row = 0.0 if seen_s >= self.failed_s else self._row
            else:
                self.clean += 1
            if self.opened and now_s - self._calm_since_s >= CALM_S:
                self.opened -= 1
                self._calm_since_s = now_s
            return
        self._note(0.0, now_s)
        self._row = 0.0
        if self.look(now_s) is not State.HALF_OPEN:
            return
        if not is_prompt:
            if not self.forgives():
                self._open(now_s, None, 0.5)
            return
        self._good_in_a_row += 1
        is_tried = not self._is_silent or now_s - self.since_s >= GOOD_S
        if self._good_in_a_row >= (GOOD_TO_CLOSE if is_tried else GOOD_AFTER_SILENCE):
            self._enter(State.RAMPING, now_s)

    def failed(self, weight: float, now_s: float, dice: float, *, row_max: int = FAILURES_MAX) -> bool:
        """A failure of that weight; `dice`: in [0, 1), for the jitter. True: the domain has opened by it."""
        self.failed_s = now_s
        self._note(weight, now_s)
        self._row += weight
        state = self.look(now_s)
        if state is State.OPEN:
            return False
        if state is State.HALF_OPEN or self._row >= row_max or self._fails_mostly():
            self._open(now_s, None, dice)
            return True
        return False

    def forgives(self) -> bool:
        """A trial of it was slow. True: that was the first, and what is well has one in twenty too."""
        if self.state is not State.HALF_OPEN or self._is_warned:
            return False
        self._is_warned, self._good_in_a_row = True, 0
        return True

    def quarantine(self, now_s: float, for_s: float = QUARANTINE_S) -> None:
        """Nothing for a fixed while: the operator has to act."""
        self.failed_s = now_s
        self._open(now_s, for_s, 0.5)

    def suspect(self, now_s: float) -> bool:
        """Too many of its requests are overdue. True: that is new."""
        self.suspicion.clear()
        self.failed_s = now_s
        state = self.look(now_s)
        self._is_silent = True
        if state in (State.HALF_OPEN, State.RAMPING):  # it was back too soon
            self._open(now_s, None, 0.5)
            return False
        if state in (State.OPEN, State.SUSPECT):
            return False
        self.until_s = now_s + SUSPECT_S
        self._enter(State.SUSPECT, now_s)
        return True

    def probed(self, now_s: float) -> None:
        """It would take requests again: the next one may try, before its time is over."""
        if self.state is State.OPEN:
            self.until_s = now_s

    def absolve(self, now_s: float) -> None:
        """It was ourselves, after all: as if nothing had been."""
        self.suspicion.clear()
        self._row = self._good = self.bad = 0.0
        self.opened = max(0, self.opened - 1) if self.state is State.OPEN else self.opened
        self._enter(State.HEALTHY, now_s)

    def _open(self, now_s: float, for_s: float | None, dice: float) -> None:
        eject_s = min(EJECT_S * 2.0**self.opened, EJECT_S_MAX) * (1.0 + EJECT_JITTER * (2.0 * dice - 1.0))
        self.until_s = now_s + (eject_s if for_s is None else for_s)
        if for_s is None:
            self.opened += EJECT_S * 2.0**self.opened < EJECT_S_MAX
        self._enter(State.OPEN, now_s)

    def _enter(self, state: State, now_s: float) -> None:
        if state is State.HEALTHY:
            self._calm_since_s = now_s
            self._is_silent = False
        self.state, self.since_s = state, now_s
        self._good_in_a_row, self._is_warned = 0, False
        self.suspicion.clear()
        if state in (State.HALF_OPEN, State.RAMPING):
            self._row = self._good = self.bad = 0.0

    def _note(self, bad: float, now_s: float) -> None:
        """One more outcome; what was 30 s or 20 outcomes ago counts half."""
        if not self.bad and bad:
            self._good = min(float(self.clean), _MEMORY_SAMPLES) * self._scale
            self.clean = 0
        self._scale *= 2.0 ** min(40.0, max((now_s - self._last_s) / _MEMORY_S, 1.0 / _MEMORY_SAMPLES))
        self._last_s = now_s
        self.bad += bad * self._scale
        self._good += (1.0 - bad) * self._scale
        if self.bad < _NEGLIGIBLE * self._scale:
            self.clean, self._good, self.bad = int(_MEMORY_SAMPLES), 0.0, 0.0
        if self._scale > _SCALE_MAX:
            self._good, self.bad, self._scale = self._good / self._scale, self.bad / self._scale, 1.0

    def _fails_mostly(self) -> bool:
        """Whether more than half of its requests fail for certain: the lower end of Wilson's interval (1927)."""
        seen = (self._good + self.bad) / self._scale
        return seen >= RATE_SAMPLES_MIN and wilson_least(self.failure_rate(), seen) > 0.5


def wilson_least(rate: float, samples: float) -> float:
    """The least rate that an observed one over so many samples is consistent with, at 95 %."""
    square = _WILSON_Z * _WILSON_Z
    middle = rate + square / (2.0 * samples)
    reach = _WILSON_Z * sqrt(rate * (1.0 - rate) / samples + square / (4.0 * samples * samples))
    return (middle - reach) / (1.0 + square / samples)


GUARD_HOSTS_MIN: Final = 3
GUARD_SHARE: Final = 2.0 / 3.0
GUARD_WITHIN_S: Final = 2.0
GUARD_FREEZE_S: Final = 5.0
GUARD_REST_S: Final = 60.0
LAG_MAX_S: Final = 0.1


class SelfBlame:
    """When everything fails at once it is us: a stalled loop, a lost network. Then nobody is ejected for a while.

    More than two thirds of at least three hosts within 2 s, or a loop that lagged by more than 0.1 s. It believes so
    for 5 s and not again within a minute: what still fails then does fail.
    """

    __slots__ = ("_failed", "_next_s", "frozen_until_s", "lag_max_s")

    def __init__(self) -> None:
        self.lag_max_s = LAG_MAX_S
        self.frozen_until_s = -inf
        self._next_s = -inf
        self._failed: dict[str, float] = {}

    def is_frozen(self, now_s: float) -> bool:
        """Whether nobody may be blamed now."""
        return now_s < self.frozen_until_s

    def lagged(self, lag_s: float, now_s: float) -> None:
        """The loop was late by so much."""
        if lag_s > self.lag_max_s:
            self.frozen_until_s = max(self.frozen_until_s, now_s + 1.0)

    def ejected(self, host: str, hosts: int, now_s: float) -> bool:
        """A domain at that host came under suspicion or opened, of so many hosts in use. True: it is us."""
        self._failed[host] = now_s
        for name in [name for name, at_s in self._failed.items() if now_s - at_s > GUARD_WITHIN_S]:
            del self._failed[name]
        if hosts < GUARD_HOSTS_MIN or len(self._failed) <= GUARD_SHARE * hosts or now_s < self._next_s:
            return False
        self.frozen_until_s = max(self.frozen_until_s, now_s + GUARD_FREEZE_S)
        self._next_s = now_s + GUARD_REST_S
        self._failed.clear()
        return True
