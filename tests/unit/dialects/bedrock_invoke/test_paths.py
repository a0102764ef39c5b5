"""Places within JSON."""

from typing import Any

import pytest

from headgate.dialects.bedrock_invoke.paths import Path, put_at, take_at, value_at


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [
        ({"a": [{"b": 1}]}, ("a", 0, "b"), 1),
        ({"a": [{"b": 1}]}, ("a", 1, "b"), None),
        ({"a": 1}, ("a", "b"), None),
        ({"a": [1]}, ("a", "b"), None),
    ],
)
def test_reading(document: dict[str, Any], path: Path, value: object):
    assert value_at(document, path) == value


@pytest.mark.parametrize(
    ("document", "path", "after"),
    [
        ({}, ("a", 0, "b"), {"a": [{"b": 7}]}),
        ({"a": [{"b": 1, "c": 2}]}, ("a", 0, "b"), {"a": [{"b": 7, "c": 2}]}),
        ({"a": [1]}, ("a", 0, "b"), {"a": [{"b": 7}]}),
        ({"a": 1}, ("a",), {"a": 7}),
    ],
)
def test_writing(document: dict[str, Any], path: Path, after: dict[str, Any]):
    put_at(document, path, 7)
    assert document == after


@pytest.mark.parametrize(
    ("document", "path", "after"),
    [
        ({"a": {"b": 1}, "c": 2}, ("a", "b"), {"c": 2}),
        ({"a": {"b": 1, "d": 3}}, ("a", "b"), {"a": {"d": 3}}),
        ({"a": 1}, ("a",), {}),
    ],
)
def test_taking(document: dict[str, Any], path: Path, after: dict[str, Any]):
    taken = take_at(document, path)
    assert (taken, document) == (1, after)
