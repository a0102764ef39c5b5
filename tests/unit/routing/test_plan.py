"""The order in which a call's deployments are tried."""

from collections import Counter
from random import Random

import pytest
from msgspec import structs

from headgate.core.needs import Ability
from headgate.core.problems import ConfigError, Outcome, Problem
from headgate.providers.catalog import Deployment
from headgate.providers.models import Facts
from headgate.routing.abilities import Demand
from headgate.routing.conditions import Subject
from headgate.routing.fleet import Fleet
from headgate.routing.plan import Asked, Dice, Route, Rule, Target, check_route, instead, plan, ruled, with_able
from headgate.routing.quotas import Need


def deployment(name: str, facts: Facts | None = None) -> Deployment:
    return Deployment(name, "m", (), name, facts)


def route(strategy: str, weights: list[float]) -> Route:
    targets = tuple(Target(deployment(f"p{place}"), weight) for place, weight in enumerate(weights))
    return Route(name="r", strategy=strategy, targets=targets)  # pyright: ignore[reportArgumentType]


def asked(dice: Dice, now_s: float = 0.0) -> Asked:
    return Asked(now_s=now_s, dice=dice, quoting=lambda _: None, input_tokens=100)


def no_dice() -> float:
    raise AssertionError("thrown")


def order(chosen: Route, dice: Dice, fleet: Fleet | None = None, now_s: float = 0.0) -> list[str]:
    return [each.provider for each in plan(chosen, asked(dice, now_s), fleet or Fleet()).deployments]


def end(fleet: Fleet, name: str, outcome: Outcome, now_s: float, retry_after_s: float | None = None) -> None:
    ticket = fleet.sent(fleet.member(deployment(name)), Need(100, 100), now_s, is_stream=False)
    problem = Problem(kind="rate_limit", message="", outcome=outcome, retry_after_s=retry_after_s)
    fleet.ended(ticket, outcome, now_s, 0.5, problem)


def test_ordered_is_as_written():
    chosen = plan(route("ordered", [1, 5, 2]), asked(no_dice), Fleet())
    assert [each.id for each in chosen.deployments] == ["p0/m", "p1/m", "p2/m"]
    assert chosen.weighed == ()


def test_one_target_needs_no_dice():
    assert order(route("weighted", [1]), no_dice) == ["p0"]
    assert order(route("weighted", [0, 1]), no_dice) == ["p1"]


def test_weighted_draws_in_proportion_and_keeps_the_rest_as_fallback():
    dice = Random(7)
    orders = [order(route("weighted", [3, 1, 0]), dice.random) for _ in range(4000)]
    assert {len(one) for one in orders} == {2}
    first = Counter(one[0] for one in orders)
    assert 0.72 < first["p0"] / 4000 < 0.78


def test_a_dice_at_its_edge_still_chooses():
    assert order(route("weighted", [1, 1]), lambda: 0.9999999999999999) == ["p1", "p0"]


def test_what_is_open_is_left_out_and_what_is_suspect_comes_last():
    fleet = Fleet()
    for _ in range(5):
        end(fleet, "p0", Outcome.SERVER, 1.0)
    fleet.member(deployment("p1")).health.suspect(1.0)
    chosen = plan(route("ordered", [1, 1, 1]), asked(Random(1).random, 1.5), fleet)
    assert [each.provider for each in chosen.deployments] == ["p2", "p1"]
    assert [(each.deployment, each.why) for each in chosen.weighed] == [
        ("p0/m", "open"), ("p1/m", "suspect"), ("p2/m", "chosen")
    ]  # fmt: skip


def test_a_quota_that_wants_rest_is_left_alone_until_then():
    fleet = Fleet()
    end(fleet, "p0", Outcome.RATE, 1.0, retry_after_s=5.0)
    assert order(route("ordered", [1, 1]), no_dice, fleet, 2.0) == ["p1"]
    assert order(route("ordered", [1, 1]), no_dice, fleet, 6.0) == ["p0", "p1"]


def test_when_all_want_rest_the_caller_is_told_the_soonest():
    fleet = Fleet()
    end(fleet, "p0", Outcome.RATE, 1.0, retry_after_s=5.0)
    end(fleet, "p1", Outcome.RATE, 1.0, retry_after_s=3.0)
    chosen = plan(route("ordered", [1, 1]), asked(no_dice, 2.0), fleet)
    assert chosen.deployments == ()
    assert chosen.blocked is not None
    assert (chosen.blocked.outcome, chosen.blocked.retry_after_s) == (Outcome.RATE, 2.0)


def test_when_all_are_out_of_order_one_call_in_a_while_tries_the_one_that_failed_longest_ago():
    fleet = Fleet()
    for name, now_s in (("p1", 1.0), ("p0", 2.0)):
        for _ in range(5):
            end(fleet, name, Outcome.SERVER, now_s)
    both = route("ordered", [1, 1])
    assert order(both, no_dice, fleet, 2.1) == ["p1"]
    told = plan(both, asked(no_dice, 2.2), fleet)
    assert told.deployments == ()
    assert told.blocked is not None
    assert (told.blocked.outcome, told.blocked.retry_after_s) == (Outcome.OVERLOAD, 3.8)
    assert order(both, no_dice, fleet, 3.2) == ["p1"]


def test_a_sole_target_is_tried_however_ill_but_not_when_it_wants_rest():
    fleet = Fleet()
    for _ in range(5):
        end(fleet, "p0", Outcome.SERVER, 1.0)
    assert order(route("ordered", [1]), no_dice, fleet, 2.0) == ["p0"]
    end(fleet, "p0", Outcome.RATE, 2.0, retry_after_s=50.0)
    for weights in ([1], [1, 0]):
        told = plan(route("weighted", weights), asked(no_dice, 3.0), fleet)
        assert told.blocked is not None
        assert (told.deployments, told.blocked.retry_after_s) == ((), 49.0)


def test_what_takes_no_more_at_a_time_is_waited_for():
    fleet = Fleet()
    for name in ("p0", "p1"):
        member = fleet.member(deployment(name))
        member.limit.limit, member.in_flight = 2.0, 2
    for weights in ([1], [1, 1]):
        told = plan(route("ordered", weights), asked(no_dice), fleet)
        assert told.blocked is not None
        assert (told.deployments, told.blocked.outcome, told.blocked.retry_after_s) == ((), Outcome.RATE, 0.05)


def test_a_full_deployment_comes_last():
    fleet = Fleet()
    member = fleet.member(deployment("p0"))
    member.limit.limit, member.in_flight = 2.0, 2
    chosen = plan(route("ordered", [1, 1]), asked(no_dice), fleet)
    assert [each.provider for each in chosen.deployments] == ["p1", "p0"]
    assert chosen.weighed[0].why == "busy"


def test_targets_that_cannot_are_taken_out():
    cannot: frozenset[Ability] = frozenset({"tools"})
    able, unable = Target(deployment("a")), Target(deployment("b", Facts(cannot=cannot)))
    both = Route(name="r", strategy="ordered", targets=(able, unable))
    assert with_able(both, Demand(cannot)).targets == (able,)
    assert with_able(both, Demand(frozenset())) is both


def test_the_first_condition_that_holds_chooses_the_targets():
    one, two, three = (Target(deployment(name)) for name in "abc")
    rules = (
        Rule(lambda subject: subject.get("metadata", "plan") == "free", (one,)),
        Rule(lambda subject: subject.get("metadata", "plan") is not None, (one, two, three, one)),
    )
    chosen = Route(name="r", strategy="ordered", targets=(three,), rules=rules)

    def targets(**metadata: object) -> tuple[Target, ...]:
        return ruled(chosen, lambda: Subject({"metadata": metadata})).targets

    assert targets(plan="free") == (one,)
    assert targets(plan="paid") == (one, two, three, one)
    assert targets() == (three,)
    assert ruled(chosen, lambda: Subject({"metadata": {"plan": "paid"}})).attempts_max == 4


def test_without_conditions_nothing_is_asked():
    def never() -> Subject:
        raise AssertionError("asked")

    plain = route("ordered", [1])
    assert ruled(plain, never) is plain


def test_a_failure_of_the_calls_own_goes_where_the_operator_says():
    small = Target(deployment("small", Facts(context_tokens=10)))
    large, larger = Target(deployment("large")), Target(deployment("larger"))
    chosen = Route(name="r", strategy="ordered", targets=(small,), instead={Outcome.CONTEXT: (small, large, larger)})
    demand = Demand(frozenset(), tokens_least=20)

    def name(outcome: Outcome, *tried: str) -> str:
        found = instead(chosen, outcome, demand, tried)
        return "" if found is None else found.provider

    assert name(Outcome.CONTEXT) == "large"
    assert name(Outcome.CONTEXT, "large/m") == "larger"
    assert name(Outcome.CONTEXT, "large/m", "larger/m") == ""
    assert name(Outcome.POLICY) == ""


def test_a_route_that_leads_nowhere_is_refused():
    check_route(route("weighted", [0, 1]))
    with pytest.raises(ConfigError, match="no target with a weight"):
        check_route(route("weighted", [0, 0]))
    with pytest.raises(ConfigError, match="no target"):
        check_route(route("ordered", []))
    with pytest.raises(ConfigError, match="no target"):
        check_route(structs.replace(route("ordered", [1]), rules=(Rule(lambda _: True, ()),)))
