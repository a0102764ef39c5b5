"""Signatures abroad: each finds its way home."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.request import Signature
from headgate.core.signatures import seal, unseal

DIALECTS = ("anthropic", "cohere", "gemini", "ollama", "openai_chat", "openai_responses")


def test_at_home_a_signature_is_bare() -> None:
    assert seal(Signature("gemini", "abc"), spoken="gemini") == "abc"


def test_abroad_it_says_who_made_it() -> None:
    assert seal(Signature("gemini", "abc"), spoken="anthropic") == "~hg.gemini.abc"


@given(st.sampled_from(DIALECTS), st.sampled_from(DIALECTS), st.text().filter(lambda text: not text.startswith("~hg.")))
def test_what_goes_out_comes_back(minted_by: str, spoken: str, value: str) -> None:
    signature = Signature(minted_by, value)
    assert unseal(seal(signature, spoken=spoken), spoken=spoken) == signature


@pytest.mark.parametrize("text", ["", "plain", "~hg.", "~hg.nodot"])
def test_what_is_not_sealed_is_its_speakers_own(text: str) -> None:
    assert unseal(text, spoken="anthropic") == Signature("anthropic", text)
