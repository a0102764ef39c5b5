"""Clients' connections: whole requests get through however they come, and nothing takes more than it may."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from headgate.server.answering import Http1Exchange
from headgate.server.http1 import Connections, without_h2c
from headgate.server.incoming import Incoming, Reply
from headgate.server.listening import Bounds, Spawn

QUICK = Bounds(request_s_max=0.1, unread_s_max=0.6, linger_s_max=0.2)
HEAD_BYTES_MAX, HEAD_FIELDS_MAX = QUICK.head_bytes_max, QUICK.head_fields_max
BODY_BYTES_MAX = 200_000


class Echo:
    """Answers with the request's body. A caller with a `stranger` header is looked at for a moment, and refused if
    that says `refuse`; a `refuse` header is refused at once."""

    def __init__(self) -> None:
        self.served: list[tuple[str, str, bytes]] = []
        self.left: list[str] = []

    def greet(self, incoming: Incoming) -> Reply | Coroutine[Any, Any, Reply | None] | None:
        incoming.body_bytes_max = BODY_BYTES_MAX
        if b"refuse" in incoming.headers:
            return REFUSAL
        return self.look(incoming) if b"stranger" in incoming.headers else None

    async def look(self, incoming: Incoming) -> Reply | None:
        await asyncio.sleep(0.03)
        return REFUSAL if incoming.headers[b"stranger"] == b"refuse" else None

    def too_large(self, incoming: Incoming) -> Reply:
        return Reply(413, b"too large")

    def begin(self, incoming: Incoming, exchange: Http1Exchange, spawn: Spawn) -> bool:
        return False

    async def serve(self, incoming: Incoming, exchange: Http1Exchange) -> None:
        self.served.append((incoming.method, incoming.path, incoming.query))
        exchange.start(200, b"content-length: %d\r\n" % len(incoming.body))
        exchange.end(incoming.body)


REFUSAL = Reply(401, b"who are you?")
REFUSED = b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 12\r\n"


class Telling(Echo):
    """Answers with the status that the path is."""

    async def serve(self, incoming: Incoming, exchange: Http1Exchange) -> None:
        exchange.start(int(incoming.path[1:]), b"content-length: 2\r\n")
        exchange.end(b"hm")


class Flood(Echo):
    """Answers with very much."""

    async def serve(self, incoming: Incoming, exchange: Http1Exchange) -> None:
        exchange.start(200, b"")
        for _ in range(1000):
            exchange.write(b"f" * 100_000)
            if exchange.is_congested:
                await exchange.drained()
        exchange.end()


class Streaming(Echo):
    """Answers in pieces, or breaks off where the path says so, or waits for the client to leave."""

    async def serve(self, incoming: Incoming, exchange: Http1Exchange) -> None:
        if incoming.path == "/wait":
            gone = asyncio.Event()
            exchange.on_disconnect(gone.set)
            await gone.wait()
            exchange.start(200, b"")
            exchange.write(b"nobody reads this")
            exchange.end(b"nor this")
            self.left.append(incoming.path)
            return
        exchange.start(200, b"content-type: text/plain\r\n")
        exchange.write(b"one")
        exchange.write(b"")
        exchange.write(b"two")
        if incoming.path != "/break":
            exchange.end(b"three" if incoming.path == "/three" else b"")


@asynccontextmanager
async def connections(listener: Echo | None = None) -> AsyncIterator[tuple[Connections, tuple[str, int]]]:
    """A listener on a port."""
    async with asyncio.TaskGroup() as group:
        made = Connections(listener or Echo(), group.create_task, QUICK)
        server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
        try:
            yield made, server.sockets[0].getsockname()
        finally:
            server.close()
            made.abort()
            await made.close()


@asynccontextmanager
async def connected(listener: Echo | None = None) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a listener."""
    async with connections(listener) as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer_to(*pieces: bytes, gap_s: float = 0.0, listener: Echo | None = None) -> bytes:
    """Everything that comes back before the connection ends, or 0.3 s pass."""
    async with connected(listener) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(gap_s)
        data = b""
        try:
            async with asyncio.timeout(0.3):
                while more := await reader.read(65536):
                    data += more
        except TimeoutError:
            return data + b"<open>"
        except ConnectionResetError:
            pass
        return data


GOOD = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello"
ECHOED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def head(*fields: bytes) -> bytes:
    return b"".join([b"POST / HTTP/1.1\r\nhost: h\r\n", *fields])


def test_a_good_request_in_any_pieces():
    for cut in (1, 10, 20, len(GOOD) - 5, len(GOOD) - 1):
        assert asyncio.run(answer_to(GOOD[:cut], GOOD[cut:], gap_s=0.01)) == ECHOED + b"<open>"


def test_many_requests_in_one_write():
    assert asyncio.run(answer_to(GOOD * 3)) == ECHOED * 3 + b"<open>"


def test_an_offer_of_http2_is_ignored():
    offers = b"connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    whole = head(offers, b"content-length: 5\r\n\r\nhello")
    chunked = head(offers, b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert asyncio.run(answer_to(whole + GOOD)) == ECHOED * 2 + b"<open>"
    assert asyncio.run(answer_to(chunked)) == ECHOED + b"<open>"


def test_h2c_elsewhere_stays():
    for data in (b"POST /h2c HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n\r\nupgrade: h2c\r\n", b"half of a head"):
        assert without_h2c(data) == data


def test_a_long_head_is_refused():
    value = b"x: " + b"v" * HEAD_BYTES_MAX + b"\r\n"
    fields = b"".join(b"x-%d: v\r\n" % number for number in range(HEAD_FIELDS_MAX))
    url = b"POST /" + b"u" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n"
    for sent in (head(value, b"\r\n"), head(value), head(fields, b"\r\n"), url):
        answer = asyncio.run(answer_to(sent))
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"32768 bytes or 100 fields" in answer
        assert b"<open>" not in answer


def test_a_long_body_in_the_read_of_its_head_is_no_long_head():
    body = b"b" * (HEAD_BYTES_MAX + 1)
    answer = asyncio.run(answer_to(head(b"content-length: %d\r\n\r\n" % len(body)) + body))
    assert answer.endswith(body + b"<open>")


def test_a_head_that_does_not_end_is_refused():
    assert asyncio.run(answer_to(head())).startswith(b"HTTP/1.1 408 ")
    assert asyncio.run(answer_to(GOOD, head(), gap_s=0.01)).startswith(ECHOED + b"HTTP/1.1 408 ")


def test_a_body_that_does_not_come_is_refused():
    declared = head(b"content-length: 50000\r\n\r\n")
    assert asyncio.run(answer_to(declared)).startswith(b"HTTP/1.1 408 ")
    assert asyncio.run(answer_to(declared, b"a", b"a", b"a", gap_s=0.05)).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_comes_in_its_own_time_is_read():
    pieces = [b"a" * 20_000] * 6
    declared = head(b"content-length: %d\r\n\r\n" % 120_000)
    assert asyncio.run(answer_to(declared, *pieces, gap_s=0.06)).endswith(b"a" * 120_000 + b"<open>")


def test_silence_after_an_answer_is_no_slow_request():
    async def scene() -> bytes:
        async with connected() as (reader, writer):
            writer.write(GOOD)
            await reader.readexactly(len(ECHOED))
            await asyncio.sleep(0.3)
            writer.write(GOOD)
            return await reader.readexactly(len(ECHOED))

    assert asyncio.run(scene()) == ECHOED


def test_a_client_that_stops_reading_is_cut_off():
    async def scene() -> int:
        async with connected(Flood()) as (reader, writer):
            writer.write(GOOD)
            await asyncio.sleep(1.0)
            read = 0
            with suppress(ConnectionResetError):
                while data := await reader.read(1_000_000):
                    read += len(data)
            return read

    assert 0 < asyncio.run(scene()) < 100_000_000


def test_a_client_that_reads_slowly_is_not():
    async def scene() -> int:
        async with connected(Flood()) as (reader, writer):
            writer.write(GOOD)
            read = 0
            while read < 20_000_000:
                data = await reader.read(1_000_000)
                assert data
                read += len(data)
                await asyncio.sleep(0.005)
            return read

    assert asyncio.run(scene()) >= 20_000_000


# What is asked, and by whom


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (b"GET / HTTP/1.1", ("GET", "/", b"")),
        (b"GET /a%20b/%C3%BC?c=d%20e HTTP/1.1", ("GET", "/a b/ü", b"c=d%20e")),
        (b"GET http://other.example/p?q HTTP/1.1", ("GET", "/p", b"q")),
        (b"OPTIONS * HTTP/1.1", ("OPTIONS", "*", b"")),
    ],
)
def test_the_request_line_is_read(line: bytes, seen: tuple[str, str, bytes]):
    echo = Echo()
    asyncio.run(answer_to(line + b"\r\nhost: h\r\n\r\n", listener=echo))
    assert echo.served == [seen]


def test_a_refusal_leaves_the_connection_open_when_the_request_is_whole():
    refused = head(b"refuse: 1\r\ncontent-length: 5\r\n\r\nhello")
    answer = asyncio.run(answer_to(refused + GOOD))
    assert answer == REFUSED + b"\r\nwho are you?" + ECHOED + b"<open>"


def test_a_refused_request_is_not_read_to_its_end():
    begun = head(b"refuse: 1\r\ncontent-length: 100000\r\n\r\n")
    answer = asyncio.run(answer_to(begun, b"b" * 1000, gap_s=0.01))
    assert answer == REFUSED + b"connection: close\r\n\r\nwho are you?"


@pytest.mark.parametrize("pieces", [(GOOD,), (GOOD[:-2], GOOD[-2:]), (GOOD + GOOD,)])
def test_a_stranger_waits_until_it_is_known(pieces: tuple[bytes, ...]):
    marked = [piece.replace(b"host: h\r\n", b"host: h\r\nstranger: welcome\r\n") for piece in pieces]
    answer = asyncio.run(answer_to(*marked, gap_s=0.01))
    assert answer == ECHOED * sum(piece.count(b"POST") for piece in marked) + b"<open>"


@pytest.mark.parametrize("pieces", [(GOOD,), (GOOD[:-2], GOOD[-2:])])
def test_a_stranger_may_be_refused(pieces: tuple[bytes, ...]):
    marked = [piece.replace(b"host: h\r\n", b"host: h\r\nstranger: refuse\r\n") for piece in pieces]
    assert asyncio.run(answer_to(*marked, gap_s=0.01)).startswith(REFUSED)


def test_a_body_over_the_limit_is_refused_while_it_comes():
    chunk = b"%x\r\n%b\r\n" % (BODY_BYTES_MAX, b"b" * BODY_BYTES_MAX)
    for more in (b"", b"stranger: welcome\r\n"):
        chunked = head(more, b"transfer-encoding: chunked\r\n\r\n") + chunk
        answer = asyncio.run(answer_to(chunked, b"1\r\nb\r\n", gap_s=0.05))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"too large")


@pytest.mark.parametrize("more", [b"", b"stranger: welcome\r\n"])
def test_a_client_that_asks_before_it_sends_is_told_to_go_on(more: bytes):
    asking = head(more, b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    answer = asyncio.run(answer_to(asking, b"hello", gap_s=0.06))
    assert answer == b"HTTP/1.1 100 Continue\r\n\r\n" + ECHOED + b"<open>"


def test_a_client_that_asks_and_is_refused_is_told_so_at_once():
    asking = head(b"refuse: 1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    assert asyncio.run(answer_to(asking)).startswith(REFUSED)


def test_trailers_are_no_header_fields():
    request = head(b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nrefuse: 1\r\n\r\n")
    assert asyncio.run(answer_to(request)) == ECHOED + b"<open>"


# What is answered


STREAMED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


def test_an_answer_without_a_length_comes_in_chunks():
    answer = asyncio.run(answer_to(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", listener=Streaming()))
    assert answer == STREAMED + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n<open>"
    answer = asyncio.run(answer_to(b"GET /three HTTP/1.1\r\nhost: h\r\n\r\n", listener=Streaming()))
    assert answer.endswith(b"3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n<open>")


def test_to_an_old_client_it_ends_with_the_connection():
    answer = asyncio.run(answer_to(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", listener=Streaming()))
    assert answer == STREAMED + b"connection: close\r\n\r\nonetwo"


def test_an_old_client_may_keep_its_connection():
    request = GOOD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"host: h\r\n", b"connection: keep-alive\r\n")
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello<open>"
    assert asyncio.run(answer_to(request)) == answer


def test_a_client_that_wants_to_close_is_let_go():
    request = GOOD.replace(b"host: h\r\n", b"host: h\r\nconnection: close\r\n")
    assert asyncio.run(answer_to(request)) == ECHOED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")


def test_a_head_alone_is_answered_with_a_head_alone():
    answer = asyncio.run(answer_to(GOOD.replace(b"POST", b"HEAD")))
    assert answer == ECHOED.removesuffix(b"hello") + b"<open>"


def test_an_answer_that_breaks_off_does_not_look_whole():
    answer = asyncio.run(answer_to(b"GET /break HTTP/1.1\r\nhost: h\r\n\r\n", listener=Streaming()))
    assert b"0\r\n\r\n" not in answer
    assert b"<open>" not in answer


def test_who_serves_is_told_when_the_client_leaves():
    async def scene() -> list[str]:
        listener = Streaming()
        async with connected(listener) as (_, writer):
            writer.write(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.close()
            await asyncio.sleep(0.05)
            return list(listener.left)

    assert asyncio.run(scene()) == ["/wait"]


def test_an_upgrade_is_answered_as_the_request_it_is_and_no_other_follows():
    asking = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    answer = asyncio.run(answer_to(asking + GOOD))
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Buggy(Echo):
    """Fails where the path says so."""

    def greet(self, incoming: Incoming) -> Reply | Coroutine[Any, Any, Reply | None] | None:
        if incoming.path == "/greet":
            raise KeyError("a bug")
        return self.stumble() if incoming.path == "/wait" else super().greet(incoming)

    async def stumble(self) -> Reply | None:
        raise KeyError("a bug")

    async def serve(self, incoming: Incoming, exchange: Http1Exchange) -> None:
        if incoming.path == "/serve":
            raise KeyError("a bug")
        await super().serve(incoming, exchange)


@pytest.mark.parametrize(
    ("path", "answer"),
    [(b"/greet", b"HTTP/1.1 500 "), (b"/wait", b""), (b"/serve", b"")],
    ids=["greet", "wait", "serve"],
)
def test_a_bug_ends_one_connection_and_no_other(path: bytes, answer: bytes):
    async def scene() -> tuple[bytes, bytes]:
        async with connections(Buggy()) as (_, address):
            told: list[bytes] = []
            for request in (GOOD.replace(b"POST /", b"POST " + path), GOOD):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(request)
                with suppress(TimeoutError, ConnectionResetError):
                    async with asyncio.timeout(0.3):
                        told.append(await reader.read(65536))
                writer.close()
                if len(told) < 1:
                    told.append(b"")
            return told[0], told[1]

    broken, good = asyncio.run(scene())
    assert broken.startswith(answer)
    assert len(broken) > 0 or answer == b""
    assert good == ECHOED


# Closing


def closing(pieces: list[bytes], while_open: Callable[[Connections], None] | None = None) -> bytes:
    async def scene() -> bytes:
        async with connections() as (made, address):
            reader, writer = await asyncio.open_connection(*address)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)
            if while_open is not None:
                while_open(made)
            async with asyncio.timeout(2):
                await made.close()
                data = await reader.read()
            writer.close()
            return data

    return asyncio.run(scene())


def test_a_connection_without_a_request_is_closed_at_once():
    assert closing([GOOD]) == ECHOED


def test_a_request_under_way_is_answered_first():
    begun = GOOD.replace(b"host: h\r\n", b"host: h\r\nstranger: welcome\r\n")
    assert closing([begun]) == ECHOED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")


def test_all_can_be_closed_at_once():
    begun = GOOD.replace(b"host: h\r\n", b"host: h\r\nstranger: welcome\r\n")
    with suppress(ConnectionResetError):
        assert closing([begun], lambda made: made.abort()) == b""


@pytest.mark.parametrize("status", [200, 418, 429, 498, 503, 520, 529, 599, 999])
def test_every_status_can_be_told(status: int):
    async def run() -> bytes:
        return await answer_to(b"GET /%d HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n" % status, listener=Telling())

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert body == b"hm"
