"""What follows from how an attempt ended: one table, and one function that reads it. Pure.

Who is at fault is in the outcome already; here stands only what to do about it. Once a byte has reached the client
there is no second attempt, whatever the table says.
"""

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct, structs

from headgate.core.problems import Outcome, Problem, ProblemKind


class Verdict(Enum):
    """What to do next."""

    SAME = "try the same deployment once more, after a wait"
    NEXT = "try the next deployment at once"
    GIVE_UP = "tell the client"


class Rule(Struct, frozen=True):
    """One row: where a call may go after this outcome, and whose words the client gets."""

    goes_elsewhere: bool
    repeats_alone: bool = False
    """Worth repeating on the same deployment when there is no other."""
    repeats_first: bool = False
    """Worth repeating on the same deployment when the route retries the same first."""
    is_callers: bool = False
    """The caller's own fault: the upstream's words are passed on as they are."""


RULES: dict[Outcome, Rule] = {
    Outcome.CLIENT: Rule(goes_elsewhere=False, is_callers=True),
    Outcome.CONTEXT: Rule(goes_elsewhere=False, is_callers=True),
    Outcome.POLICY: Rule(goes_elsewhere=False, is_callers=True),
    Outcome.ACCOUNT: Rule(goes_elsewhere=True),
    Outcome.RATE: Rule(goes_elsewhere=True, repeats_alone=True, repeats_first=True),
    Outcome.OVERLOAD: Rule(goes_elsewhere=True, repeats_first=True),
    Outcome.SERVER: Rule(goes_elsewhere=True, repeats_alone=True, repeats_first=True),
    Outcome.CONNECT: Rule(goes_elsewhere=True),
    Outcome.SLOW: Rule(goes_elsewhere=True),
    Outcome.STALL: Rule(goes_elsewhere=True),
    Outcome.CUT: Rule(goes_elsewhere=True, repeats_first=True),
    Outcome.PROTOCOL: Rule(goes_elsewhere=True),
    Outcome.CLIENT_GONE: Rule(goes_elsewhere=False),
    Outcome.LOCAL: Rule(goes_elsewhere=False),
}

WAIT_S = 0.25
"""Before a repeat on the same deployment, when the upstream names no time."""
WAIT_S_MAX = 2.0
"""An upstream that wants a longer wait is not repeated: the caller is told how long instead."""


class Situation(Struct, frozen=True, kw_only=True):
    """Where a call stands when an attempt has failed."""

    outcome: Outcome
    is_committed: bool
    """A byte of the answer has reached the client."""
    others_left: int
    """Deployments not tried yet."""
    attempts_left: int
    repeats: int
    """How often this deployment has been repeated already."""
    retries_same_first: bool
    retry_after_s: float | None
    remaining_s: float
    """Until the call's deadline."""


class Step(Struct, frozen=True):
    """What to do, and how long to wait before it."""

    verdict: Verdict
    wait_s: float = 0.0


_GIVE_UP = Step(Verdict.GIVE_UP)
_NEXT = Step(Verdict.NEXT)


def verdict(situation: Situation) -> Step:
    """Another domain at once, the same one only after a wait, and nothing once the client has seen a byte."""
    rule = RULES[situation.outcome]
    if situation.is_committed or situation.attempts_left <= 0 or situation.remaining_s <= 0:
        return _GIVE_UP
    repeats = (rule.repeats_first and situation.retries_same_first) or (
        rule.repeats_alone and situation.others_left == 0
    )
    if repeats and situation.repeats == 0:
        wait_s = WAIT_S if situation.retry_after_s is None else situation.retry_after_s
        if wait_s <= min(WAIT_S_MAX, situation.remaining_s):
            return Step(Verdict.SAME, wait_s)
    if rule.goes_elsewhere and situation.others_left > 0:
        return _NEXT
    return _GIVE_UP


_PLAIN: dict[Outcome, tuple[ProblemKind, str]] = {
    Outcome.RATE: ("rate_limit", "Every provider that could serve this call is rate limited just now."),
    Outcome.OVERLOAD: ("overloaded", "Every provider that could serve this call is overloaded just now."),
    Outcome.SLOW: ("timeout", "No provider answered in time."),
}
_FAILED = "No provider could serve this call."


def summary(problems: Sequence[Problem], *, is_late: bool) -> Problem:
    """What to tell the client when no attempt succeeded.

    A fault of the call itself is told in the upstream's own words. An upstream's 401, 402 or 403 concerns the
    operator's account, so it is a failure like any other. `is_late`: the call's own deadline has passed.
    """
    last = problems[-1]
    if RULES[last.outcome].is_callers:
        return last
    outcomes = {problem.outcome for problem in problems}
    if is_late:
        outcomes = {Outcome.SLOW}
    elif outcomes == {Outcome.RATE, Outcome.OVERLOAD}:
        outcomes = {Outcome.OVERLOAD}
    sole = outcomes.pop() if len(outcomes) == 1 else Outcome.SERVER
    kind, text = _PLAIN.get(sole, ("upstream", _FAILED))
    waits = [problem.retry_after_s for problem in problems if problem.retry_after_s is not None]
    return Problem(
        kind=kind,
        message=f"{text} Last seen: {last.message}" if last.message else text,
        outcome=sole if sole in _PLAIN else last.outcome,
        code=last.code if kind == "rate_limit" else None,
        retry_after_s=min(waits) if waits and kind in ("rate_limit", "overloaded") else None,
    )


def without_words(problem: Problem) -> Problem:
    """The same problem without the upstream's own body, for a caller who speaks another dialect."""
    return structs.replace(problem, raw=b"", type=None)
