"""Points in time and pictures, as the wire has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.ollama.wire import media_type_of, seconds_of, time_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-5, "1970-01-01T00:00:00Z"),
    ],
)
def test_seconds_are_told_as_a_date(seconds: int, text: str) -> None:
    assert time_of(seconds) == text


@given(st.integers())
def test_any_number_is_some_date(seconds: int) -> None:
    assert seconds_of(time_of(seconds)) >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_a_date_is_told_as_seconds(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


def test_a_picture_is_known_by_its_beginning() -> None:
    kinds = [media_type_of(data) for data in ("iVBORw0KGgo", "R0lGODlh", "UklGRg", "/9j/4AAQ", "")]

    assert kinds == ["image/png", "image/gif", "image/webp", "image/jpeg", "image/jpeg"]
