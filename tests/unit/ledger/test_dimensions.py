"""Every dimension that is billed, by hand: what a call used of a known model, and what that comes to, in USD.

The rates are those of the edition that is packaged; the sums were worked out beside it, digit by digit.
"""

from decimal import Decimal
from typing import Any

import pytest

from headgate.core.usage import Measures, Usage
from headgate.ledger.meter import cost, total
from headgate.ledger.prices import PriceBook

BOOK = PriceBook(clock=lambda: 1_796_000_000.0)
MILLION = 1_000_000


def used(**counts: Any) -> Usage:
    return Usage(**counts)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "usd"),
    [
        # input 1.25, output 10 per million
        ("openai", "gpt-5", used(input_tokens=1000, output_tokens=100), "0.00225"),
        # of 1000 in, 400 from the cache at 0.125
        ("openai", "gpt-5", used(input_tokens=1000, cached_tokens=400, output_tokens=100), "0.0018"),
        # reasoning is output where it has no rate of its own
        ("openai", "gpt-5", used(input_tokens=1000, output_tokens=100, reasoning_tokens=60), "0.00225"),
        # … and 3 per million where it has: 40 of 8, 60 of 3, 1000 of 2
        (
            "openrouter",
            "perplexity/sonar-deep-research",
            used(input_tokens=1000, output_tokens=100, reasoning_tokens=60),
            "0.0025",
        ),
        # half price in a batch and by flex, twice by priority
        ("openai", "gpt-5", used(input_tokens=1000, output_tokens=100, tier="batch"), "0.001125"),
        ("openai", "gpt-5", used(input_tokens=1000, output_tokens=100, tier="flex"), "0.001125"),
        ("openai", "gpt-5", used(input_tokens=1000, output_tokens=100, tier="priority"), "0.0045"),
        # up to 200,000 tokens of input 1.25 and 10, beyond it 2.50 and 15 for all of them
        ("google", "gemini-2.5-pro", used(input_tokens=200_000, output_tokens=1000), "0.26"),
        ("google", "gemini-2.5-pro", used(input_tokens=200_001, output_tokens=1000), "0.5150025"),
        ("google", "gemini-2.5-pro", used(input_tokens=200_001, output_tokens=1000, tier="batch"), "0.25750125"),
        # cache: read 0.30, written 3.75 for five minutes and 6 for an hour, plain 3; 1000 + 2000 + 3000 + 4000
        (
            "anthropic",
            "claude-sonnet-4-5",
            used(input_tokens=10_000, cached_tokens=1000, cache_write_tokens=5000, cache_write_1h_tokens=3000),
            "0.0378",
        ),
        # a thousand web searches are 10
        ("anthropic", "claude-sonnet-4-5", used(input_tokens=1000, output_tokens=0, web_searches=3), "0.033"),
        # sound: in 1, of which from the cache 0.10; text 0.30
        (
            "google",
            "gemini-2.5-flash",
            used(input_tokens=1000, input_audio_tokens=600, cached_tokens=100, cached_audio_tokens=100),
            "0.00063",
        ),
        # live: text 4 and 16, sound 32 and 64, pictures 5
        (
            "openai",
            "gpt-realtime",
            used(
                input_tokens=1000,
                input_audio_tokens=500,
                input_image_tokens=200,
                output_tokens=100,
                output_audio_tokens=80,
            ),
            "0.02364",
        ),
        # pictures made: 30 per million tokens of picture, text 2.50
        (
            "google",
            "gemini-2.5-flash-image",
            used(input_tokens=1000, output_tokens=1300, output_image_tokens=1290),
            "0.039025",
        ),
        # twelve for a thousand requests, besides 1 and 1 per million
        ("perplexity", "sonar", used(input_tokens=1000, output_tokens=1000), "0.014"),
        # by the hour of sound, also in a batch; by the character; by the search
        ("openai", "whisper-1", used(measures=Measures(audio_ms=90_000)), "0.009"),
        ("groq", "whisper-large-v3", used(measures=Measures(audio_ms=3_600_000)), "0.111"),
        ("groq", "whisper-large-v3", used(measures=Measures(audio_ms=3_600_000), tier="batch"), "0.0555"),
        ("mistral", "voxtral-mini-2602", used(measures=Measures(audio_ms=60_000)), "0.003"),
        ("openai", "tts-1", used(measures=Measures(characters=1000)), "0.015"),
        ("openai", "tts-1-hd", used(measures=Measures(characters=1000)), "0.03"),
        ("groq", "canopylabs/orpheus-v1-english", used(measures=Measures(characters=1000)), "0.022"),
        ("cohere", "rerank-v3.5", used(measures=Measures(searches=3)), "0.006"),
        ("cohere", "rerank-v4.0-pro", used(measures=Measures(searches=2)), "0.005"),
        ("openai", "omni-moderation-latest", used(input_tokens=500), "0"),
    ],
    ids=str,
)
def test_what_it_comes_to(provider: str, model: str, usage: Usage, usd: str):
    price = BOOK.find(provider, model)
    assert price is not None
    bill = cost(price, usage)

    assert (Decimal(bill.nano_usd) / 10**9, bill.unpriced) == (Decimal(usd), ())
    assert total(price, usage) == (bill.nano_usd, True)


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "whisper-1", used(input_tokens=1000, output_tokens=100)),
        ("openai", "dall-e-3", used(measures=Measures(images=1))),
        ("cohere", "rerank-v9", used(measures=Measures(searches=1))),
        ("google", "gemini-2.5-pro", used(input_tokens=1000, tier="priority")),
    ],
)
def test_what_no_source_has_a_price_for_is_never_free(provider: str, model: str, usage: Usage):
    price = BOOK.find(provider, model)

    assert price is None or cost(price, usage).unpriced
