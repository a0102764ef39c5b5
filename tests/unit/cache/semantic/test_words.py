"""Words have places, and no sign is lost but plain punctuation."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cache.semantic.words import tidy, words_of


def texts(text: str) -> list[str]:
    return [word.text for word in words_of(tidy(text))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What’s the capital of France?", ["what's", "the", "capital", "of", "france"]),
        ("10km or 3.5 miles, 1,000 times", ["10", "km", "or", "3.5", "miles", "1,000", "times"]),
        ("C++ is not C#", ["c", "+", "+", "is", "not", "c", "#"]),
        ("well-known snake_case", ["well", "known", "snake", "_", "case"]),
        ("is -5 < 5?", ["is", "-", "5", "<", "5"]),
        ("👍👍", ["👍", "👍"]),
        ("重置密码", ["重置密码"]),
        ("... !?", []),
    ],
)
def test_what_is_a_word(text: str, words: list[str]):
    assert texts(text) == words


def test_how_a_word_was_written():
    shapes = [word.shape for word in words_of("I saw NASA and iPhone in Paris 3 %")]
    assert shapes == ["title", "lower", "upper", "lower", "mixed", "lower", "title", "number", "symbol"]


@given(st.text(max_size=60))
def test_every_word_stands_where_it_says(text: str):
    text = tidy(text)
    words = words_of(text)
    assert [text[word.start : word.end].lower() for word in words] == [word.text for word in words]
    assert all(one.end <= other.start for one, other in pairwise(words))
