"""Heads seen before: what the parser is spared changes nothing that is served."""

import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.server.answering import Http1Exchange
from headgate.server.heads import KnownHeads, split
from headgate.server.http1 import ClientConnection, Connections
from headgate.server.incoming import Incoming, Reply, RequestHead
from headgate.server.listening import Spawn

GOOD = b"POST /a?b=c HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nx: y\r\n\r\nhello"


class Notes:
    """Writes down what is served."""

    def __init__(self) -> None:
        self.served: list[tuple[str, str, bytes, dict[bytes, bytes], int, bytes]] = []
        self.heads: list[RequestHead] = []

    def greet(self, incoming: Incoming) -> Reply | None:
        incoming.body_bytes_max = 100
        return Reply(401, b"no") if b"refuse" in incoming.headers else None

    def too_large(self, incoming: Incoming) -> Reply:
        return Reply(413, b"large")

    def begin(self, incoming: Incoming, exchange: Http1Exchange, spawn: Spawn) -> bool:
        return False

    async def serve(self, incoming: Incoming, exchange: Http1Exchange) -> None:
        headers = dict(incoming.headers)
        each = incoming.method, incoming.path, incoming.query, headers, incoming.declared_bytes, incoming.body
        self.served.append(each)
        self.heads.append(incoming.head)
        exchange.start(200, b"content-length: 2\r\n")
        exchange.end(b"ok")


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def given_to(shared: Connections, *pieces: bytes) -> tuple[bytes, bool]:
    """What a new connection answers to these reads, and whether it has closed."""
    connection, wire = ClientConnection(shared), Wire()
    connection.connection_made(wire)
    for piece in pieces:
        connection.data_received(piece)
        for _ in range(5):
            await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.sleep(0)
    return wire.written, wire.is_closed


async def met(*pieces: bytes, before: tuple[bytes, ...] = ()) -> tuple[Any, ...]:
    """What comes of these reads, once such heads as those `before` have been seen."""
    listener = Notes()
    async with asyncio.TaskGroup() as group:
        shared = Connections(listener, group.create_task)
        for each in before:
            await given_to(shared, each)
        listener.served.clear()
        answer = await given_to(shared, *pieces)
    return answer, listener.served


def test_a_head_seen_before_is_not_parsed_again():
    async def scene() -> list[RequestHead]:
        listener = Notes()
        async with asyncio.TaskGroup() as group:
            shared = Connections(listener, group.create_task)
            await given_to(shared, GOOD, GOOD.replace(b"5", b"11").replace(b"hello", b"hello world"))
            await given_to(shared, GOOD)
        return listener.heads

    heads = asyncio.run(scene())
    assert len(heads) == 3
    assert heads[0] is heads[1] is heads[2]


def test_a_body_over_the_limit_is_refused_whoever_has_read_its_head():
    long = b"b" * 101
    sent = GOOD.replace(b"5", b"%d" % len(long)).replace(b"hello", long)
    for before in ((), (GOOD,)):
        (answer, _), served = asyncio.run(met(sent, before=before))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert served == []


NAMES = st.sampled_from(b"content-length transfer-encoding expect Connection upgrade refuse X host trailer".split())
VALUES = st.sampled_from([b"5 ", b"", *b"5 05 +5 0x5 6 chunked close keep-alive Upgrade h2c 100-continue".split()])
LINES = st.sampled_from(
    [b"POST /p%20q HTTP/1.1", b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"POST / HTTP/1.0", b"POST x HTTP/1.1"]
)
BODIES = st.sampled_from([b"hello", b"", b"hello!", b"5\r\nhello\r\n0\r\n\r\n", b"helloGET / HTTP/1.1\r\n\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=2))
    body = draw(BODIES)
    if draw(st.integers(0, 3)):
        name = draw(st.sampled_from([b"content-length", b"Content-Length"]))
        fields.insert(draw(st.integers(0, len(fields))), (name, b"%d" % len(body)))
    return draw(LINES) + b"\r\n" + b"".join(b"%b: %b\r\n" % each for each in fields) + b"\r\n" + body


@settings(max_examples=200)
@given(requests(), requests())
def test_what_came_before_changes_nothing(first: bytes, second: bytes):
    async def scene() -> None:
        assert await met(second, before=(first, second)) == await met(second)

    asyncio.run(scene())


@given(st.integers(0, 10**9), st.binary(max_size=20))
def test_only_a_whole_request_alone_is_split(declared: int, body: bytes):
    found = split(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % declared + body)

    assert (found is not None) == (declared == len(body))
    if found is not None:
        key, at = found
        assert (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % declared + body)[at:] == body
        assert str(declared).encode() not in key.removeprefix(b"POST / HTTP/1.1")


FORM = {b"content-type": b"multipart/form-data; boundary=1"}


def test_few_heads_are_kept_and_no_strange_ones():
    heads = KnownHeads()

    def head(headers: Mapping[bytes, bytes]) -> RequestHead:
        return RequestHead("POST", "/", b"", headers)

    for strange in ({b"expect": b"100-continue"}, {b"connection": b"close"}, {b"transfer-encoding": b"x"}, FORM):
        heads.remember(b"strange", head(strange))
    assert heads.find(b"strange") is None
    heads.remember(b"long" * 2000, head({}))
    assert heads.find(b"long" * 2000) is None
    plain = head({b"connection": b"keep-alive"})
    heads.remember(b"plain", plain)
    assert heads.find(b"plain") is plain
    for number in range(600):
        heads.remember(b"%d" % number, head({}))
    assert heads.find(b"plain") is None
    assert heads.find(b"599") is not None
