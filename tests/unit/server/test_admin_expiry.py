"""When a key ends, as people write it."""

import pytest

from headgate.core.problems import InvalidRequest
from headgate.server.admin.expiry import parse_expiry, shown_time

NOW_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("90m", "2027-01-15T09:30:00Z"),
        ("12h", "2027-01-15T20:00:00Z"),
        ("30d", "2027-02-14T08:00:00Z"),
        ("2w", "2027-01-29T08:00:00Z"),
        (" 2027-02-01 ", "2027-02-01T00:00:00Z"),
        ("2027-02-01T10:00", "2027-02-01T10:00:00Z"),
        ("2027-02-01T10:00+02:00", "2027-02-01T08:00:00Z"),
        ("2027-02-01T10:00:00Z", "2027-02-01T10:00:00Z"),
    ],
)
def test_a_time_is_read(text: str, shown: str) -> None:
    assert shown_time(parse_expiry(text, NOW_US)) == shown


@pytest.mark.parametrize("text", ["", "soon", "30", "30y", "-1d", "2027-13-01", "9999-12-31T00:00-23:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is no time"):
        parse_expiry(text, NOW_US)


@pytest.mark.parametrize("text", ["0d", "2027-01-15", "1999-01-01T00:00Z"])
def test_what_has_passed_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="has passed already"):
        parse_expiry(text, NOW_US)


def test_no_time_is_shown_as_none() -> None:
    assert shown_time(None) is None
