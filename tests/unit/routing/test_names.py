"""How a model's name is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from headgate.core.problems import UnknownModel
from headgate.providers.catalog import Deployment, Provider, Settings, configure
from headgate.providers.spec import Auth, ProviderSpec, Speaks
from headgate.routing.names import Directory, Entry, Hosting, find_route
from headgate.routing.plan import Route, Target


def provider(name: str) -> Provider:
    spec = ProviderSpec(name, name, "", "2026-11-22", "documented", Auth("none"), (Speaks("d", f"http://{name}"),))
    return configure(Settings(name=name, spec=spec))


SMART = Route(name="smart", strategy="ordered", targets=(Target(Deployment("alpha", "m1", (), "alpha")),))
ENTRIES = {
    "maker/m1": Entry("maker/m1", (Hosting("alpha", "m1"), Hosting("beta", "m1-beta"))),
    "beta/org/m2": Entry("beta/org/m2", (Hosting("beta", "org/m2"),)),
    "alpha/open": Entry("alpha/open", (Hosting("beta", "open-on-beta"),)),
    "maker/dated": Entry(
        "maker/dated",
        (
            Hosting("alpha", "dated", ""),
            Hosting("alpha", "dated-2026-01-01", "2026-01-01"),
            Hosting("alpha", "dated-2026-05-05", "2026-05-05"),
            Hosting("beta", "dated@20260505", "2026-05-05"),
            Hosting("beta", "dated@20260101", "2026-01-01"),
            Hosting("gamma", "dated", ""),
        ),
    ),
    "maker/single": Entry(
        "maker/single", (Hosting("alpha", "single"), Hosting("beta", "single-20260202", "2026-02-02"))
    ),
}
ALIASES = {
    "m1": "maker/m1",
    "maker/m-one": "maker/m1",
    "m-one": "maker/m1",
    "m1-beta": "maker/m1",
    "org/m2": "beta/org/m2",
    "open": "alpha/open",
    "dated": "maker/dated",
    "single": "maker/single",
    "single-20260202": "maker/single",
}
DIRECTORY = Directory(
    routes={"smart": SMART},
    providers={name: provider(name) for name in ("alpha", "beta", "gamma")},
    entries=ENTRIES,
    aliases=ALIASES,
)


@pytest.mark.parametrize(
    ("name", "deployments"),
    [
        ("m1", ["alpha/m1", "beta/m1-beta"]),
        ("M1", ["alpha/m1", "beta/m1-beta"]),
        ("maker/m1", ["alpha/m1", "beta/m1-beta"]),
        ("maker/m-one", ["alpha/m1", "beta/m1-beta"]),
        ("beta/m1", ["beta/m1-beta", "alpha/m1"]),
        ("beta/m1-beta", ["beta/m1-beta", "alpha/m1"]),
        ("gamma/m1", ["gamma/m1", "alpha/m1", "beta/m1-beta"]),
        ("alpha/unlisted", ["alpha/unlisted"]),
        ("org/m2", ["beta/org/m2"]),
        ("alpha/org/m2", ["alpha/org/m2", "beta/org/m2"]),
        ("someone/m1", ["alpha/m1", "beta/m1-beta"]),
        # by `alpha`, who does not run it itself
        ("alpha/open", ["beta/open-on-beta"]),
        # no date: what is called by none, else the newest
        ("dated", ["alpha/dated", "beta/dated@20260505", "gamma/dated"]),
        # a date pins
        ("dated-2026-01-01", ["alpha/dated-2026-01-01", "beta/dated@20260101"]),
        ("dated-20260101", ["alpha/dated-2026-01-01", "beta/dated@20260101"]),
        ("beta/dated@20260101", ["beta/dated@20260101", "alpha/dated-2026-01-01"]),
        # the only version there is needs no date
        ("single-20260202", ["alpha/single", "beta/single-20260202"]),
        ("single", ["alpha/single", "beta/single-20260202"]),
    ],
)
def test_a_name_becomes_deployments(name: str, deployments: list[str]):
    found = find_route(DIRECTORY, name)
    assert [target.deployment.id for target in found.targets] == deployments
    assert found.is_direct


def test_a_routes_name_wins():
    assert find_route(DIRECTORY, "smart") is SMART


@pytest.mark.parametrize("name", ["", "/", "alpha/", "/m1x", "smrt", "nothing/like it", "dated-2020-01-01"])
def test_an_unknown_name_is_refused(name: str):
    with pytest.raises(UnknownModel) as caught:
        find_route(DIRECTORY, name)
    assert caught.value.problem.http_status == 404
    assert caught.value.problem.param == "model"


def test_an_entry_that_is_not_known_by_its_rest_is_found_by_its_whole_name():
    directory = Directory(
        routes={},
        providers={"alpha": provider("alpha"), "beta": provider("beta")},
        entries={"alpha/x": Entry("alpha/x", (Hosting("beta", "y"),))},
        aliases={},
    )
    assert [target.deployment.id for target in find_route(directory, "alpha/x").targets] == ["beta/y"]


def test_the_nearest_names_are_told():
    with pytest.raises(UnknownModel, match=r"Did you mean smart\?"):
        find_route(DIRECTORY, "smrt")


@pytest.mark.parametrize(
    ("name", "base", "strategy"),
    [("m1:floor", "m1", "cheapest"), ("maker/m1:nitro", "maker/m1", "fastest"), ("smart:floor", "smart", "cheapest")],
)
def test_a_suffix_asks_for_a_strategy(name: str, base: str, strategy: str):
    found, usual = find_route(DIRECTORY, name), find_route(DIRECTORY, base)
    assert (found.targets, found.strategy) == (usual.targets, strategy)


def test_a_suffix_alone_is_no_name():
    with pytest.raises(UnknownModel):
        find_route(DIRECTORY, ":floor")


@given(st.text() | st.sampled_from([*ALIASES, *ENTRIES]).flatmap(lambda name: st.text().map(lambda end: name + end)))
def test_any_text_is_a_route_or_unknown(name: str):
    try:
        found = find_route(DIRECTORY, name)
    except UnknownModel:
        return
    places = [target.deployment.provider for target in found.targets]
    assert places
    assert len(places) == len(set(places))


def test_names_are_routes_then_models():
    assert DIRECTORY.names() == ["smart", *ENTRIES]


def test_where_prompts_are_marked_a_models_own_calls_stay_together():
    found = find_route(structs.replace(DIRECTORY, prompt_cache="5m"), "alpha/single")
    assert (found.prompt_cache, found.sticky) == ("5m", "prompt")
    assert find_route(DIRECTORY, "alpha/single").sticky is None
