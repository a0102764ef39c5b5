"""An operator's prices: read exactly, refused by name."""

from typing import Any

import pytest

from headgate.app.config import build
from headgate.app.config_prices import own_prices, unpriced
from headgate.core.problems import ConfigError
from headgate.ledger.prices import Fees, OwnPrices, Price, Rates, Tier
from headgate.policies.metering import CEILING_FEES, Unpriced
from headgate.providers.spec import packaged


def setup(prices: Any = None, **top: Any) -> Any:
    entry = {"api_key": "none", **({} if prices is None else {"prices": prices})}
    return build({"providers": {"gemini": entry}, **top}, environ={"HOME": "/nowhere"})


@pytest.mark.parametrize(
    ("told", "price"),
    [
        ({"input": "0.15", "output": "0.60"}, Price(Rates(150_000, 600_000))),
        ({"input": 0.15, "output": 3}, Price(Rates(150_000, 3_000_000))),
        ({"input": 0, "output": "0"}, Price(Rates(0, 0))),
        ({"input": "0.000001", "output": 1e6}, Price(Rates(1, 10**12))),
        (
            {
                "input": 1,
                "output": 2,
                "cached": 3,
                "cache_write": 4,
                "cache_write_1h": 5,
                "reasoning": 6,
                "audio_input": 7,
                "audio_output": 8,
                "image_input": 9,
                "image_output": 10,
                "request": "0.01",
                "web_search": "0.000001",
                "tiers": [{"above": 200_000, "input": 2, "output": 4}],
            },
            Price(
                Rates(*(count * 1_000_000 for count in range(1, 11))),
                (Tier(200_000, Rates(2_000_000, 4_000_000)),),
                request=10_000_000,
                search=1000,
            ),
        ),
        (
            {"input": 1, "output": 2, "audio_hour": "0.36"},
            Price(Rates(1_000_000, 2_000_000), fees=Fees(audio_hour=360_000_000)),
        ),
        (
            {"characters": 15, "audio_hour": 1, "image": "0.04", "search": "0.002"},
            Price(Rates(), fees=Fees(15_000_000, 10**9, 40_000_000, 2_000_000)),
        ),
        ({"image": 0}, Price(Rates(), fees=Fees(image=0))),
    ],
)
def test_prices_are_read_exactly(told: dict[str, Any], price: Price):
    config = setup({"Gemini-2.5-Pro": told}).config
    assert own_prices(config.providers, packaged()) == {
        "own:gemini": OwnPrices({"gemini-2.5-pro": price}, base="google")
    }


def test_a_provider_without_prices_has_the_price_books():
    made = setup()
    assert own_prices(made.config.providers, packaged()) == {}
    assert made.providers[0].prices == ""


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        ({"m": {"input": 1}}, "$.providers.gemini.prices.m: needs both input and output; write 0 for what is free"),
        ({"m": {"input": 1, "image": 1}}, "$.providers.gemini.prices.m: needs both input and output"),
        ({"m": {"input": "0.0000001", "output": 1}}, "m.input: may have six decimals at most, not '0.0000001'"),
        ({"m": {"input": -1, "output": 1}}, "m.input: must be from 0 to 1000000 USD, not -1"),
        ({"m": {"input": "cheap", "output": 1}}, "m.input: must be an amount in USD such as 0.15, not 'cheap'"),
        ({"m": {"input": "nan", "output": 1}}, "m.input: must be an amount in USD such as 0.15, not 'nan'"),
        ({"m": {"input": "inf", "output": 1}}, "m.input: must be an amount in USD such as 0.15, not 'inf'"),
        ({"m": {"input": True, "output": 1}}, "m.input: must be an amount in USD such as 0.15"),
        ({"m": {"inptu": 1}}, "is not a setting; did you mean input?"),
        (
            {"m": {"input": 1, "output": 1, "tiers": [{"above": 2, "input": 1, "output": 1}] * 2}},
            "m: must have its tiers by above, rising",
        ),
        (
            {"m": {"input": 1, "output": 1, "tiers": [{"above": 2, "input": 1}]}},
            "m: needs both input and output; write 0 for what is free",
        ),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(prices: Any, told: str):
    with pytest.raises(ConfigError) as caught:
        setup(prices)
    assert told in str(caught.value)


def test_what_has_no_price_is_held_at_a_ceiling_by_default():
    assert unpriced(setup().config.prices) == Unpriced(
        "ceiling", Price(Rates(15_000_000, 75_000_000), search=35_000_000, fees=CEILING_FEES)
    )


def test_the_ceiling_can_be_set():
    told = {"unpriced": "refuse", "ceiling": {"input": 1, "output": 2}}
    config = build({"prices": told}, environ={"HOME": "/nowhere"}).config
    assert unpriced(config.prices) == Unpriced(
        "refuse", Price(Rates(1_000_000, 2_000_000), search=35_000_000, fees=CEILING_FEES)
    )


def test_a_ceiling_needs_both_sides():
    with pytest.raises(ConfigError, match=r"\$\.prices\.ceiling: needs both input and output"):
        build({"prices": {"ceiling": {"input": 1}}}, environ={"HOME": "/nowhere"})
