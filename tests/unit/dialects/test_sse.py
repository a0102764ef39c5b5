"""Server-sent events, split."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.base import Malformed
from headgate.dialects.sse import ServerSentEvent, Splitter, event

WIRE = (
    b": a comment\n\n"
    b"data: one\n\n"
    b"event: named\ndata: two\n\n"
    b"data:three\ndata: more\nid: 7\nretry: 1\n\n"
    b"event: empty\n\n"
    b"\n\n\n"
    b"data: \xe2\x82\xac\n\n"
)
EVENTS = [
    ServerSentEvent("", b"one"),
    ServerSentEvent("named", b"two"),
    ServerSentEvent("", b"three\nmore"),
    ServerSentEvent("", "€".encode()),
]


def split(*pieces: bytes) -> list[ServerSentEvent]:
    splitter = Splitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events + splitter.close()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_cut_anywhere_changes_nothing(line_end: bytes) -> None:
    wire = WIRE.replace(b"\n", line_end)
    for cut in range(len(wire) + 1):
        assert split(wire[:cut], wire[cut:]) == EVENTS, cut


@given(st.lists(st.integers(min_value=0, max_value=len(WIRE)), max_size=8))
def test_many_cuts_change_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(WIRE)]
    assert split(*(WIRE[start:end] for start, end in itertools.pairwise(places))) == EVENTS


def test_an_event_comes_as_soon_as_its_blank_line_does() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: one\n") == []
    assert splitter.feed(b"\ndata: tw") == [ServerSentEvent("", b"one")]
    assert splitter.feed(b"o\n\n") == [ServerSentEvent("", b"two")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
def test_the_last_event_may_lack_its_blank_line(end: bytes) -> None:
    assert split(b"data: last" + end) == [ServerSentEvent("", b"last")]


def test_one_space_after_the_colon_is_not_data() -> None:
    assert split(b"data:  two\ndata:\n\n") == [ServerSentEvent("", b" two\n")]


def test_an_event_over_the_limit_is_refused() -> None:
    splitter = Splitter(event_bytes_max=100)
    assert splitter.feed(b"data: " + b"x" * 94) == []
    with pytest.raises(Malformed, match="over the limit of 100 bytes"):
        splitter.feed(b"x")


def test_bare_data_count_where_a_host_writes_them() -> None:
    splitter = Splitter(bare=b"{")
    assert splitter.feed(b'{"error": 1}\n\ndata: {}\n\n') == [
        ServerSentEvent("", b'{"error": 1}'),
        ServerSentEvent("", b"{}"),
    ]


def test_what_is_written_is_read_again() -> None:
    assert split(event(b'{"a":1}') + event(b"{}", "ping")) == [
        ServerSentEvent("", b'{"a":1}'),
        ServerSentEvent("ping", b"{}"),
    ]


def test_line_breaks_between_tokens_are_taken_out() -> None:
    assert event(b'{\r\n"a": 1\n}') == b'data: {"a": 1}\n\n'


@given(st.binary())
def test_any_bytes_are_split_without_a_fault(wire: bytes) -> None:
    assert all(isinstance(event.data, bytes) for event in split(wire))
