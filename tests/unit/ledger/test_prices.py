"""The price book: figures as the providers publish them, under every name their models go by."""

import json
from datetime import UTC, datetime
from importlib import resources

import pytest

from headgate.ledger.prices import Fees, OwnPrices, Price, PriceBook, Rates, Tier

BOOK = PriceBook()


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        # https://openai.com/api/pricing, USD 2.50 / 1.25 / 10.00 per million (2026-11)
        ("openai", "gpt-4o", Rates(input=2_500_000, output=10_000_000, cached=1_250_000)),
        ("openai", "gpt-4o-2024-08-06", Rates(input=2_500_000, output=10_000_000, cached=1_250_000)),
        ("openai", "gpt-4o-mini-2024-07-18", Rates(input=150_000, output=600_000, cached=75_000)),
        ("openai", "text-embedding-3-small", Rates(input=20_000)),
        (
            # https://docs.anthropic.com/en/docs/about-claude/pricing (2026-11)
            "anthropic",
            "claude-haiku-4-5-20251001",
            Rates(input=1_000_000, output=5_000_000, cached=100_000, write=1_250_000, write_1h=2_000_000),
        ),
        (
            "anthropic",
            "claude-sonnet-4-5-20250929",
            Rates(input=3_000_000, output=15_000_000, cached=300_000, write=3_750_000, write_1h=6_000_000),
        ),
        # https://ai.google.dev/gemini-api/docs/pricing (2026-11)
        (
            "google",
            "gemini-2.5-flash",
            Rates(input=300_000, output=2_500_000, cached=30_000, audio_input=1_000_000, cached_audio=100_000),
        ),
        ("demo", "echo", Rates(input=1_000_000, output=2_000_000, cached=100_000)),
        ("demo", "lorem@50ms", Rates(input=1_000_000, output=2_000_000, cached=100_000)),
        ("openrouter", "openai/gpt-oss-20b:free", Rates(input=0, output=0)),
    ],
)
def test_models_are_found_under_their_names(provider: str, model: str, expected: Rates):
    price = BOOK.find(provider, model)

    assert price is not None
    assert price.rates == expected


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "no-such-model"), ("openai", "claude-sonnet-4-5"), ("nobody", "gpt-4o"), ("openai", "")],
)
def test_what_is_not_known_has_no_price(provider: str, model: str):
    assert BOOK.find(provider, model) is None


def test_names_are_found_in_any_case_and_with_compact_dates():
    assert BOOK.find("openai", "GPT-4o") == BOOK.find("openai", "gpt-4o-20240806") == BOOK.find("openai", "gpt-4o")


def test_a_service_that_offers_models_of_another_has_their_prices():
    assert BOOK.find("azure", "claude-sonnet-4-5") == BOOK.find("anthropic", "claude-sonnet-4-5")


def test_a_long_prompt_has_its_own_rates():
    price = BOOK.find("google", "gemini-2.5-pro")

    assert price is not None
    assert price.rates_for(200_000).input == 1_250_000
    assert price.rates_for(200_001).input == 2_500_000


def test_the_last_tier_that_is_passed_holds():
    price = Price(Rates(1, 1), tiers=(Tier(10, Rates(2, 2)), Tier(20, Rates(3, 3))))

    assert [price.rates_for(tokens).input for tokens in (0, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("hour", "minute", "rate"),
    [(0, 59, 150_000), (1, 0, 300_000), (3, 59, 300_000), (4, 0, 150_000), (6, 0, 300_000), (23, 59, 150_000)],
)
def test_a_price_may_depend_on_the_hour(hour: int, minute: int, rate: int):
    at = datetime(2026, 11, 22, hour, minute, tzinfo=UTC).timestamp()

    price = PriceBook(clock=lambda: at).find("deepseek", "deepseek-v4-flash")

    assert price is not None
    assert price.rates.input == rate


def test_a_price_may_begin_on_a_day():
    now = [datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp()]
    book = PriceBook(clock=lambda: now[0])

    before = book.find("google", "gemini-4-argon")
    now[0] += 60
    after = book.find("google", "gemini-4-argon")

    assert before is not None
    assert after is not None
    assert before != after


def test_models_are_listed_with_their_prices():
    by_id = dict(BOOK.models("openai"))

    assert len(by_id) > 50
    assert by_id["gpt-4o"] == BOOK.find("openai", "gpt-4o")
    assert BOOK.models("nobody") == []


def test_a_price_is_shown_per_token():
    price = BOOK.find("openai", "gpt-4o")

    assert price is not None
    assert price.shown() == {
        "prompt": "0.0000025",
        "completion": "0.00001",
        "input_cache_read": "0.00000125",
        "web_search": "0.01",
    }


def test_tiers_are_shown_in_the_same_words():
    price = Price(Rates(1_000_000, 2_000_000), (Tier(200_000, Rates(2_000_000, 3_000_000)),))
    assert price.shown_tiers() == [{"min_prompt_tokens": 200_000, "prompt": "0.000002", "completion": "0.000003"}]


def test_a_model_sold_by_other_units_is_listed_without_a_price():
    assert dict(BOOK.models("mistral"))["mistral-ocr-2503"] is None


def test_every_row_can_be_read_and_is_sound():
    for provider in BOOK.providers:
        for id, price in BOOK.models(provider):
            assert id
            for rates in (price.rates, *(tier.rates for tier in price.tiers)) if price else ():
                amounts = [getattr(rates, name) for name in Rates.__struct_fields__]
                assert all(amount is None or 0 <= amount < 10**10 for amount in amounts), (provider, id)


def test_what_the_price_table_lacks_is_taken_from_the_list():
    prices = [BOOK.find(name, "qwen3-max") for name in ("alibaba", "dashscope")]

    assert prices[0] is not None
    assert prices[0].rates.input
    assert prices[1] == prices[0]
    assert BOOK.find("alibaba", "no-such-model") is None


def test_every_listed_price_is_exact_and_not_all_free():
    listed = json.loads((resources.files("headgate.ledger") / "listed.json").read_bytes())["providers"]

    for provider, rows in listed.items():
        assert rows["models"], provider
        for upstream, _, _, (test, name), ((price,),) in rows["models"]:
            assert (test, name) == ("=", upstream.lower())
            for rates in (price[0], *(rates for _, rates in (price[1] if len(price) > 1 else ()))):
                assert all(rate is None or (isinstance(rate, int) and rate >= 0) for rate in rates), upstream
                assert any(rates), upstream


def test_an_operators_own_price_comes_first():
    book = PriceBook(
        own={"own:lab": OwnPrices({"gpt-4o": Price(Rates(1, 2)), "gpt-4": Price(Rates(0, 0))}, base="openai")}
    )
    found = [book.find("own:lab", name) for name in ("GPT-4o", "gpt-4", "gpt-4.1", "nothing-known")]
    assert found == [Price(Rates(1, 2)), Price(Rates(0, 0)), BOOK.find("openai", "gpt-4.1"), None]


def test_a_star_is_the_price_of_all_others():
    book = PriceBook(own={"own:lab": OwnPrices({"*": Price(Rates(0, 0))})})
    assert book.find("own:lab", "anything") == Price(Rates(0, 0))


def test_the_edition_is_named():
    assert BOOK.version.startswith("genai-prices ")
    assert "models.dev " in BOOK.version


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("openai", "whisper-1", Price(Rates(), fees=Fees(audio_hour=360_000_000))),
        ("openai", "tts-1-hd", Price(Rates(), fees=Fees(character=30_000_000))),
        ("openai", "omni-moderation-latest", Price(Rates(input=0, output=0))),
        (
            "groq",
            "whisper-large-v3-turbo",
            Price(
                Rates(),
                tiers_of_service={"batch": Price(Rates(), fees=Fees(audio_hour=20_000_000))},
                fees=Fees(audio_hour=40_000_000),
            ),
        ),
        ("cohere", "rerank-v3.5", Price(Rates(), fees=Fees(search=2_000_000))),
    ],
)
def test_what_is_not_sold_by_the_token(provider: str, model: str, price: Price):
    assert PriceBook().find(provider, model) == price


def test_the_prices_of_what_is_no_tokens_are_shown():
    fees = Fees(image=40_000_000, character=15_000_000, audio_hour=111_000_000, search=2_000_000)
    assert Price(Rates(), fees=fees).shown() == {
        "image": "0.04",
        "character": "0.000015",
        "audio_hour": "0.111",
        "search_query": "0.002",
    }


def test_every_model_of_xai_searches_the_web_at_the_same_fee():
    for model in ("grok-4.3", "grok-4-fast-reasoning"):
        price = BOOK.find("x-ai", model)
        assert price is not None
        assert [each.search for each in (price, *price.tiers_of_service.values())] == [5_000_000] * (
            1 + len(price.tiers_of_service)
        )
    openai = BOOK.find("openai", "gpt-4o")
    assert openai is not None
    assert openai.search == 10_000_000
