"""Costs: hand-computed figures, and what must hold for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.usage import Measures, ServiceTier, Usage
from headgate.ledger.meter import Cost, CostItem, Total, cost, nano_usd, total
from headgate.ledger.prices import Fees, Price, Rates, Tier

OPENAI = Price(Rates(input=2_500_000, output=10_000_000, cached=1_250_000))
CLAUDE = Price(
    Rates(input=3_000_000, output=15_000_000, cached=300_000, write=3_750_000, write_1h=6_000_000),
    tiers=(Tier(200_000, Rates(6_000_000, 22_500_000, 600_000, 7_500_000, 12_000_000)),),
    search=10_000_000,
)
AUDIO = Price(Rates(input=300_000, output=2_500_000, cached=30_000, audio_input=1_000_000, audio_output=12_000_000))
LIVE = Price(
    Rates(
        input=4_000_000,
        cached=400_000,
        audio_input=32_000_000,
        image_input=5_000_000,
        cached_audio=500_000,
        cached_image=500_000,
    )
)
SONAR = Price(Rates(input=2_000_000, output=8_000_000, reasoning=3_000_000), request=12_000_000)
CHEAP = Price(Rates(input=37_500, output=150_000))
SPOKEN = Price(Rates(), fees=Fees(character=15_000_000))
HEARD = Price(Rates(), fees=Fees(audio_hour=111_000_000))
DRAWN = Price(Rates(input=1_000_000, output=1_000_000), fees=Fees(image=70_000_000))
RANKED = Price(Rates(), fees=Fees(search=2_000_000), request=5)


@pytest.mark.parametrize(
    ("price", "usage", "expected"),
    [
        (OPENAI, Usage(), Cost(0, ())),
        (
            # 1200 × $2.50/M + 300 × $10/M = $0.003 + $0.003
            OPENAI,
            Usage(input_tokens=1200, output_tokens=300),
            Cost(6_000_000, (CostItem("input", 1200, 3_000_000), CostItem("output", 300, 3_000_000))),
        ),
        (
            # cached tokens are a part of the input: 200 × $2.50/M + 1000 × $1.25/M
            OPENAI,
            Usage(input_tokens=1200, cached_tokens=1000),
            Cost(1_750_000, (CostItem("input", 200, 500_000), CostItem("cached_input", 1000, 1_250_000))),
        ),
        (
            # reasoning is a part of the output and has no rate of its own
            OPENAI,
            Usage(output_tokens=300, reasoning_tokens=250),
            Cost(3_000_000, (CostItem("output", 300, 3_000_000),)),
        ),
        (
            # 1500 plain, 3000 read, 400 written for minutes, 100 for an hour
            CLAUDE,
            Usage(
                input_tokens=5000,
                cached_tokens=3000,
                cache_write_tokens=500,
                cache_write_1h_tokens=100,
                output_tokens=300,
            ),
            Cost(
                12_000_000,
                (
                    CostItem("input", 1500, 4_500_000),
                    CostItem("cached_input", 3000, 900_000),
                    CostItem("cache_write", 400, 1_500_000),
                    CostItem("cache_write_1h", 100, 600_000),
                    CostItem("output", 300, 4_500_000),
                ),
            ),
        ),
        (
            # the tier is chosen by all of the input, cached or not, and holds for the output too
            CLAUDE,
            Usage(input_tokens=200_001, cached_tokens=200_000, output_tokens=1),
            Cost(
                120_028_500,
                (
                    CostItem("input", 1, 6_000),
                    CostItem("cached_input", 200_000, 120_000_000),
                    CostItem("output", 1, 22_500),
                ),
            ),
        ),
        (
            # cached audio is billed as cached, once: 46 text, 40 audio, 64 cached
            AUDIO,
            Usage(input_tokens=150, input_audio_tokens=60, cached_tokens=64, cached_audio_tokens=20),
            Cost(
                13_800 + 1_920 + 40_000,
                (
                    CostItem("input", 46, 13_800),
                    CostItem("cached_input", 64, 1_920),
                    CostItem("input_audio", 40, 40_000),
                ),
            ),
        ),
        (
            # … at a rate of its own where it has one, images too
            LIVE,
            Usage(
                input_tokens=100,
                input_audio_tokens=40,
                input_image_tokens=20,
                cached_tokens=30,
                cached_audio_tokens=10,
                cached_image_tokens=5,
            ),
            Cost(
                100_000 + 6_000 + 5_000 + 2_500 + 960_000 + 75_000,
                (
                    CostItem("input", 25, 100_000),
                    CostItem("cached_input", 15, 6_000),
                    CostItem("cached_audio", 10, 5_000),
                    CostItem("cached_image", 5, 2_500),
                    CostItem("input_audio", 30, 960_000),
                    CostItem("input_image", 15, 75_000),
                ),
            ),
        ),
        (
            # without any rate for the cache, audio from there is audio
            Price(Rates(input=300_000, audio_input=1_000_000)),
            Usage(input_tokens=100, input_audio_tokens=40, cached_tokens=20, cached_audio_tokens=20),
            Cost(58_000, (CostItem("input", 60, 18_000), CostItem("input_audio", 40, 40_000))),
        ),
        (
            CLAUDE,
            Usage(input_tokens=1, web_searches=3),
            Cost(30_003_000, (CostItem("input", 1, 3_000), CostItem("web_search", 3, 30_000_000))),
        ),
        (
            # no rate for cached input: plain input
            CHEAP,
            Usage(input_tokens=1000, cached_tokens=900),
            Cost(37_500, (CostItem("input", 1000, 37_500),)),
        ),
        (
            AUDIO,
            Usage(input_tokens=100, input_audio_tokens=40, output_tokens=50, output_audio_tokens=50),
            Cost(
                658_000,
                (
                    CostItem("input", 60, 18_000),
                    CostItem("input_audio", 40, 40_000),
                    CostItem("output_audio", 50, 600_000),
                ),
            ),
        ),
        (
            SONAR,
            Usage(input_tokens=10, output_tokens=10, reasoning_tokens=4),
            Cost(
                12_080_000,
                (
                    CostItem("input", 10, 20_000),
                    CostItem("output", 6, 48_000),
                    CostItem("reasoning", 4, 12_000),
                    CostItem("request", 1, 12_000_000),
                ),
            ),
        ),
        (
            # 37.5 nano-USD per token: a half is rounded to the even neighbour
            CHEAP,
            Usage(input_tokens=1),
            Cost(38, (CostItem("input", 1, 38),)),
        ),
        (
            # 11 × $15/M characters, whatever the tokens may have been
            SPOKEN,
            Usage(input_tokens=3, output_tokens=16, measures=Measures(characters=11)),
            Cost(165_000, (CostItem("characters", 11, 165_000),)),
        ),
        (
            # 9.5 s × $0.111/h: 292,916.67 nano-USD
            HEARD,
            Usage(measures=Measures(audio_ms=9_500)),
            Cost(292_917, (CostItem("audio_ms", 9_500, 292_917),)),
        ),
        (
            DRAWN,
            Usage(input_tokens=40, measures=Measures(images=3)),
            Cost(210_000_000, (CostItem("images", 3, 210_000_000),)),
        ),
        (
            RANKED,
            Usage(measures=Measures(searches=2)),
            Cost(4_000_005, (CostItem("searches", 2, 4_000_000), CostItem("request", 1, 5))),
        ),
        (
            Price(Rates(input=0, output=0)),
            Usage(measures=Measures(audio_ms=9_500)),
            Cost(0, (CostItem("audio_ms", 9_500, 0),)),
        ),
        (
            # a measure without a fee, beside tokens: the tokens are what is billed
            OPENAI,
            Usage(input_tokens=100, output_tokens=10, measures=Measures(images=1)),
            Cost(350_000, (CostItem("input", 100, 250_000), CostItem("output", 10, 100_000))),
        ),
        (CHEAP, Usage(input_tokens=3), Cost(112, (CostItem("input", 3, 112),))),
        (Price(Rates(input=20_000)), Usage(input_tokens=50), Cost(1000, (CostItem("input", 50, 1000),))),
    ],
)
def test_hand_computed(price: Price, usage: Usage, expected: Cost):
    assert cost(price, usage) == expected


@pytest.mark.parametrize(
    ("price", "usage", "unpriced"),
    [
        (Price(Rates(input=1)), Usage(output_tokens=5), ("output",)),
        (Price(Rates(output=1)), Usage(input_tokens=5, cached_tokens=2), ("input",)),
        (OPENAI, Usage(web_searches=1), ("web_search",)),
        (OPENAI, Usage(measures=Measures(audio_ms=1)), ("audio_ms",)),
        (Price(Rates(input=1)), Usage(measures=Measures(characters=4, searches=1)), ("characters", "searches")),
    ],
)
def test_what_has_no_rate_is_named(price: Price, usage: Usage, unpriced: tuple[str, ...]):
    assert cost(price, usage) == Cost(0, (), unpriced)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (Rates(input=4, write=5), 8),  # twice the input
        (Rates(input=4, write=9), 9),  # but never less than a short-lived write
        (Rates(input=4, write=5, write_1h=7), 7),
        (Rates(input=4), 4),  # writes cost nothing extra there
    ],
)
def test_a_long_lived_write_without_a_rate(rates: Rates, expected: int):
    usage = Usage(input_tokens=1000, cache_write_tokens=1000, cache_write_1h_tokens=1000)

    assert cost(Price(rates), usage).nano_usd == expected


@pytest.mark.parametrize(
    ("pico", "nano"), [(0, 0), (499, 0), (500, 0), (501, 1), (1499, 1), (1500, 2), (2500, 2), (2501, 3)]
)
def test_halves_go_to_the_even_neighbour(pico: int, nano: int):
    assert nano_usd(pico) == nano


COUNTS = st.integers(-5, 10**7)
NAMES = [name for name in Usage.__struct_fields__ if name not in ("is_estimated", "measures", "extras")]
MEASURES = st.none() | st.lists(COUNTS, min_size=4, max_size=4).map(
    lambda counts: Measures(**dict(zip(Measures.__struct_fields__, counts, strict=True)))
)
USAGES = st.builds(
    lambda counts, measures: Usage(**counts, measures=measures),
    st.fixed_dictionaries({name: COUNTS for name in NAMES}),
    MEASURES,
)
RATE = st.none() | st.integers(0, 10**8)
PRICES = st.builds(
    lambda rates, request, search, fees: Price(Rates(*rates), request=request, search=search, fees=fees),
    st.lists(RATE, max_size=10),
    RATE,
    RATE,
    st.none() | st.lists(RATE, max_size=4).map(lambda amounts: Fees(*amounts)),
)


NOT_TOKENS = ("request", "web_search", *Measures.__struct_fields__)


@given(PRICES, USAGES)
def test_the_sum_without_its_items_is_the_same(price: Price, usage: Usage):
    bill = cost(price, usage)
    assert total(price, usage) == Total(bill.nano_usd, not bill.unpriced)


@given(PRICES, st.integers(-5, 10**7), st.integers(-5, 10**6))
def test_the_sum_of_a_plain_call_is_the_same(price: Price, input_tokens: int, output_tokens: int):
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    bill = cost(price, usage)
    assert total(price, usage) == Total(bill.nano_usd, not bill.unpriced)


@given(PRICES, st.integers(-5, 10**7), st.integers(-5, 10**7), st.integers(-5, 10**6), st.integers(0, 10**6))
def test_the_sum_of_a_cached_prompt_and_a_thought_answer_is_the_same(
    price: Price, read: int, cached: int, said: int, thought: int
):
    usage = Usage(input_tokens=read, cached_tokens=cached, output_tokens=said, reasoning_tokens=thought)
    bill = cost(price, usage)
    assert total(price, usage) == Total(bill.nano_usd, not bill.unpriced)


@given(PRICES, USAGES)
def test_the_sum_is_the_items_and_nothing_is_negative(price: Price, usage: Usage):
    bill = cost(price, usage)

    assert bill.nano_usd == sum(item.nano_usd for item in bill.items)
    assert all(item.quantity > 0 and item.nano_usd >= 0 for item in bill.items)
    tokens = sum(item.quantity for item in bill.items if item.name not in NOT_TOKENS)
    assert tokens <= max(usage.input_tokens, 0) + max(usage.output_tokens, 0)


@given(
    st.sampled_from([OPENAI, CLAUDE, AUDIO, SONAR, CHEAP]), USAGES, st.sampled_from(["input_tokens", "output_tokens"])
)
def test_more_tokens_never_cost_less(price: Price, usage: Usage, more: str):
    counts = {name: getattr(usage, name) for name in NAMES}
    larger = Usage(**{**counts, more: counts[more] + 1})

    rounding = 5
    assert cost(price, larger).nano_usd >= cost(price, usage).nano_usd - rounding


TIERED = Price(Rates(1_000_000, 2_000_000), tiers_of_service={"batch": Price(Rates(500_000, 1_000_000))})


@pytest.mark.parametrize(
    ("tier", "nano", "unpriced"), [("", 3000, ()), ("batch", 1500, ()), ("priority", 3000, ("tier priority",))]
)
def test_a_tier_of_service_has_its_own_price(tier: ServiceTier, nano: int, unpriced: tuple[str, ...]):
    bill = cost(TIERED, Usage(input_tokens=1, output_tokens=1, tier=tier))
    assert (bill.nano_usd, bill.unpriced) == (nano, unpriced)
