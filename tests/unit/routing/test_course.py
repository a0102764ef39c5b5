"""One call's course: what is sent, hedged, moved, retried and given up, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from headgate.core.problems import Outcome
from headgate.providers.catalog import Deployment, Door
from headgate.routing.budgets import PURSE_START_NANO_USD, Efficacy, Purse, RetryBudget
from headgate.routing.course import (
    Begin,
    Cancel,
    Choice,
    Commit,
    Course,
    Event,
    Failed,
    FirstToken,
    GiveUp,
    Gone,
    Means,
    Send,
    Suspected,
    Terms,
    Wake,
    Woken,
)
from headgate.routing.estimate import Prediction
from headgate.routing.fleet import Fleet

USUAL = Prediction(0.4, 1.0, 1.5, 3.0)
TERMS = Terms(deadline_s=60.0)


FLEET = Fleet()


def choice(name: str, host: str = "", predicted: Prediction = USUAL, **changes: object) -> Choice:
    deployment = Deployment(name, "m", (Door("d", f"https://{host or name}.example"),), name)
    return structs.replace(Choice(FLEET.member(deployment), predicted, 1000), **changes)


def three() -> list[Choice]:
    return [choice("a"), choice("b"), choice("c")]


def start(choices: list[Choice] | None = None, terms: Terms = TERMS, means: Means | None = None) -> Course:
    course = Course(choices or three(), terms, means or Means(RetryBudget(), Purse(), Efficacy()))
    course.decide(Begin(), 0.0)
    return course


def sends(course: Course, event: Event, now_s: float) -> list[object]:
    """What follows, but for times to be woken at."""
    return [action for action in course.decide(event, now_s) if not isinstance(action, Wake)]


def test_it_begins_with_the_first_and_knows_when_to_look_again():
    course = Course(three(), TERMS, Means(RetryBudget(), Purse(), Efficacy()))
    assert course.decide(Begin(), 0.0) == [Send(1, 0, "first"), Wake(60.0), Wake(1.0), Wake(4.5)]


def test_nothing_to_try_is_given_up():
    course = Course([], TERMS, Means(RetryBudget(), Purse(), Efficacy()))
    assert course.decide(Begin(), 0.0) == [GiveUp(Outcome.OVERLOAD)]


def test_a_token_commits_and_nothing_follows_it():
    course = start()
    assert course.decide(FirstToken(1), 0.5) == [Commit(1)]
    assert course.is_over
    for event in (Woken(), FirstToken(1), Failed(1, Outcome.CUT), Suspected(1), Gone()):
        assert course.decide(event, 2.0) == []


def test_a_slow_one_is_hedged_and_the_first_token_wins():
    course = start()
    assert sends(course, Woken(), 0.9) == []
    assert sends(course, Woken(), 1.0) == [Send(2, 1, "hedge")]
    assert sends(course, Woken(), 1.1) == []
    assert sends(course, FirstToken(2), 1.5) == [Commit(2), Cancel(1, Outcome.LOCAL)]


def test_a_loser_is_cancelled_whichever_it_is():
    course = start()
    course.decide(Woken(), 1.0)
    assert sends(course, FirstToken(1), 1.5) == [Commit(1), Cancel(2, Outcome.LOCAL)]


def test_a_hedge_goes_to_another_host_and_account():
    course = start([choice("a"), choice("b", host="a"), choice("c")])
    assert sends(course, Woken(), 1.0) == [Send(2, 2, "hedge")]
    alone = start([choice("a"), choice("b", host="a")])
    assert sends(alone, Woken(), 1.0) == []


@pytest.mark.parametrize(
    "terms",
    [
        structs.replace(TERMS, is_hedgeable=False),
        structs.replace(TERMS, load=0.9),
        structs.replace(TERMS, attempts_max=1),
    ],
)
def test_what_must_not_be_hedged_is_not(terms: Terms):
    assert sends(start(terms=terms), Woken(), 1.0) == []


def test_without_money_nothing_is_hedged():
    means = Means(RetryBudget(), Purse(), Efficacy())
    means.purse.take(PURSE_START_NANO_USD)
    assert sends(start(means=means), Woken(), 1.0) == []


def test_without_success_hedges_wait_and_stop():
    means = Means(RetryBudget(), Purse(), Efficacy())
    for _ in range(20):
        means.efficacy.hedged(has_won=False, now_s=0.0)
    course = start(means=means)
    assert sends(course, Woken(), 1.0) == []
    assert sends(course, Woken(), 1.5) == [Send(2, 1, "hedge")]
    for _ in range(20):
        means.efficacy.hedged(has_won=False, now_s=0.0)
    assert sends(start(means=means), Woken(), 2.0) == []


def test_a_trial_is_hedged_early_and_for_nothing():
    means = Means(RetryBudget(), Purse(), Efficacy())
    means.purse.take(PURSE_START_NANO_USD)
    slow = Prediction(5.0, 20.0, 25.0, 30.0)
    course = start([choice("a", predicted=slow, is_probe=True), choice("b")], means=means)
    assert sends(course, Woken(), 1.0) == [Send(2, 1, "hedge")]


def test_one_that_takes_longer_than_any_is_moved():
    course = start(terms=structs.replace(TERMS, is_hedgeable=False))
    assert sends(course, Woken(), 4.5) == [Cancel(1, Outcome.SLOW), Send(2, 1, "move")]


def test_the_last_is_never_cut():
    course = start([choice("a")])
    assert sends(course, Woken(), 50.0) == []
    assert sends(course, Suspected(1), 51.0) == []
    pair = start([choice("a"), choice("b")])
    pair.decide(Suspected(1), 0.5)
    assert sends(pair, Woken(), 40.0) == []
    hedged = start([choice("a"), choice("b")])
    hedged.decide(Woken(), 1.0)
    assert sends(hedged, Woken(), 4.5) == [Cancel(1, Outcome.SLOW)]
    assert sends(hedged, Woken(), 40.0) == []


def test_what_is_late_with_nowhere_to_go_is_left_in_peace():
    course = start(terms=structs.replace(TERMS, is_hedgeable=False, attempts_max=2))
    course.decide(Failed(1, Outcome.SERVER), 0.1)
    assert sends(course, Woken(), 50.0) == []


def test_what_is_late_after_its_hedge_has_failed_is_left_in_peace():
    course = start([choice("a"), choice("b")])
    course.decide(Woken(), 1.0)
    assert sends(course, Failed(2, Outcome.SERVER), 1.1) == []
    assert sends(course, Woken(), 4.5) == []
    assert sends(course, FirstToken(1), 9.0) == [Commit(1)]


def test_suspicion_moves_it_at_once_and_costs_nothing():
    means = Means(RetryBudget(), Purse(), Efficacy())
    while means.retries.take(0.0):
        pass
    course = start(means=means)
    assert sends(course, Suspected(1), 0.1) == [Cancel(1, Outcome.SLOW), Send(2, 1, "move")]


def test_a_late_one_waits_for_the_budget():
    means = Means(RetryBudget(), Purse(), Efficacy())
    course = start(terms=structs.replace(TERMS, is_hedgeable=False), means=means)
    while means.retries.take(4.5):
        pass
    assert course.decide(Woken(), 4.5) == [Wake(5.5)]
    assert sends(course, Woken(), 5.5) == [Cancel(1, Outcome.SLOW), Send(2, 1, "move")]


def test_a_failure_goes_on_to_the_next_until_the_attempts_are_used_up():
    course = start()
    assert sends(course, Failed(1, Outcome.SERVER), 0.1) == [Send(2, 1, "retry")]
    assert sends(course, Failed(1, Outcome.SERVER), 0.1) == []
    assert sends(course, Failed(2, Outcome.CONNECT), 0.2) == [Send(3, 2, "retry")]
    assert sends(course, Failed(3, Outcome.SERVER), 0.3) == [GiveUp(Outcome.SERVER)]


def test_a_failure_beside_a_hedge_waits_for_the_hedge():
    course = start()
    course.decide(Woken(), 1.0)
    assert sends(course, Failed(1, Outcome.SERVER), 1.1) == []
    assert sends(course, Failed(2, Outcome.SERVER), 1.2) == [Send(3, 2, "retry")]


def test_the_same_is_tried_again_where_the_route_says_so():
    course = start(terms=structs.replace(TERMS, retry_same_first=True))
    assert course.decide(Failed(1, Outcome.RATE, 1.5), 0.5) == [Wake(2.0), Wake(60.0)]
    assert sends(course, Woken(), 1.9) == []
    assert sends(course, Woken(), 2.0) == [Send(2, 0, "again")]
    assert sends(course, Failed(2, Outcome.RATE, 1.0), 2.5) == [Send(3, 1, "retry")]


def test_the_callers_own_fault_is_told():
    assert sends(start(), Failed(1, Outcome.POLICY), 0.1) == [GiveUp(Outcome.POLICY)]


def test_without_a_budget_a_failure_is_told():
    means = Means(RetryBudget(), Purse(), Efficacy())
    course = start(means=means)
    while means.retries.take(0.1):
        pass
    assert sends(course, Failed(1, Outcome.SERVER), 0.1) == [GiveUp(Outcome.SERVER)]


def test_a_deadline_ends_everything():
    course = start()
    course.decide(Woken(), 1.0)
    assert sends(course, Woken(), 60.0) == [
        Cancel(1, Outcome.SLOW), Cancel(2, Outcome.SLOW), GiveUp(Outcome.SLOW)
    ]  # fmt: skip


def test_a_client_who_hangs_up_is_no_fault_of_anybodys():
    assert sends(start(), Gone(), 1.0) == [Cancel(1, Outcome.CLIENT_GONE), GiveUp(Outcome.CLIENT_GONE)]


EVENTS = st.one_of(
    st.just(Woken()),
    st.builds(FirstToken, st.integers(1, 4)),
    st.builds(Failed, st.integers(1, 4), st.sampled_from(list(Outcome)[1:])),
    st.builds(Suspected, st.integers(1, 4)),
    st.just(Gone()),
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 10)), max_size=30))
def test_whatever_happens_one_wins_at_most_and_everything_is_stopped(events: list[tuple[Event, float]]):
    course, now_s = start(), 0.0
    running, ended = {1}, 0
    for event, pause_s in events:
        now_s += pause_s
        if isinstance(event, Failed) and not course.is_over:
            running.discard(event.number)
        for action in course.decide(event, now_s):
            match action:
                case Send(number):
                    running.add(number)
                    assert number <= 3
                case Cancel(number):
                    running.remove(number)
                case Commit(number):
                    assert number in running
                    running.discard(number)
                    ended += 1
                case GiveUp():
                    ended += 1
                case Wake(at_s):
                    assert at_s >= 0.0
        assert ended == int(course.is_over)
        assert not (course.is_over and running)
        assert len(running) <= 2
    for action in course.decide(Woken(), 1000.0):
        if isinstance(action, Cancel):
            running.remove(action.number)
    assert course.is_over
    assert not running
