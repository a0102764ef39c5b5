"""What a call needs against what a deployment can."""

import pytest

from headgate.core.needs import Ability
from headgate.core.problems import MissingAbility
from headgate.providers.catalog import Deployment
from headgate.providers.models import Facts
from headgate.routing.abilities import Demand, able, demand_of, refusal


def place(name: str, facts: Facts | None) -> Deployment:
    return Deployment(name, "m", (), name, facts)


def facts(can: str = "", cannot: str = "", *, window: int | None = None, limit: int | None = None) -> Facts:
    def words(text: str) -> frozenset[Ability]:
        return frozenset(text.split())  # pyright: ignore[reportReturnType]

    return Facts(context_tokens=window, output_tokens=limit, can=words(can), cannot=words(cannot))


def demand(*abilities: Ability, body_bytes: int = 0, max_tokens: int | None = None) -> Demand:
    return demand_of(frozenset(abilities), body_bytes, max_tokens)


UNKNOWN = place("unknown", None)
SEES = place("sees", facts("image tools"))
BLIND = place("blind", facts("tools", "image"))
SMALL = place("small", facts("tools", window=1000, limit=100))
LARGE = place("large", facts("tools", window=100_000, limit=10_000))


@pytest.mark.parametrize(
    ("deployments", "wanted", "left"),
    [
        ((SEES, BLIND, UNKNOWN), demand(), (SEES, BLIND, UNKNOWN)),
        ((BLIND, SEES, UNKNOWN), demand("image"), (SEES, UNKNOWN)),
        ((BLIND,), demand("image"), ()),
        ((BLIND, SEES), demand("json_schema"), (BLIND, SEES)),
        ((SMALL, LARGE), demand(max_tokens=101), (LARGE,)),
        ((SMALL, LARGE), demand(max_tokens=100), (SMALL, LARGE)),
        ((SMALL, LARGE), demand(body_bytes=8008), (LARGE,)),
        ((SMALL, UNKNOWN, LARGE), demand(body_bytes=8000), (UNKNOWN, LARGE, SMALL)),
        ((SMALL, LARGE), demand(body_bytes=4000), (SMALL, LARGE)),
        ((SMALL, LARGE), demand("image", body_bytes=10**9), (SMALL, LARGE)),
        ((SMALL,), demand(body_bytes=8007), (SMALL,)),
    ],
)
def test_only_those_that_can_are_left(
    deployments: tuple[Deployment, ...], wanted: Demand, left: tuple[Deployment, ...]
):
    assert able(deployments, wanted) == left


@pytest.mark.parametrize(
    ("deployments", "wanted", "told"),
    [
        (
            (BLIND,),
            demand("image", "tools"),
            "The model 'm' cannot take images. Of the models this key may use, these can: a/sees.",
        ),
        (
            (SMALL, UNKNOWN),
            demand(max_tokens=5000, body_bytes=80_000),
            "The model 'm' takes 1000 tokens, and this prompt has 10000 at least and writes 100 tokens at most, and "
            "the call asks for up to 5000. Of the models this key may use, these can: a/large.",
        ),
        (
            (BLIND,),
            demand("audio", "image"),
            "The model 'm' cannot take images. No model that this key may use is known to be able to.",
        ),
    ],
)
def test_a_refusal_says_what_is_missing_and_who_has_it(deployments: tuple[Deployment, ...], wanted: Demand, told: str):
    others = [(f"a/{each.provider}", each.facts) for each in (SEES, BLIND, SMALL, LARGE) if each.facts is not None]

    refused = refusal("m", deployments, wanted, lambda: others)

    assert isinstance(refused, MissingAbility)
    assert str(refused) == told
    assert (refused.problem.http_status, refused.problem.code) == (400, "unsupported_feature")
