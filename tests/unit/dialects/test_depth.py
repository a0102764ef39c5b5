"""The guard against deep JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import InvalidRequest
from headgate.dialects.depth import DEPTH_MAX, check_depth


def nested(depth: int) -> bytes:
    """An object with arrays in it, `depth` levels in all."""
    many = b"[{}]," * 80
    return b'{"many":[' + many + b'0],"deep":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize("depth", [3, DEPTH_MAX])
def test_up_to_the_limit_a_body_passes(depth: int) -> None:
    check_depth(nested(depth))


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 500, 100_000])
def test_beyond_it_the_body_is_refused(depth: int) -> None:
    with pytest.raises(InvalidRequest, match="nested deeper than 64 levels"):
        check_depth(nested(depth))


def test_objects_count_as_arrays_do() -> None:
    with pytest.raises(InvalidRequest):
        check_depth(b'{"a":' * 65 + b"1" + b"}" * 65)


def test_brackets_that_are_never_closed_count() -> None:
    with pytest.raises(InvalidRequest):
        check_depth(b"[" * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200,
        "{" * 200 + "}" * 100,
        'a quote " and a backslash \\ and ' + "[" * 200,
        "\\" * 7 + '"' + "[" * 200,
        "\n" * 50 + "[" * 200 + "\u001f",
    ],
)
def test_brackets_in_texts_do_not_count(text: str) -> None:
    check_depth(json.dumps({"messages": [{"content": text}, {"content": text + '"'}]}).encode())


def test_a_text_cannot_hide_what_stands_after_it() -> None:
    with pytest.raises(InvalidRequest):
        check_depth(b'{"a":"' + b"]" * 300 + b'","b":' + b"[" * 100 + b"]" * 100 + b"}")


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3))
)
def test_ordinary_json_always_passes(value: object) -> None:
    check_depth(json.dumps([value] * 20).encode())


@given(st.binary())
def test_any_bytes_are_looked_at_without_a_fault(body: bytes) -> None:
    check_depth(body)
