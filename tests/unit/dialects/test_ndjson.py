"""Newline-delimited JSON, split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.base import Malformed
from headgate.dialects.ndjson import LineSplitter, line

WIRE = b'{"a":1}\n\r\n{"b":"\xe2\x82\xac"}\r\n  \n {"c":3}'
LINES = [b'{"a":1}', '{"b":"€"}'.encode(), b'{"c":3}']


def split(*pieces: bytes) -> list[bytes]:
    splitter = LineSplitter()
    lines = [found for piece in pieces for found in splitter.feed(piece)]
    return lines + splitter.close()


def test_a_cut_anywhere_changes_nothing() -> None:
    for cut in range(len(WIRE) + 1):
        assert split(WIRE[:cut], WIRE[cut:]) == LINES, cut


@given(st.lists(st.binary()))
def test_any_bytes_are_lines_without_line_feeds(pieces: list[bytes]) -> None:
    lines = split(*pieces)

    assert lines == split(b"".join(pieces))
    assert not any(b"\n" in found or not found.strip() for found in lines)


def test_an_endless_line_is_refused() -> None:
    splitter = LineSplitter(8)
    assert splitter.feed(b"12345678\n1234") == [b"12345678"]
    with pytest.raises(Malformed, match="limit of 8 bytes"):
        splitter.feed(b"56789")


def test_a_line_is_one_line() -> None:
    assert line(b'{\r\n"a":1}') == b'{"a":1}\n'
    assert line(b"{}") == b"{}\n"
