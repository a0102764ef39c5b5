"""Every strategy's order."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import Outcome
from headgate.core.usage import Usage
from headgate.providers.catalog import Deployment
from headgate.routing.fleet import Fleet
from headgate.routing.health import State
from headgate.routing.quotas import Need
from headgate.routing.strategies import EXPLORE_IDLE_S, Candidate, Order, Quote, ranked, why_not

NEED = Need(1000, 100)
ORDERS: list[Order] = [
    "ordered", "weighted", "cheapest", "fastest", "latency", "throughput", "balanced", "least_busy"
]  # fmt: skip
ANSWER = Usage(input_tokens=1000, output_tokens=100)


class Place:
    """A deployment of a made-up speed and price."""

    def __init__(self, name: str, first_s: float = 0.5, tokens_per_s: float = 50.0, usd: float | None = 1.0) -> None:
        self.deployment = Deployment(name, "m", (), name)
        self.first_s, self.tokens_per_s = first_s, tokens_per_s
        pico = None if usd is None else int(usd * 1_000_000)
        self.quote = None if pico is None else Quote(pico, 4 * pico, pico // 10)


def learned(places: list[Place]) -> Fleet:
    fleet = Fleet()
    for number in range(150):
        for place in places:
            now_s = number * 100.0
            ticket = fleet.sent(fleet.member(place.deployment), NEED, now_s, is_stream=True)
            fleet.first(ticket, now_s + place.first_s)
            end_s = now_s + place.first_s + 100 / place.tokens_per_s
            fleet.used(ticket, ANSWER, end_s)
            fleet.ended(ticket, Outcome.OK, end_s, 0.5)
    return fleet


NOW_S = 149 * 100.0 + 10.0


def candidates(
    fleet: Fleet, places: list[Place], weights: list[float] | None = None, *, is_stream: bool = True
) -> list[Candidate]:
    return [
        Candidate(
            deployment=place.deployment,
            weight=1.0 if weights is None else weights[number],
            standing=fleet.standing(fleet.member(place.deployment), NEED, NOW_S),
            quote=place.quote,
            need=NEED,
            is_stream=is_stream,
        )
        for number, place in enumerate(places)
    ]


def order(strategy: Order, places: list[Place], dice: float = 0.5) -> list[str]:
    fleet = learned(places)
    return [each.deployment.provider for each in ranked(strategy, candidates(fleet, places), lambda: dice)]


THREE = [
    Place("slow", first_s=3.0, tokens_per_s=100.0, usd=0.1),
    Place("quick", first_s=0.2, tokens_per_s=20.0, usd=1.0),
    Place("dear", first_s=0.4, tokens_per_s=400.0, usd=10.0),
]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("ordered", ["slow", "quick", "dear"]),
        ("cheapest", ["slow", "quick", "dear"]),
        ("fastest", ["dear", "slow", "quick"]),
        ("latency", ["quick", "dear", "slow"]),
        ("throughput", ["dear", "slow", "quick"]),
    ],
)
def test_an_order_by_one_thing(strategy: Order, expected: list[str]):
    assert order(strategy, THREE) == expected


def test_of_whole_answers_the_fastest_is_by_its_own_times():
    fleet = learned(THREE)
    for number in range(60):
        for place, taken_s in zip(THREE, (1.0, 2.0, 9.0), strict=True):
            ticket = fleet.sent(fleet.member(place.deployment), NEED, number * 1.0, is_stream=False)
            fleet.ended(ticket, Outcome.OK, number + taken_s, 0.5)
    found = ranked("fastest", candidates(fleet, THREE, is_stream=False), lambda: 0.5)
    assert [each.deployment.provider for each in found] == ["slow", "quick", "dear"]


def test_the_cheapest_is_so_by_what_its_cache_saves():
    cached, plain = Place("cached", usd=1.0), Place("plain", usd=0.8)
    fleet = learned([cached, plain])
    found = ranked("cheapest", candidates(fleet, [cached, plain]), lambda: 0.5)
    assert [each.deployment.provider for each in found] == ["plain", "cached"]
    fleet.member(cached.deployment).cached_share = 0.9
    found = ranked("cheapest", candidates(fleet, [cached, plain]), lambda: 0.5)
    assert [each.deployment.provider for each in found] == ["cached", "plain"]
    assert found[0].cost == 590_000  # nano-USD


def test_what_has_no_price_is_the_last_of_the_cheap():
    assert order("cheapest", [Place("unknown", usd=None), Place("known", usd=99.0)]) == ["known", "unknown"]


def test_weights_are_kept_in_the_long_run():
    places, dice = [Place("a"), Place("b")], Random(5)
    fleet = learned(places)
    first = Counter(
        ranked("weighted", candidates(fleet, places, [3.0, 1.0]), dice.random)[0].deployment.provider
        for _ in range(3000)
    )
    assert 0.72 < first["a"] / 3000 < 0.78


def test_least_busy_goes_by_what_is_on_its_way_for_its_weight():
    places = [Place("a"), Place("b")]
    fleet = learned(places)
    fleet.member(places[0].deployment).in_flight = 3
    found = ranked("least_busy", candidates(fleet, places), lambda: 0.5)
    assert [each.deployment.provider for each in found] == ["b", "a"]
    found = ranked("least_busy", candidates(fleet, places, [9.0, 1.0]), lambda: 0.5)
    assert [each.deployment.provider for each in found] == ["a", "b"]


def test_balanced_leaves_the_busy_the_dear_and_the_failing():
    def first(change: str) -> str:
        places = [Place("a"), Place("b", usd=1.0 if change != "dear" else 0.001)]
        fleet = learned(places)
        member = fleet.member(places[0].deployment)
        if change == "busy":
            member.in_flight = 40
        if change == "failing":
            for _ in range(4):
                member.health.failed(1.0, NOW_S, 0.5)
        return ranked("balanced", candidates(fleet, places), lambda: 0.0)[0].deployment.provider

    assert [first(change) for change in ("", "busy", "dear", "failing")] == ["a", "b", "b", "b"]


def test_balanced_does_without_a_price_and_without_a_stream():
    places = [Place("a", usd=None), Place("b", usd=None)]
    fleet = learned(places)
    for number in range(60):
        for place, taken_s in zip(places, (4.0, 1.0), strict=True):
            ticket = fleet.sent(fleet.member(place.deployment), NEED, number * 1.0, is_stream=False)
            fleet.ended(ticket, Outcome.OK, number + taken_s, 0.5)
    found = ranked("balanced", candidates(fleet, places, is_stream=False), lambda: 0.0)
    assert [each.deployment.provider for each in found] == ["b", "a"]
    assert 0.9 < found[0].cost < 1.2


def test_balanced_draws_two_and_takes_the_better():
    places, dice = [Place(name, first_s=first_s) for name, first_s in (("a", 0.2), ("b", 0.4), ("c", 0.8))], Random(2)
    fleet = learned(places)
    first = Counter(
        ranked("balanced", candidates(fleet, places), dice.random)[0].deployment.provider for _ in range(3000)
    )
    assert 0.6 < first["a"] / 3000 < 0.72
    assert 0.28 < first["b"] / 3000 < 0.4
    assert first["c"] == 0


def test_by_speed_one_of_which_nothing_is_known_is_tried_now_and_then():
    known, unknown = Place("known", first_s=0.1), Place("unknown")
    fleet, dice = learned([known]), Random(3)
    fleet.member(known.deployment).used_s = NOW_S - EXPLORE_IDLE_S / 2
    first = Counter(
        ranked("fastest", candidates(fleet, [known, unknown]), dice.random)[0].deployment.provider for _ in range(4000)
    )
    assert 0.01 < first["unknown"] / 4000 < 0.03
    fleet.member(unknown.deployment).used_s = NOW_S
    assert ranked("fastest", candidates(fleet, [known, unknown]), lambda: 0.0)[0].deployment.provider == "known"


def test_a_brownout_makes_it_come_first_less_often():
    places, dice = [Place("a"), Place("b")], Random(4)
    fleet = learned(places)
    for number in range(200):
        fleet.member(places[0].deployment).health.failed(1.0, NOW_S, 0.5) if number % 3 == 0 else fleet.member(
            places[0].deployment
        ).health.succeeded(NOW_S)
    first = Counter(
        ranked("ordered", candidates(fleet, places), dice.random)[0].deployment.provider for _ in range(2000)
    )
    assert 0.03 < first["a"] / 2000 < 0.35


def test_reasons_against_it():
    fleet = learned([Place("a")])
    standing = candidates(fleet, [Place("a")])[0].standing
    assert why_not(standing) == ""
    standing.has_room = False
    assert why_not(standing) == "busy"
    standing.state = State.SUSPECT
    assert why_not(standing) == "suspect"
    standing.wait_s = 1.0
    assert why_not(standing) == "quota"
    standing.state = State.OPEN
    assert why_not(standing) == "open"


@given(st.sampled_from(ORDERS), st.integers(0, 6), st.randoms(use_true_random=False))
def test_every_order_is_of_the_same_candidates(strategy: Order, count: int, dice: Random):
    places = [Place(f"p{number}") for number in range(count)]
    found = ranked(strategy, candidates(Fleet(), places), dice.random)
    assert sorted(each.deployment.provider for each in found) == [place.deployment.provider for place in places]
