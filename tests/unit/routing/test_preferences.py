"""Wishes about where to run."""

import pytest

from headgate.core.needs import PriceLimit, Sort, Wishes
from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.providers.catalog import Deployment, Settings, configure
from headgate.providers.spec import Auth, ProviderSpec, Speaks
from headgate.routing.fleet import Fleet
from headgate.routing.names import Directory
from headgate.routing.plan import Asked, Plan, Route, Target, plan
from headgate.routing.preferences import Scope, joined, named, provider_slugs, unmet, wished
from headgate.routing.strategies import Quote


def spec(name: str) -> ProviderSpec:
    return ProviderSpec(
        name, name.title(), "", "2026-11-22", "documented", Auth("none"), (Speaks("d", f"http://{name}"),)
    )


DIRECTORY = Directory(
    routes={},
    providers={
        "a": configure(Settings(name="a", spec=spec("alpha"))),
        "b": configure(Settings(name="b", spec=spec("beta"))),
        "c": configure(Settings(name="c", spec=spec("gamma"))),
        "elsewhere": configure(Settings(name="elsewhere", spec=spec("alpha"), base_url="http://my.own")),
    },
    entries={},
    aliases={},
)


def slugs(provider: str) -> frozenset[str]:
    return provider_slugs(DIRECTORY, provider)


def route_of(name: str, *providers: str) -> Route:
    targets = tuple(Target(Deployment(provider, name, (), provider)) for provider in providers)
    return Route(name=name, strategy="ordered", targets=targets)


def quoting(deployment: Deployment) -> Quote | None:
    """`a` costs 1 and 2 USD per million tokens, `b` ten times that; nobody knows what `c` costs."""
    return {"a": Quote(1_000_000, 2_000_000, 0, 5), "b": Quote(10_000_000, 20_000_000, 0, 50)}.get(deployment.provider)


def left(routes: list[Route], wishes: Wishes) -> list[str]:
    chosen = wished(routes, wishes, Scope(slugs, quoting))
    asked = Asked(now_s=0.0, dice=lambda: 0.5, quoting=quoting)
    plans = [plan(route, asked, Fleet()) for route in chosen]
    return [deployment.id for deployment in joined(plans, wishes, slugs).deployments]


M = route_of("m", "a", "b", "c")
N = route_of("n", "b", "c")


@pytest.mark.parametrize(
    ("routes", "wishes", "expected"),
    [
        ([M], Wishes(), ["a/m", "b/m", "c/m"]),
        ([M], Wishes(order=("gamma", "b")), ["c/m", "b/m", "a/m"]),
        ([M], Wishes(order=("nobody", "b")), ["b/m", "a/m", "c/m"]),
        ([M], Wishes(only=("b", "c")), ["b/m", "c/m"]),
        ([M], Wishes(ignore=("alpha",)), ["b/m", "c/m"]),
        ([M], Wishes(only=("a", "b"), ignore=("a",)), ["b/m"]),
        ([M], Wishes(allow_fallbacks=False), ["a/m"]),
        ([M], Wishes(allow_fallbacks=False, order=("c", "b")), ["c/m", "b/m"]),
        ([M, N], Wishes(models=("n",)), ["a/m", "b/m", "c/m", "b/n", "c/n"]),
        ([M, N], Wishes(models=("n",), allow_fallbacks=False), ["a/m", "b/n"]),
        ([M, N], Wishes(models=("n",), only=("a",)), ["a/m"]),
        ([M], Wishes(max_price=PriceLimit(input=1_000_000)), ["a/m"]),
        ([M], Wishes(max_price=PriceLimit(input=10_000_000, output=20_000_000, request=50)), ["a/m", "b/m"]),
        ([M], Wishes(max_price=PriceLimit(request=49)), ["a/m"]),
        ([M, N], Wishes(models=("n",), max_price=PriceLimit(output=20_000_000)), ["a/m", "b/m", "b/n"]),
        ([N], Wishes(sort="price", ignore=("c",)), ["b/n"]),
        ([M], Wishes(sort="price", order=("b",)), ["b/m", "a/m", "c/m"]),
    ],
)
def test_wishes_choose_and_order(routes: list[Route], wishes: Wishes, expected: list[str]):
    assert left(routes, wishes) == expected


@pytest.mark.parametrize(("sort", "strategy"), [("price", "cheapest"), ("latency", "latency"), (None, "ordered")])
def test_a_wish_to_sort_goes_before_the_strategy(sort: Sort | None, strategy: str):
    assert wished([M], Wishes(sort=sort), Scope(slugs, quoting))[0].strategy == strategy


def test_every_deployment_of_several_models_may_be_tried():
    plans = [Plan(M, tuple(target.deployment for target in M.targets)), Plan(N, (N.targets[0].deployment,))]
    assert joined(plans, Wishes(), slugs).route.attempts_max == 4
    assert joined(plans[:1], Wishes(), slugs).route.attempts_max == M.attempts_max


def test_what_stands_against_all_is_told_by_the_one_that_is_back_first():
    def barred(wait_s: float) -> Plan:
        return Plan(M, (), (), Problem(kind="rate_limit", message="wait", outcome=Outcome.RATE, retry_after_s=wait_s))

    broken = Plan(M, (), (), Problem(kind="overloaded", message="out", outcome=Outcome.OVERLOAD, retry_after_s=1.0))
    told = joined([broken, barred(7.0), barred(3.0)], Wishes(), slugs).blocked
    assert told is not None
    assert (told.outcome, told.retry_after_s) == (Outcome.RATE, 3.0)
    assert joined([broken], Wishes(), slugs).blocked is broken.blocked
    served = joined([barred(7.0), Plan(N, (N.targets[0].deployment,))], Wishes(), slugs)
    assert [each.id for each in served.deployments] == ["b/n"]


def test_parameters_that_are_required_are_not_lost():
    assert wished([M], Wishes(require_parameters=True), Scope(slugs, quoting))[0].on_loss == "refuse"


def test_wishes_that_leave_nothing_are_refused():
    with pytest.raises(InvalidRequest, match=r"leave no provider for 'm'; it runs here at: a, b, c\."):
        wished([M], Wishes(only=("x",)), Scope(slugs, quoting))
    with pytest.raises(InvalidRequest, match=r"Nobody runs 'm' here for the price .* it runs here at: a, b, c\."):
        wished([M], Wishes(max_price=PriceLimit(input=1)), Scope(slugs, quoting))


def test_every_model_is_named_once():
    assert named("m", Wishes(models=("n", "m", ""))) == ("m", "n")
    assert named("", Wishes(models=("n",))) == ("n",)


def test_a_provider_goes_by_the_name_of_the_service_it_is():
    assert [slugs(name) for name in ("a", "elsewhere")] == [{"a", "alpha"}, {"elsewhere"}]


def test_a_provider_that_is_not_here_is_told():
    wishes = Wishes(order=("a", "nobody"), only=("Beta".lower(),), ignore=("nowhere",))
    assert unmet(DIRECTORY, wishes) == {"provider.order", "provider.ignore"}
