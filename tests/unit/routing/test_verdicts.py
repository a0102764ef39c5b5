"""The outcome table, row by row: where a call may go after each way an attempt can end."""

import pytest
from msgspec import structs

from headgate.core.problems import OUTCOME_OF_STATUS, Outcome, Problem, outcome_of_status
from headgate.routing.verdicts import (
    RULES,
    WAIT_S,
    WAIT_S_MAX,
    Situation,
    Step,
    Verdict,
    summary,
    verdict,
    without_words,
)

GIVE_UP, NEXT = Step(Verdict.GIVE_UP), Step(Verdict.NEXT)


def situation(outcome: Outcome, **changes: object) -> Situation:
    usual = Situation(
        outcome=outcome,
        is_committed=False,
        others_left=1,
        attempts_left=2,
        repeats=0,
        retries_same_first=False,
        retry_after_s=None,
        remaining_s=100.0,
    )
    return structs.replace(usual, **changes)


# outcome, with another deployment left, as the only candidate, on a route that retries the same first
TABLE = [
    (Outcome.CLIENT, GIVE_UP, GIVE_UP, GIVE_UP),
    (Outcome.CONTEXT, GIVE_UP, GIVE_UP, GIVE_UP),
    (Outcome.POLICY, GIVE_UP, GIVE_UP, GIVE_UP),
    (Outcome.ACCOUNT, NEXT, GIVE_UP, NEXT),
    (Outcome.RATE, NEXT, Step(Verdict.SAME, WAIT_S), Step(Verdict.SAME, WAIT_S)),
    (Outcome.OVERLOAD, NEXT, GIVE_UP, Step(Verdict.SAME, WAIT_S)),
    (Outcome.SERVER, NEXT, Step(Verdict.SAME, WAIT_S), Step(Verdict.SAME, WAIT_S)),
    (Outcome.CONNECT, NEXT, GIVE_UP, NEXT),
    (Outcome.SLOW, NEXT, GIVE_UP, NEXT),
    (Outcome.STALL, NEXT, GIVE_UP, NEXT),
    (Outcome.CUT, NEXT, GIVE_UP, Step(Verdict.SAME, WAIT_S)),
    (Outcome.PROTOCOL, NEXT, GIVE_UP, NEXT),
    (Outcome.CLIENT_GONE, GIVE_UP, GIVE_UP, GIVE_UP),
    (Outcome.LOCAL, GIVE_UP, GIVE_UP, GIVE_UP),
]


@pytest.mark.parametrize(("outcome", "elsewhere", "alone", "same_first"), TABLE)
def test_where_a_call_may_go(outcome: Outcome, elsewhere: Step, alone: Step, same_first: Step):
    assert verdict(situation(outcome)) == elsewhere
    assert verdict(situation(outcome, others_left=0)) == alone
    assert verdict(situation(outcome, retries_same_first=True)) == same_first


def test_every_outcome_has_its_row():
    assert {row[0] for row in TABLE} == set(RULES) == set(Outcome) - {Outcome.OK}


@pytest.mark.parametrize("outcome", list(RULES))
def test_nothing_is_tried_after_a_byte_has_gone_out(outcome: Outcome):
    assert verdict(situation(outcome, is_committed=True)) == GIVE_UP
    assert verdict(situation(outcome, attempts_left=0)) == GIVE_UP
    assert verdict(situation(outcome, remaining_s=0.0)) == GIVE_UP


def test_the_same_deployment_is_repeated_once_only():
    assert verdict(situation(Outcome.SERVER, others_left=0, repeats=1)) == GIVE_UP
    assert verdict(situation(Outcome.SERVER, retries_same_first=True, repeats=1)) == NEXT


def test_a_named_wait_is_kept_unless_it_is_long():
    assert verdict(situation(Outcome.RATE, others_left=0, retry_after_s=1.5)) == Step(Verdict.SAME, 1.5)
    assert verdict(situation(Outcome.RATE, others_left=0, retry_after_s=WAIT_S_MAX + 1)) == GIVE_UP
    assert verdict(situation(Outcome.RATE, others_left=0, retry_after_s=1.5, remaining_s=1.0)) == GIVE_UP


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.CLIENT),
        (401, Outcome.ACCOUNT),
        (402, Outcome.ACCOUNT),
        (403, Outcome.ACCOUNT),
        (404, Outcome.CLIENT),
        (413, Outcome.CLIENT),
        (422, Outcome.CLIENT),
        (429, Outcome.RATE),
        (500, Outcome.SERVER),
        (502, Outcome.SERVER),
        (503, Outcome.OVERLOAD),
        (504, Outcome.SERVER),
        (529, Outcome.OVERLOAD),
        (418, Outcome.CLIENT),
        (599, Outcome.SERVER),
        (302, Outcome.SERVER),
    ],
)
def test_a_bare_status_has_an_outcome(status: int, outcome: Outcome):
    assert outcome_of_status(status) is outcome
    assert OUTCOME_OF_STATUS.get(status, outcome) is outcome


def problem(outcome: Outcome, retry_after_s: float | None = None) -> Problem:
    return Problem(
        kind="upstream", message=f"it was {outcome}", outcome=outcome, status=500, retry_after_s=retry_after_s
    )


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ([Outcome.RATE, Outcome.RATE], "rate_limit"),
        ([Outcome.OVERLOAD], "overloaded"),
        ([Outcome.RATE, Outcome.OVERLOAD], "overloaded"),
        ([Outcome.SLOW, Outcome.SLOW], "timeout"),
        ([Outcome.ACCOUNT], "upstream"),
        ([Outcome.RATE, Outcome.SERVER], "upstream"),
        ([Outcome.CONNECT], "upstream"),
    ],
)
def test_what_the_client_is_told_when_all_failed(outcomes: list[Outcome], kind: str):
    assert summary([problem(outcome) for outcome in outcomes], is_late=False).kind == kind


def test_the_earliest_wait_is_told():
    told = summary([problem(Outcome.RATE, 7.0), problem(Outcome.RATE, 3.0), problem(Outcome.RATE)], is_late=False)
    assert told.retry_after_s == 3.0


def test_a_wait_is_not_told_for_other_failures():
    assert summary([problem(Outcome.ACCOUNT, 7.0)], is_late=False).retry_after_s is None


def test_a_passed_deadline_is_told_as_such():
    assert summary([problem(Outcome.SERVER)], is_late=True).kind == "timeout"


def test_a_fault_of_the_call_is_told_in_the_upstreams_words():
    fault = Problem(kind="invalid_request", message="no such field", status=400, raw=b"{}", dialect="gemini")
    assert summary([problem(Outcome.RATE), fault], is_late=False) is fault
    assert without_words(fault) == Problem(
        kind="invalid_request", message="no such field", status=400, dialect="gemini"
    )


def test_an_upstreams_account_trouble_is_not_the_callers():
    told = summary(
        [Problem(kind="authentication", message="bad key", outcome=Outcome.ACCOUNT, status=401)], is_late=False
    )
    assert (told.kind, told.http_status) == ("upstream", 502)
