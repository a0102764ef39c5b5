"""Calls that belong together stay together, within bounds."""

from collections import Counter

from headgate.providers.catalog import Deployment
from headgate.routing.affinity import stuck
from headgate.routing.fleet import Fleet
from headgate.routing.plan import Asked, Route, Target, plan
from headgate.routing.quotas import Need
from headgate.routing.strategies import Candidate

NEED = Need(100, 100)


def candidates(fleet: Fleet, names: str, weights: dict[str, float] | None = None) -> list[Candidate]:
    made: list[Candidate] = []
    for name in names:
        deployment = Deployment(name, "m", (), name)
        standing = fleet.standing(fleet.member(deployment), NEED, 0.0)
        made.append(Candidate(deployment, (weights or {}).get(name, 1.0), standing, None, NEED, is_stream=True))
    return made


def first(key: str, fleet: Fleet, names: str, weights: dict[str, float] | None = None) -> str:
    return stuck(candidates(fleet, names, weights), key)[0].deployment.provider


def test_a_key_stays_and_many_keys_spread_by_weight():
    fleet = Fleet()
    places = {f"k{number}": first(f"k{number}", fleet, "abc", {"a": 2.0}) for number in range(2000)}
    assert all(first(key, fleet, "abc", {"a": 2.0}) == place for key, place in list(places.items())[:50])
    shares = Counter(places.values())
    assert 0.45 < shares["a"] / 2000 < 0.55
    assert 0.2 < shares["b"] / 2000 < 0.3


def test_few_keys_move_when_one_goes():
    fleet = Fleet()
    for number in range(300):
        key = f"k{number}"
        before, after = first(key, fleet, "abc"), first(key, fleet, "ab")
        assert before in ("c", after)


def test_one_that_is_too_busy_is_passed_over():
    fleet = Fleet()
    home = first("k", fleet, "abc")
    fleet.member(Deployment(home, "m", (), home)).in_flight = 30
    assert first("k", fleet, "abc") != home
    for name in "abc":
        fleet.member(Deployment(name, "m", (), name)).in_flight = 30
    assert first("k", fleet, "abc") == home


def test_the_rest_keeps_its_order():
    fleet = Fleet()
    found = [each.deployment.provider for each in stuck(candidates(fleet, "abcd"), "key")]
    assert sorted(found) == ["a", "b", "c", "d"]
    assert found[1:] == [name for name in "abcd" if name != found[0]]
    assert [each.deployment.provider for each in stuck(candidates(fleet, "a"), "key")] == ["a"]


def test_without_any_weight_the_order_stands():
    fleet = Fleet()
    found = stuck(candidates(fleet, "ab", {"a": 0.0, "b": 0.0}), "key")
    assert [each.deployment.provider for each in found] == ["a", "b"]


def test_a_plan_sticks_and_says_so():
    targets = tuple(Target(Deployment(name, "m", (), name)) for name in "abc")
    route = Route(name="r", strategy="ordered", targets=targets, sticky="session")

    def planned(key: str) -> list[str]:
        asked = Asked(now_s=0.0, dice=lambda: 0.5, quoting=lambda _: None, key=key)
        chosen = plan(route, asked, Fleet())
        return [chosen.deployments[0].provider, *(each.why for each in chosen.weighed)]

    homes = {planned(f"s{number}")[0] for number in range(30)}
    assert homes == {"a", "b", "c"}
    assert sorted(planned("s1")[1:]) == ["chosen", "chosen", "sticky"]
    assert planned("") == ["a"]
