"""What the fleet makes of the events of attempts."""

import pytest

from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.providers.catalog import Deployment, Door
from headgate.routing.estimate import Estimator
from headgate.routing.fleet import Fleet, Heard, Member, Ticket
from headgate.routing.health import State
from headgate.routing.quotas import Concurrency, Need

NEED = Need(200, 100)


def deployment(provider: str, model: str = "m", host: str = "") -> Deployment:
    return Deployment(provider, model, (Door("d", f"https://{host or provider}.example/v1"),), provider)


def send(fleet: Fleet, name: str = "a", now_s: float = 0.0, *, is_stream: bool = True) -> Ticket:
    return fleet.sent(fleet.member(deployment(name)), NEED, now_s, is_stream=is_stream)


def answered(fleet: Fleet, name: str = "a", now_s: float = 0.0, taken_s: float = 0.2) -> Ticket:
    ticket = send(fleet, name, now_s)
    fleet.first(ticket, now_s + taken_s)
    fleet.ended(ticket, Outcome.OK, now_s + taken_s, 0.5)
    return ticket


def ended(fleet: Fleet, outcome: Outcome, name: str = "a", now_s: float = 0.0) -> None:
    fleet.ended(send(fleet, name, now_s), outcome, now_s, 0.5)


def state(fleet: Fleet, name: str = "a", now_s: float = 0.0) -> State:
    return fleet.standing(fleet.member(deployment(name)), NEED, now_s).state


def test_an_answer_teaches_how_long_it_takes():
    fleet = Fleet()
    for number in range(100):
        answered(fleet, now_s=number * 1.0)
    member = fleet.member(deployment("a"))
    assert member.stream.predict(200).p50_s == pytest.approx(0.2, rel=0.1)
    assert member.whole.samples == 0.0
    assert member.is_plain
    assert member.in_flight == 0


def test_a_whole_answer_is_its_own_first_token():
    fleet = Fleet()
    ticket = send(fleet, is_stream=False)
    fleet.ended(ticket, Outcome.OK, 3.0, 0.5)
    assert ticket.first_s == 3.0
    assert ticket.member.whole.samples == pytest.approx(1.0)
    fleet.ended(ticket, Outcome.SERVER, 4.0, 0.5)
    assert ticket.member.in_flight == 0


def test_requests_that_are_overdue_make_it_suspect_before_they_fail():
    fleet = Fleet()
    for number in range(60):
        answered(fleet, now_s=number * 1.0)
    tickets = [send(fleet, now_s=100.0 + number * 0.1) for number in range(8)]
    assert fleet.sweep(100.05) == []
    assert state(fleet, now_s=100.05) is State.HEALTHY
    assert set(fleet.sweep(102.0)) == set(tickets)
    assert fleet.sweep(103.0) == []
    assert state(fleet, now_s=102.0) is State.SUSPECT
    fleet.first(tickets[0], 103.0)
    assert tickets[0].is_overdue


def test_what_is_overdue_at_a_well_deployment_is_named_once():
    fleet = Fleet()
    for number in range(200):
        for step in range(20):
            answered(fleet, now_s=number + step * 0.01)
        late = send(fleet, now_s=number + 0.2)
        assert fleet.sweep(number + 0.95) == [late]
        fleet.first(late, number + 0.96)
        fleet.ended(late, Outcome.OK, number + 0.97, 0.5)
    member = fleet.member(deployment("a"))
    assert late.is_overdue
    assert len(member.overdue) <= 65


def test_answered_requests_are_forgotten_long_before_their_time():
    fleet = Fleet()
    waiting = [send(fleet) for _ in range(10)]
    for _ in range(5000):
        answered(fleet)
    assert len(fleet._due) <= 1024  # pyright: ignore[reportPrivateUsage]
    assert {each[2] for each in fleet._due if not each[2].is_over} == set(waiting)  # pyright: ignore[reportPrivateUsage]


def test_a_request_is_given_up_after_longer_than_any_takes():
    fleet = Fleet()
    member = fleet.member(deployment("a"))
    assert fleet.move_s(member, 200, is_stream=True) == float("inf")
    for number in range(100):
        answered(fleet, now_s=number * 1.0)
    assert fleet.move_s(member, 200, is_stream=True) == 2.0
    assert fleet.move_s(member, 200, is_stream=False) == float("inf")
    for number in range(100):
        ticket = send(fleet, now_s=number * 1.0, is_stream=False)
        fleet.ended(ticket, Outcome.OK, number + 20.0, 0.5)
    assert 30.0 < fleet.move_s(member, 200, is_stream=False) < 300.0


def test_a_token_in_time_takes_suspicion_away_and_a_late_one_adds_to_it():
    fleet = Fleet()
    late = send(fleet)
    fleet.first(late, 60.0)
    suspicion = late.member.health.suspicion
    assert suspicion.level > 2.0
    fleet.first(late, 90.0)
    before = suspicion.level
    answered(fleet, now_s=100.0, taken_s=0.1)
    assert suspicion.level < before


@pytest.mark.parametrize(
    ("outcome", "times", "worst"),
    [
        (Outcome.SERVER, 5, "a"),
        (Outcome.CUT, 5, "a"),
        (Outcome.OVERLOAD, 10, "a"),
        (Outcome.ACCOUNT, 1, "account"),
        (Outcome.CONNECT, 3, "host"),
    ],
)
def test_a_failure_is_booked_where_it_belongs(outcome: Outcome, times: int, worst: str):
    fleet = Fleet()
    same_host, same_account = deployment("b", host="a"), deployment("a", model="other")
    for _ in range(times - 1):
        ended(fleet, outcome)
    assert state(fleet) is State.HEALTHY
    ended(fleet, outcome)
    assert state(fleet) is State.OPEN
    states = [fleet.standing(fleet.member(each), NEED, 0.0).state for each in (same_host, same_account)]
    assert [each is State.OPEN for each in states] == [worst == "host", worst in ("host", "account")]


@pytest.mark.parametrize(
    "outcome", [Outcome.CLIENT, Outcome.POLICY, Outcome.CONTEXT, Outcome.CLIENT_GONE, Outcome.LOCAL]
)
def test_what_is_not_the_upstreams_fault_is_not_held_against_it(outcome: Outcome):
    fleet = Fleet()
    for number in range(30):
        ended(fleet, outcome, now_s=number * 1.0)
    assert fleet.member(deployment("a")).is_plain


def test_a_rate_limit_is_a_matter_of_quota():
    fleet = Fleet()
    told = Problem(kind="rate_limit", message="", outcome=Outcome.RATE, retry_after_s=7.0)
    fleet.ended(send(fleet), Outcome.RATE, 1.0, 0.5, told)
    standing = fleet.standing(fleet.member(deployment("a")), NEED, 2.0)
    assert (standing.state, standing.wait_s) == (State.HEALTHY, 6.0)
    assert not fleet.member(deployment("a")).is_plain
    assert fleet.member(deployment("a")).limit.limit < Concurrency.LIMIT_MAX


def test_a_rate_limit_that_names_no_time_is_waited_out_too():
    fleet = Fleet()
    ended(fleet, Outcome.RATE)
    assert fleet.standing(fleet.member(deployment("a")), NEED, 0.5).wait_s == 0.5


def test_a_model_that_is_forbidden_says_nothing_of_the_accounts_others():
    fleet = Fleet()
    told = Problem(kind="permission", message="", outcome=Outcome.ACCOUNT)
    fleet.ended(send(fleet), Outcome.ACCOUNT, 1.0, 0.5, told)
    assert state(fleet) is State.OPEN
    assert fleet.standing(fleet.member(deployment("a", "other")), NEED, 1.0).state is State.HEALTHY


def test_what_was_given_up_is_known_to_take_longer():
    fleet = Fleet()
    for number in range(80):
        ticket = send(fleet, now_s=number * 10.0)
        fleet.ended(ticket, Outcome.CLIENT_GONE, number * 10.0 + 5.0, 0.5)
    assert fleet.member(deployment("a")).stream.predict(200).p50_s > 4.0


def test_half_open_lets_one_try_at_a_time():
    fleet = Fleet()
    for _ in range(5):
        ended(fleet, Outcome.SERVER)
    assert state(fleet, now_s=6.0) is State.HALF_OPEN
    ticket = send(fleet, now_s=6.0)
    assert state(fleet, now_s=6.0) is State.OPEN
    fleet.first(ticket, 6.2)
    fleet.ended(ticket, Outcome.OK, 6.5, 0.5)
    assert state(fleet, now_s=7.0) is State.HALF_OPEN
    for _ in range(2):
        answered(fleet, now_s=7.0)
    assert state(fleet, now_s=8.0) is State.RAMPING
    assert fleet.standing(fleet.member(deployment("a")), NEED, 8.0).weight < 0.2


def test_a_trial_may_not_keep_its_caller_waiting():
    fleet = Fleet()
    for _ in range(5):
        ended(fleet, Outcome.SERVER)
    member = fleet.member(deployment("a"))
    assert member.health.look(6.0) is State.HALF_OPEN
    assert fleet.move_s(member, 200, is_stream=True) == 5.0
    assert fleet.move_s(member, 200, is_stream=False) == float("inf")


def test_what_was_sent_before_it_was_out_of_order_proves_nothing():
    fleet = Fleet()
    early = [send(fleet) for _ in range(3)]
    for _ in range(5):
        ended(fleet, Outcome.SERVER)
    assert state(fleet, now_s=6.0) is State.HALF_OPEN
    for ticket in early:
        fleet.ended(ticket, Outcome.OK, 6.0, 0.5)
    assert state(fleet, now_s=6.0) is State.HALF_OPEN


def test_quotas_are_read_from_answers_now_and_then():
    fleet = Fleet()
    ticket = send(fleet)
    assert fleet.landed(ticket, 0.1)
    fleet.told(ticket, [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "9s")], 1e9, 0.1)
    assert fleet.standing(ticket.member, NEED, 0.1).wait_s == pytest.approx(9.0)
    assert not fleet.landed(ticket, 0.15)
    assert fleet.landed(ticket, 0.3)
    fleet.told(ticket, [("server", "x")], 1e9, 0.3)
    assert fleet.standing(ticket.member, NEED, 0.3).wait_s == pytest.approx(8.8)


def test_everything_at_once_is_us_and_nobody_is_ejected():
    fleet = Fleet()
    for name in "abc":
        answered(fleet, name)
    for name in "abc":
        for _ in range(5):
            ended(fleet, Outcome.CUT, name, 1.0)
    assert [state(fleet, name, 1.0) for name in "abc"] == [State.HEALTHY] * 3
    ended(fleet, Outcome.SERVER, "a", 2.0)
    late = send(fleet, now_s=2.0)
    fleet.sweep(5.9)
    fleet.first(late, 5.9)
    ended(fleet, Outcome.SLOW, "a", 5.9)
    assert fleet.member(deployment("a")).is_plain
    assert late.member.health.suspicion.level == 0.0
    assert late.member.stream.samples == pytest.approx(1.0)


@pytest.mark.parametrize("outcome", [Outcome.SERVER, Outcome.OVERLOAD])
def test_what_upstreams_say_of_themselves_is_not_us_however_many_say_it(outcome: Outcome):
    fleet = Fleet()
    for name in "abc":
        answered(fleet, name)
    for name in "abc":
        for _ in range(10):
            ended(fleet, outcome, name, 1.0)
    assert [state(fleet, name, 1.0) for name in "abc"] == [State.OPEN] * 3


def test_usage_teaches_what_an_answer_is_like():
    fleet = Fleet()
    for number in range(200):
        ticket = send(fleet, now_s=number * 10.0)
        fleet.first(ticket, number * 10.0 + 0.2)
        usage = Usage(input_tokens=1000, cached_tokens=800, output_tokens=500)
        fleet.used(ticket, usage, number * 10.0 + 5.2)
        fleet.ended(ticket, Outcome.OK, number * 10.0 + 5.2, 0.5)
    member = fleet.member(deployment("a"))
    assert member.cached_share == pytest.approx(0.8, abs=0.01)
    assert member.output_tokens == pytest.approx(500, rel=0.01)
    assert member.tokens_per_s == pytest.approx(100, rel=0.01)
    before = (member.cached_share, member.output_tokens, member.tokens_per_s)
    fleet.used(send(fleet), Usage(), 1.0)
    assert (member.output_tokens, member.tokens_per_s) == before[1:]


def test_a_new_place_for_a_model_starts_with_what_it_takes_elsewhere():
    fleet = Fleet()
    for number in range(100):
        answered(fleet, now_s=number * 1.0, taken_s=0.05)
    assert fleet.member(deployment("b")).stream.predict(200).p50_s == pytest.approx(0.05, rel=0.2)
    assert fleet.member(deployment("b", "another")).stream.predict(200).p50_s > 0.5
    assert {each.id for each in fleet.members()} == {"a/m", "b/m", "b/another"}


def test_a_deployment_that_was_changed_is_another_one():
    fleet = Fleet()
    first = fleet.member(deployment("a"))
    assert fleet.member(deployment("a")) is first
    assert fleet.member(deployment("a", host="elsewhere")) is not first
    assert isinstance(first.estimator(is_stream=True), Estimator)


def test_what_nobody_uses_is_forgotten():
    fleet = Fleet(members_max=3)
    busy = send(fleet, "a").member
    for _ in range(5):
        ended(fleet, Outcome.SERVER, "b")
    fleet.member(deployment("c"))
    fleet.member(deployment("d"))
    assert {each.id for each in fleet.members()} == {"a/m", "b/m", "d/m"}
    assert fleet.member(deployment("a")) is busy


def test_a_panic_is_rationed_by_route():
    fleet = Fleet(members_max=2)
    asked = (("r", 1.0), ("r", 1.4), ("s", 1.4), ("r", 1.5), ("r", 1.6), ("t", 1.6), ("u", 1.6), ("r", 1.7))
    may = [fleet.may_panic(route, now_s, 0.5) for route, now_s in asked]
    assert may == [True, False, True, True, False, True, True, True]


def test_a_provider_without_an_address_is_its_own_host():
    member = Fleet().member(Deployment("inner", "m", (), "inner"))
    assert isinstance(member, Member)
    assert member.host.name == "inner"


def test_a_probe_ends_what_it_disproves_and_nothing_else():
    fleet = Fleet()
    answered(fleet, "a")
    member = fleet.member(deployment("a"))
    assert fleet.ailing(1.0) == []
    member.account.quarantine(1.0)
    member.host.failed(3.0, 1.0, 0.5, row_max=3)
    assert fleet.ailing(1.0) == [member, member]
    fleet.probed(member, 503, 2.0)
    assert (member.host.look(2.0), member.account.look(2.0)) == (State.OPEN, State.OPEN)
    fleet.probed(member, 401, 2.0)
    assert (member.host.look(2.0), member.account.look(2.0)) == (State.HALF_OPEN, State.OPEN)
    fleet.probed(member, 200, 3.0)
    assert (member.host.look(3.0), member.account.look(3.0)) == (State.HALF_OPEN, State.HALF_OPEN)
    assert fleet.ailing(3.0) == []


def test_what_is_over_in_a_moment_is_not_probed():
    fleet = Fleet()
    answered(fleet, "a")
    member = fleet.member(deployment("a"))
    member.host.failed(3.0, 1.0, 0.5, row_max=3)
    assert (fleet.ailing(4.9), fleet.ailing(5.1)) == ([member], [])


def heard(fleet: Fleet, outcome: Outcome, now_s: float = 0.0, **more: object) -> None:
    told = Heard(**{"outcome": outcome, "sent_s": now_s, **more})
    fleet.heard(fleet.member(deployment("a")), told, now_s, 0.5)


@pytest.mark.parametrize(
    ("outcome", "times", "opened"),
    [
        (Outcome.CONNECT, 3, {"https://a.example"}),
        (Outcome.ACCOUNT, 1, {"a"}),
        (Outcome.SERVER, 5, {"a/m"}),
        (Outcome.CUT, 5, {"a/m"}),
        (Outcome.CLIENT_GONE, 9, set[str]()),
        (Outcome.LOCAL, 9, set[str]()),
    ],
)
def test_what_came_of_something_else_there_counts_too(outcome: Outcome, times: int, opened: set[str]):
    for is_models in (True, False):
        fleet = Fleet()
        for _ in range(times):
            heard(fleet, outcome, is_models=is_models)
        member = fleet.member(deployment("a"))
        wanted = opened if is_models else opened - {"a/m"}
        assert {domain.name for domain in member.domains if domain.state is State.OPEN} == wanted
        assert (member.in_flight, member.whole.samples, member.stream.samples) == (0, 0.0, 0.0)


def test_what_is_heard_of_rates_and_rights_is_the_models():
    for is_models in (True, False):
        fleet = Fleet()
        heard(fleet, Outcome.RATE, is_models=is_models)
        assert (fleet.member(deployment("a")).quota.wait_s(NEED, 0.0) > 0.0) is is_models
        told = Problem(kind="permission", message="", outcome=Outcome.ACCOUNT)
        heard(fleet, Outcome.ACCOUNT, problem=told, is_models=is_models)
        assert (state(fleet) is State.OPEN) is is_models
        assert fleet.member(deployment("a")).account.state is State.HEALTHY


def test_a_good_word_brings_it_back_if_it_was_asked_for_since():
    fleet = Fleet()
    for _ in range(3):
        heard(fleet, Outcome.CONNECT)
    host = fleet.member(deployment("a")).host
    assert (host.state, host.look(6.0)) == (State.OPEN, State.HALF_OPEN)
    for _ in range(3):
        heard(fleet, Outcome.OK, 7.0, sent_s=5.0, is_models=False)
    assert host.state is State.HALF_OPEN
    for _ in range(3):
        heard(fleet, Outcome.OK, 7.0, is_models=False)
    assert host.state is State.RAMPING


def test_a_trial_that_is_given_up_is_forgiven_once_and_a_failure_never():
    for outcome, wanted in ((Outcome.SLOW, State.HALF_OPEN), (Outcome.SERVER, State.OPEN)):
        fleet = Fleet()
        for _ in range(5):
            ended(fleet, Outcome.SERVER)
        ended(fleet, outcome, now_s=6.0)
        assert fleet.member(deployment("a")).health.state is wanted
        ended(fleet, Outcome.SLOW, now_s=7.0)
        assert fleet.member(deployment("a")).health.state is State.OPEN


def test_one_that_comes_back_and_is_silent_again_is_out_at_once():
    fleet = Fleet()
    member = fleet.member(deployment("a"))
    for _ in range(5):
        ended(fleet, Outcome.SERVER)
    for _ in range(3):
        assert state(fleet, now_s=6.0) is State.HALF_OPEN
        answered(fleet, now_s=6.0)
    assert state(fleet, now_s=7.0) is State.RAMPING
    for _ in range(3):
        send(fleet, now_s=8.0)
    fleet.sweep(20.0)
    assert member.health.state is State.RAMPING
    send(fleet, now_s=20.0)
    fleet.sweep(30.0)
    assert member.health.state is State.OPEN
