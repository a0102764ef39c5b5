"""Vectors as JSON, and what is no vector."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.embedding import Other, Tokens, Words
from headgate.core.problems import Unrenderable
from headgate.dialects.base import Malformed
from headgate.dialects.vectors import answer_members, base64_of, text_of, vector_of


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_base64_holds_what_numbers_hold(numbers: list[float]) -> None:
    vector = tuple(numbers)

    assert vector_of(Raw(json.dumps(base64_of(vector)).encode())) == vector


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_are_read_as_they_are(numbers: list[float]) -> None:
    assert vector_of(Raw(json.dumps(numbers).encode())) == tuple(numbers)


@pytest.mark.parametrize("raw", [b'"AAA"', b'"AAA="', b'"\xc3\xa4"', b'["a"]', b"5", b"null", b'{"a":1}'])
def test_what_is_no_vector_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="vector"):
        vector_of(Raw(raw))


def test_infinity_survives_base64() -> None:
    assert vector_of(Raw(json.dumps(base64_of((math.inf, -0.0))).encode())) == (math.inf, -0.0)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"other":1}', b'{"data'])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="data or embeddings"):
        answer_members(body, ("data", "embeddings"))


def test_only_words_are_words() -> None:
    assert text_of(Words(text="hi"), "X") == "hi"
    for entry in (Tokens((1, 2)), Other("images", Raw(b'"x"'))):
        with pytest.raises(Unrenderable, match="X takes texts"):
            text_of(entry, "X")
