"""Wishes about where to run."""

import pytest

from headgate.core.needs import Wishes
from headgate.core.problems import InvalidRequest
from headgate.providers.catalog import Deployment, Settings, configure
from headgate.providers.spec import Auth, ProviderSpec, Speaks
from headgate.routing.names import Directory
from headgate.routing.plan import Plan, Route, Target
from headgate.routing.preferences import named, provider_slugs, unmet, wished


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


def plan_of(name: str, *providers: str) -> Plan:
    deployments = tuple(Deployment(provider, name, (), provider) for provider in providers)
    route = Route(name=name, strategy="ordered", targets=tuple(map(Target, deployments)))
    return Plan(route, deployments)


M = plan_of("m", "a", "b", "c")
N = plan_of("n", "b", "c")


@pytest.mark.parametrize(
    ("plans", "wishes", "left"),
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
    ],
)
def test_wishes_choose_and_order(plans: list[Plan], wishes: Wishes, left: list[str]):
    assert [deployment.id for deployment in wished(plans, wishes, slugs).deployments] == left


def test_every_deployment_of_several_models_may_be_tried():
    assert wished([M, N], Wishes(), slugs).route.attempts_max == 5
    assert wished([M], Wishes(), slugs).route.attempts_max == M.route.attempts_max


def test_parameters_that_are_required_are_not_lost():
    assert wished([M], Wishes(require_parameters=True), slugs).route.on_loss == "refuse"


def test_wishes_that_leave_nothing_are_refused():
    with pytest.raises(InvalidRequest, match=r"leave no provider for 'm'; it runs here at: a, b, c\."):
        wished([M], Wishes(only=("x",)), slugs)


def test_every_model_is_named_once():
    assert named("m", Wishes(models=("n", "m", ""))) == ("m", "n")
    assert named("", Wishes(models=("n",))) == ("n",)


def test_a_provider_goes_by_the_name_of_the_service_it_is():
    assert [slugs(name) for name in ("a", "elsewhere")] == [{"a", "alpha"}, {"elsewhere"}]


def test_a_provider_that_is_not_here_is_told():
    wishes = Wishes(order=("a", "nobody"), only=("Beta".lower(),), ignore=("nowhere",))
    assert unmet(DIRECTORY, wishes) == {"provider.order", "provider.ignore"}
