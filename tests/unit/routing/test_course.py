"""One call's course: what is sent, hedged, moved, retried and given up, and when."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import Outcome
from headgate.providers.catalog import Deployment, Door
from headgate.routing.budgets import PURSE_START_NANO_USD, Efficacy, Purse, RetryBudget
from headgate.routing.course import Course, Failed, GiveUp, Leave, Means, Send, Terms, Wake
from headgate.routing.fleet import Fleet, Member, Ticket
from headgate.routing.quotas import Need

TERMS = Terms(60.0)
NEED = Need(200, 100)


class Choices:
    """Deployments by name: `a@h` is one at the host h."""

    def __init__(self, *names: str, extra: int = 1000) -> None:
        self.fleet = Fleet()
        self._extra = extra
        self._members = [self.fleet.member(_deployment(name)) for name in names]

    def __len__(self) -> int:
        return len(self._members)

    def member(self, place: int) -> Member:
        return self._members[place]

    def extra_nano_usd(self, place: int) -> int:
        return self._extra

    def ticket(self, place: int = 0, sent_s: float = 0.0) -> Ticket:
        return self.fleet.sent(self._members[place], NEED, sent_s, is_stream=True)


def _deployment(name: str) -> Deployment:
    provider, _, host = name.partition("@")
    return Deployment(provider, "m", (Door("d", f"https://{host or provider}.example"),), provider)


def means() -> Means:
    return Means(RetryBudget(), Purse(), Efficacy())


def start(choices: Choices | None = None, terms: Terms = TERMS, shared: Means | None = None) -> tuple[Course, Choices]:
    choices = choices or Choices("a", "b", "c")
    course = Course(choices, terms, shared or means())
    assert course.begin(0.0) == Send(1, 0, "first")
    return course, choices


def late(course: Course, choices: Choices, number: int = 1, place: int = 0) -> object:
    """What follows when an attempt that was sent at second 0 is overdue at second 2."""
    return course.overdue(number, choices.ticket(place), 2.0, is_hedgeable=True)


def suspect(choices: Choices, place: int = 0) -> None:
    assert choices.member(place).health.suspect(0.0)


def test_nothing_to_try_is_given_up():
    course = Course(Choices(), TERMS, means())
    assert course.begin(0.0) == GiveUp()
    assert course.is_over


def test_the_first_token_ends_it_and_nothing_follows():
    course, choices = start()
    assert course.won(1, 0.5) == ()
    assert course.is_over
    assert course.failed(Failed(1, Outcome.CUT), 1.0) is None
    assert late(course, choices) is None


def test_a_slow_one_is_hedged_once_and_the_loser_is_named():
    course, choices = start()
    assert late(course, choices) == Send(2, 1, "hedge")
    assert late(course, choices) is None
    assert course.taken == 1000
    assert course.won(2, 3.0) == (1,)
    assert course.failed(Failed(1, Outcome.LOCAL), 3.0) is None


def test_the_first_may_win_after_all():
    shared = means()
    course, choices = start(shared=shared)
    late(course, choices)
    assert course.won(1, 3.0) == (2,)
    assert course.failed(Failed(2, Outcome.LOCAL), 3.0) is None


def test_a_hedge_goes_to_another_host_and_account_and_leaves_the_near_one_for_later():
    course, choices = start(Choices("a@x", "b@x", "c"))
    assert late(course, choices) == Send(2, 2, "hedge")
    assert course.failed(Failed(2, Outcome.SERVER), 2.1) is None
    assert course.failed(Failed(1, Outcome.SERVER), 2.2) == Send(3, 1, "retry")
    alone, near = start(Choices("a@x", "b@x"))
    assert late(alone, near) is None


def test_what_must_not_be_hedged_is_not():
    course, choices = start()
    assert course.overdue(1, choices.ticket(), 2.0, is_hedgeable=False) is None
    once, few = start(terms=Terms(60.0, attempts_max=1))
    assert late(once, few) is None


def test_without_money_nothing_is_hedged():
    course, choices = start(Choices("a", "b", extra=PURSE_START_NANO_USD + 1))
    assert late(course, choices) is None
    assert course.taken == 0
    none, others = start(shared=Means(RetryBudget(), Purse(0.0), Efficacy()))
    assert late(none, others) is None


def test_without_success_hedges_wait_and_stop():
    shared = means()
    for _ in range(20):
        shared.efficacy.hedged(has_won=False, now_s=0.0)
    course, choices = start(shared=shared)
    ticket = choices.ticket()
    at_s = ticket.predicted.p99_s
    assert course.overdue(1, ticket, at_s - 0.1, is_hedgeable=True) == Wake(at_s)
    assert course.overdue(1, ticket, at_s, is_hedgeable=True) == Send(2, 1, "hedge")
    for _ in range(20):
        shared.efficacy.hedged(has_won=False, now_s=0.0)
    stopped, others = start(shared=shared)
    assert late(stopped, others) is None


def test_a_trial_is_hedged_for_nothing_and_left_when_it_is_overdue():
    shared = Means(RetryBudget(), Purse(0.0), Efficacy())
    course, choices = start(shared=shared)
    for _ in range(5):
        choices.member(0).health.failed(1.0, -100.0, 0.5)
    ticket = choices.ticket()
    assert ticket.probing
    assert course.overdue(1, ticket, 0.5, is_hedgeable=True) == Send(2, 1, "hedge")
    ticket.is_overdue = True
    assert course.overdue(1, ticket, 2.0, is_hedgeable=True) == Leave(1)
    assert course.failed(Failed(1, Outcome.SLOW), 2.0) is None
    assert course.won(2, 2.5) == ()


def test_suspicion_moves_it_at_once_and_costs_nothing():
    shared = means()
    while shared.retries.take(0.0):
        pass
    course, choices = start(shared=shared)
    suspect(choices)
    assert late(course, choices) == Leave(1)
    assert late(course, choices) is None
    assert course.failed(Failed(1, Outcome.SLOW), 0.0) == Send(2, 1, "move")


def test_the_last_is_never_cut():
    course, choices = start(Choices("a"))
    suspect(choices)
    assert late(course, choices) is None
    pair, both = start(Choices("a", "b"))
    assert late(pair, both) == Send(2, 1, "hedge")
    suspect(both)
    assert late(pair, both) == Leave(1)
    pair.failed(Failed(1, Outcome.SLOW), 2.0)
    suspect(both, 1)
    assert late(pair, both, 2, 1) is None


def test_a_failure_goes_on_to_the_next_until_the_attempts_are_used_up():
    course, _ = start(terms=Terms(60.0, attempts_max=2))
    assert course.more == 1
    assert course.next_place == 1
    assert course.failed(Failed(1, Outcome.SERVER), 0.1) == Send(2, 1, "retry")
    assert course.failed(Failed(1, Outcome.SERVER), 0.1) is None
    assert course.failed(Failed(2, Outcome.CONNECT), 0.2) == GiveUp()


def test_a_failure_beside_a_hedge_waits_for_the_hedge():
    course, choices = start()
    late(course, choices)
    assert course.failed(Failed(1, Outcome.SERVER), 2.1) is None
    assert course.failed(Failed(2, Outcome.SERVER), 2.2) == Send(3, 2, "retry")


def test_a_refusal_of_the_call_itself_ends_both():
    course, choices = start()
    late(course, choices)
    assert course.failed(Failed(2, Outcome.CLIENT), 2.1) == GiveUp((1,))
    assert course.failed(Failed(1, Outcome.LOCAL), 2.2) is None


def test_the_same_is_tried_again_where_the_route_says_so():
    course, _ = start(terms=Terms(60.0, retry_same_first=True))
    assert course.failed(Failed(1, Outcome.RATE, 1.5), 0.5) == Send(2, 0, "again", 1.5)
    assert course.failed(Failed(2, Outcome.RATE, 1.0), 2.5) == Send(3, 1, "retry")


def test_without_a_budget_a_failure_is_told():
    shared = means()
    course, _ = start(shared=shared)
    while shared.retries.take(0.1):
        pass
    assert course.failed(Failed(1, Outcome.SERVER), 0.1) == GiveUp()


def test_what_took_its_time_costs_more():
    shared = means()
    course, _ = start(shared=shared)
    while shared.retries.take(0.1, 0.5):
        pass
    assert course.failed(Failed(1, Outcome.SLOW), 0.2) == GiveUp()


def test_after_the_deadline_nothing_is_sent():
    course, _ = start()
    assert course.failed(Failed(1, Outcome.SLOW), 60.0) == GiveUp()


def test_what_cannot_be_said_there_does_not_count():
    course, _ = start(terms=Terms(60.0, attempts_max=1))
    second = course.skipped(Send(1, 0, "first"))
    assert second == Send(1, 1, "first")
    third = course.skipped(Send(1, 1, "first"))
    assert third == Send(1, 2, "first")
    assert course.skipped(Send(1, 2, "first")) == GiveUp()


def test_a_hedge_that_cannot_be_said_there_is_left_out():
    course, choices = start(Choices("a", "b"))
    hedge = late(course, choices)
    assert isinstance(hedge, Send)
    assert course.skipped(hedge) is None
    assert course.won(1, 3.0) == ()


def test_the_operator_may_let_it_go_on_elsewhere():
    course, _ = start(Choices("a", "b"), terms=Terms(60.0, attempts_max=1))
    assert course.failed(Failed(1, Outcome.CONTEXT), 0.1) == GiveUp()
    assert course.instead(2) == Send(2, 2, "instead")
    assert course.won(2, 0.2) == ()


def test_the_rest_of_an_answer_is_asked_for_where_it_fits_and_is_well_and_paid_for():
    course, choices = start(Choices("a", "b", "c", "d"), terms=Terms(60.0, attempts_max=2))
    course.won(1, 0.5)
    suspect(choices, 1)
    assert course.onward(lambda place: place != 2) == Send(2, 3, "continue")
    assert course.taken == 1000
    assert course.onward(lambda place: True) is None  # both attempts are made


def test_the_rest_of_an_answer_is_asked_for_nowhere():
    course, _ = start(Choices("a", "b"))
    course.won(1, 0.5)
    assert course.onward(lambda place: False) is None
    dear, _ = start(Choices("a", "b", extra=PURSE_START_NANO_USD + 1))
    dear.won(1, 0.5)
    assert dear.onward(lambda place: True) is None
    assert (course.taken, dear.taken) == (0, 0)


ACTIONS = st.sampled_from(["overdue", "failed", "won", "suspect"])


@given(st.lists(st.tuples(ACTIONS, st.integers(1, 4), st.sampled_from(list(Outcome)[1:])), max_size=30))
def test_whatever_happens_one_wins_at_most_and_everything_is_stopped(events: Sequence[tuple[str, int, Outcome]]):
    course, choices = start()
    running, places, won = {1}, {1: 0}, list[int]()
    for at, (kind, number, outcome) in enumerate(events):
        now_s, action = float(at), None
        if number not in running:
            continue
        match kind:
            case "overdue":
                action = course.overdue(number, choices.ticket(places[number]), now_s, is_hedgeable=True)
            case "suspect":
                choices.member(places[number]).health.suspect(now_s)
            case "won" if not course.is_over:
                running.remove(number)
                won.append(number)
                assert set(course.won(number, now_s)) == running
            case _:
                running.remove(number)
                action = course.failed(Failed(number, outcome), now_s)
        match action:
            case Send(sent, place):
                assert sent == max(places) + 1 <= 3
                assert not course.is_over
                running.add(sent)
                places[sent] = place
            case GiveUp(cancel):
                assert set(cancel) == running
            case _:
                pass
        assert len(running) <= 2
        assert running or course.is_over
    assert len(won) <= 1
