"""How a model's name is understood."""

import pytest

from headgate.core.problems import UnknownModel
from headgate.providers.catalog import Deployment, Provider, Settings, configure
from headgate.providers.spec import Auth, ProviderSpec, Speaks
from headgate.routing.names import Directory, find_route
from headgate.routing.plan import Route, Target


def provider(name: str) -> Provider:
    spec = ProviderSpec(name, name, "", "2026-11-22", "documented", Auth("none"), (Speaks("d", f"http://{name}"),))
    return configure(Settings(name=name, spec=spec))


SMART = Route(name="smart", strategy="ordered", targets=(Target(Deployment("alpha", "m1", (), "alpha")),))
DIRECTORY = Directory(
    routes={"smart": SMART},
    providers={"alpha": provider("alpha"), "beta": provider("beta")},
    offers={"m1": ("alpha", "beta"), "org/m2": ("beta",)},
)


@pytest.mark.parametrize(
    ("name", "deployments"),
    [
        ("m1", ["alpha/m1", "beta/m1"]),
        ("beta/m1", ["beta/m1", "alpha/m1"]),
        ("alpha/unlisted", ["alpha/unlisted"]),
        ("org/m2", ["beta/org/m2"]),
        ("alpha/org/m2", ["alpha/org/m2", "beta/org/m2"]),
        ("someone/m1", ["alpha/m1", "beta/m1"]),
    ],
)
def test_a_name_becomes_deployments(name: str, deployments: list[str]):
    found = find_route(DIRECTORY, name)
    assert [target.deployment.id for target in found.targets] == deployments
    assert found.is_direct


def test_a_routes_name_wins():
    assert find_route(DIRECTORY, "smart") is SMART


@pytest.mark.parametrize("name", ["", "/", "alpha/", "/m1x", "smrt", "nothing/like it"])
def test_an_unknown_name_is_refused(name: str):
    with pytest.raises(UnknownModel) as caught:
        find_route(DIRECTORY, name)
    assert caught.value.problem.http_status == 404
    assert caught.value.problem.param == "model"


def test_the_nearest_names_are_told():
    with pytest.raises(UnknownModel, match=r"Did you mean smart\?"):
        find_route(DIRECTORY, "smrt")


def test_names_are_routes_then_models():
    assert DIRECTORY.names() == ["smart", "m1", "org/m2"]
