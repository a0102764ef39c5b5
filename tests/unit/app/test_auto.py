"""Routes that name a quality in place of targets."""

from typing import Any

import pytest

from headgate.app.compiled import compile_setup
from headgate.app.config import build
from headgate.app.config_prices import price_book
from headgate.core.problems import ConfigError
from headgate.providers.models import packaged_catalogue
from headgate.providers.quality import is_enough
from headgate.routing.plan import Route

CATALOGUE = packaged_catalogue()


def route(providers: list[str] | None = None, **members: Any) -> Route:
    tree = {
        "providers": {name: {"api_key": "env:K"} for name in providers or ["openai", "anthropic", "gemini"]},
        "routes": {"auto": {"quality": "medium", **members}},
    }
    setup = build(tree, environ={"K": "k", "HOME": "/nowhere"})
    return compile_setup(setup, price_book(setup.config.providers), now_s=0).directory.routes["auto"]


def costs(found: Route) -> list[int]:
    book = price_book({})
    prices = [book.find(each.deployment.prices, each.deployment.model) for each in found.targets]
    return [price.rates.input * 1000 + price.rates.output * 300 for price in prices if price is not None]


def test_it_holds_what_is_good_enough_the_cheapest_first() -> None:
    found = route()
    models = [CATALOGUE.find(each.deployment.model) for each in found.targets]
    assert all(model is not None and is_enough(model[0].id, "medium") for model in models)
    assert costs(found) == sorted(costs(found))
    assert len(costs(found)) == len(found.targets)
    assert 4 <= len(found.targets) <= 36
    assert {each.deployment.provider for each in found.targets} == {"openai", "gemini"}


def test_the_cheapest_that_can_is_held_for_every_need() -> None:
    found = route()
    for need in ("tools", "image", "json_schema", "reasoning"):
        able = [each for each in found.targets if each.deployment.facts and need in each.deployment.facts.can]
        assert len({each.deployment.provider for each in able}) >= 2, need
    assert any(
        (each.deployment.facts.context_tokens or 0) >= 200_000 for each in found.targets if each.deployment.facts
    )


def test_more_quality_leaves_less_and_costs_more() -> None:
    small, large = route(quality="small"), route(quality="large")
    assert costs(small)[0] < costs(large)[0]
    assert "gpt-4o-mini" not in {each.deployment.model for each in large.targets}


def test_the_cheapest_goes_first_unless_the_operator_says_otherwise() -> None:
    assert (route().strategy, route(strategy="fastest").strategy) == ("cheapest", "fastest")
    assert (route().attempts_max, route(attempts_max=5).attempts_max) == (3, 5)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        (
            {"routes": {"auto": {"quality": "medium", "targets": ["demo/echo"]}}},
            "needs targets, or quality in their place",
        ),
        ({"routes": {"auto": {}}}, "needs targets, or quality in their place"),
        ({"routes": {"auto": {"quality": "best"}}}, "routes.auto.quality"),
        ({"routes": {"auto": {"targets": [{"model": "demo/echo", "tags": ["a b"]}]}}}, "tags"),
    ],
)
def test_what_makes_no_sense_is_said(tree: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build({"providers": {}, **tree}, environ={"HOME": "/nowhere"})


def test_where_nothing_is_good_enough_the_start_says_so() -> None:
    setup = build({"providers": {}, "routes": {"auto": {"quality": "large"}}}, environ={"HOME": "/nowhere"})
    with pytest.raises(ConfigError, match="no configured provider offers a model of at least 'large' quality"):
        compile_setup(setup, price_book({}), now_s=0)
