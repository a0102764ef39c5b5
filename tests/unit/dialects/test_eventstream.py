"""AWS's event stream, split and written; against botocore's own reader where it must agree."""

import itertools
import struct
import zlib
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.base import Malformed
from headgate.dialects.eventstream import (
    HEADERS_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    Message,
    Splitter,
    event,
    exception,
    render,
)


def sealed(headers: bytes, payload: bytes = b"", size: int | None = None) -> bytes:
    """A frame made by hand, its checksums right whatever it says."""
    size = len(headers) + len(payload) + 16 if size is None else size
    prelude = struct.pack(">II", size, len(headers))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return frame + struct.pack(">I", zlib.crc32(frame))


def split(*pieces: bytes) -> list[Message]:
    splitter = Splitter()
    return [message for piece in pieces for message in splitter.feed(piece)]


EMPTY = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")
"""The empty message, in full: the specification's smallest frame."""

EVERY_TYPE = sealed(
    b"\x01a\x00"
    b"\x01b\x01"
    b"\x01c\x02\xff"
    b"\x01d\x03\xff\xfe"
    b"\x01e\x04\xff\xff\xff\xfd"
    b"\x01f\x05\xff\xff\xff\xff\xff\xff\xff\xfc"
    b"\x01g\x06\x00\x02\x00\x01"
    b"\x01h\x07\x00\x03\xe2\x82\xac"
    b"\x01i\x08\x00\x00\x00\x00\x00\x00\x00\x07" + b"\x01j\x09" + bytes(range(16)),
    b"payload",
)


def test_the_smallest_message():
    assert split(EMPTY) == [Message()]


def test_headers_of_every_type():
    assert split(EVERY_TYPE) == [
        Message(
            b"payload",
            {
                "a": True,
                "b": False,
                "c": -1,
                "d": -2,
                "e": -3,
                "f": -4,
                "g": b"\x00\x01",
                "h": "€",
                "i": 7,
                "j": bytes(range(16)),
            },
        )
    ]


def test_a_header_is_read_as_text_only_when_it_is_one():
    message = Message(headers={":event-type": "chunk", "n": 1})
    assert [message.text(":event-type"), message.text("n"), message.text("none")] == ["chunk", "", ""]


WIRE = EMPTY + EVERY_TYPE + event("chunk", b'{"a":1}') + exception("throttlingException", b"{}") + EMPTY


def test_a_cut_anywhere_changes_nothing():
    whole = split(WIRE)
    assert [split(WIRE[:cut], WIRE[cut:]) for cut in range(len(WIRE))] == [whole] * len(WIRE)


def test_one_byte_at_a_time_changes_nothing():
    assert split(*(WIRE[at : at + 1] for at in range(len(WIRE)))) == split(WIRE)


def test_many_kinds_of_headers_are_read_again_and_again():
    messages = [Message(b"x", {"kind": number}) for number in range(40)] + [Message(b"y", {"long": "z" * 600})]
    assert split(b"".join(map(render, messages)) * 2) == messages * 2


def test_events_and_exceptions_say_what_they_are():
    assert split(event("chunk", b"{}"), exception("validationException", b"[]")) == [
        Message(b"{}", {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}),
        Message(
            b"[]",
            {
                ":exception-type": "validationException",
                ":content-type": "application/json",
                ":message-type": "exception",
            },
        ),
    ]


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b'{"message": "no stream"}', "no event stream"),
        (EMPTY[:8] + b"\0\0\0\0" + EMPTY[12:], "no event stream"),
        (EMPTY[:-1] + b"\0", "damaged: its checksum"),
        (sealed(b"\x01a"), "cut off or there twice"),
        (sealed(b"\x05a"), "cut off or there twice"),
        (sealed(b"\x01a\x00\x01a\x01"), "cut off or there twice"),
        (sealed(b"\x01a\x0a"), "headers are damaged"),
        (sealed(b"\x01a\x05\x00"), "headers are damaged"),
        (sealed(b"\x01a\x06\x00"), "headers are damaged"),
        (sealed(b"\x01a\x07\x00\x01\xff"), "headers are damaged"),
        (sealed(b"\x01\xff\x00"), "headers are damaged"),
        (sealed(b"\x01a\x07\x00\x09b"), "headers are cut off"),
        (sealed(b"\x01a\x09b"), "headers are cut off"),
        (sealed(b"\x01a\x00", size=18), "cannot hold 3 bytes of headers"),
        (sealed(b"", size=PAYLOAD_BYTES_MAX + 17), "payload is over the limit"),
        (
            (lengths := struct.pack(">II", 0xFFFFFFFF, HEADERS_BYTES_MAX + 1)) + struct.pack(">I", zlib.crc32(lengths)),
            "headers are over the limit",
        ),
    ],
)
def test_damage_is_malformed(wire: bytes, words: str):
    with pytest.raises(Malformed, match=words):
        split(wire)


NAMES = st.text(min_size=1, max_size=20)
VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40) | st.text(max_size=40)
MESSAGES = st.builds(Message, st.binary(max_size=200), st.dictionaries(NAMES, VALUES, max_size=6))


def theirs(wire: bytes, cuts: list[int]) -> list[tuple[bytes, dict[str, Any]]]:
    """What botocore reads."""
    buffer = EventStreamBuffer()
    edges = [0, *cuts, len(wire)]
    found: list[tuple[bytes, dict[str, Any]]] = []
    for start, end in itertools.pairwise(edges):
        buffer.add_data(wire[start:end])
        found += [(message.payload, message.headers) for message in buffer]
    return found


@given(st.lists(MESSAGES, max_size=5), st.data())
def test_botocore_reads_the_same(messages: list[Message], data: st.DataObject):
    wire = b"".join(map(render, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    ours = split(*(wire[start:end] for start, end in itertools.pairwise([0, *cuts, len(wire)])))
    assert ours == messages
    assert theirs(wire, cuts) == [(message.payload, dict(message.headers)) for message in messages]


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.data())
def test_botocore_finds_the_same_damage(messages: list[Message], data: st.DataObject):
    wire = bytearray(b"".join(map(render, messages)))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        expected = theirs(bytes(wire), [])
    except Exception:
        expected = None
    try:
        ours = [(message.payload, dict(message.headers)) for message in split(bytes(wire))]
    except Malformed:
        ours = None
    assert ours == expected


@given(st.binary(max_size=200))
def test_headers_are_read_as_botocore_reads_them(block: bytes):
    wire = sealed(block)
    try:
        expected = theirs(wire, [])
    except Exception:
        expected = None
    try:
        ours = [(message.payload, dict(message.headers)) for message in split(wire)]
    except Malformed:
        ours = None
    assert ours == expected
