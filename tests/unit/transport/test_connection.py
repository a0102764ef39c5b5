"""The connection over a socket that is no socket: any cut of the bytes gives the same answer."""

import asyncio
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.connection import Connection
from headgate.transport.flight import PooledFlight
from headgate.transport.origins import Origin
from headgate.transport.pool import OriginPool, Pool
from headgate.transport.settings import PoolSettings

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written and what is asked for."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.acts = []
        self.left_to_write = 0

    def write(self, data):
        self.written += data

    def writelines(self, pieces):
        self.written += b"".join(pieces)

    def get_write_buffer_size(self):
        return self.left_to_write

    def pause_reading(self):
        self.acts.append("pause")

    def resume_reading(self):
        self.acts.append("resume")

    def abort(self):
        self.acts.append("abort")


class Bench:
    """A connection with a flight under way. Make it inside a running loop."""

    def __init__(self, pool_settings=None, body=b"", origin_pool=None):
        self.origin_pool = origin_pool or OriginPool(Pool(pool_settings), Origin("http", "test", 80))
        self.wire = Wire()
        self.connection = Connection(self.origin_pool)
        self.connection.connection_made(self.wire)
        self.flight = self.send(body)

    def send(self, body=b""):
        request = UpstreamRequest(method="POST", url="http://test/", headers=(), body=body)
        flight = PooledFlight(self.origin_pool, request, b"HEAD", Timeouts())
        self.connection.send(flight)
        return flight

    def feed(self, pieces):
        for piece in pieces:
            if "abort" not in self.wire.acts:
                self.connection.data_received(piece)

    @property
    def is_idle(self):
        return self.connection in self.origin_pool.idle


async def all_of(flight):
    """What a flight gives without waiting: the body, then the outcome."""
    body = b""
    try:
        while piece := await flight.read():
            body += piece
    except UpstreamError as error:
        return body, error.problem.outcome
    return body, None


def chunked(pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
places = st.lists(st.integers(0, 10_000), max_size=8)


@given(pieces, places)
@settings(max_examples=150, deadline=None)
def test_any_cut_of_a_chunked_answer_gives_the_same(body, where):
    async def scene():
        bench = Bench()
        bench.feed(cut(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(body), where))
        return await all_of(bench.flight), bench.is_idle, bench.flight.status

    assert asyncio.run(scene()) == ((b"".join(body), None), True, 200)


@given(pieces, places)
@settings(max_examples=100, deadline=None)
def test_any_cut_of_a_counted_answer_and_the_one_after_it_gives_the_same(body, where):
    async def scene():
        bench = Bench()
        whole = b"".join(body)
        answer = b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"content-length: %d\r\n\r\n" % len(whole) + whole
        bench.feed(cut(answer, where))
        first = await all_of(bench.flight)
        bench.origin_pool.idle.clear()
        second = bench.send()
        bench.feed(cut(answer, where))
        return first, await all_of(second), bench.is_idle, dict(second.headers)

    whole = b"".join(body)
    headers = {"content-type": "text/event-stream", "content-length": str(len(whole))}
    assert asyncio.run(scene()) == ((whole, None), (whole, None), True, headers)


@given(pieces, places, st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_an_end_anywhere_inside_is_a_cut_and_loses_nothing_that_came(body, where, at):
    async def scene():
        bench = Bench()
        answer = HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(body)
        answer = answer[: at % len(answer)]
        bench.feed(cut(answer, where))
        bench.connection.eof_received()
        bench.connection.connection_lost(None)
        return await all_of(bench.flight), bench.is_idle

    (came, outcome), is_idle = asyncio.run(scene())
    assert b"".join(body).startswith(came)
    assert (outcome, is_idle) == (Outcome.CUT, False)


@given(st.binary(max_size=300), places)
@settings(max_examples=200, deadline=None)
def test_no_bytes_whatever_raise_in_the_loop(noise, where):
    async def scene():
        bench = Bench()
        bench.feed(cut(noise, where))
        bench.connection.connection_lost(None)
        return await all_of(bench.flight)

    _, outcome = asyncio.run(scene())
    assert outcome in (Outcome.CUT, Outcome.PROTOCOL)


@pytest.mark.parametrize("surplus", [b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"<html>"])
@pytest.mark.parametrize("together", [True, False])
def test_bytes_after_a_whole_answer_close_the_connection_and_reach_nobody(surplus, together):
    async def scene():
        bench = Bench()
        answer = HEAD + b"content-length: 2\r\n\r\nok"
        bench.feed([answer + surplus] if together else [answer, surplus])
        return await all_of(bench.flight), bench.is_idle, bench.wire.acts

    assert asyncio.run(scene()) == ((b"ok", None), False, ["abort"])


def test_chunks_of_one_read_come_joined_and_reads_of_one_turn_too():
    async def scene():
        bench = Bench()
        bench.feed([HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n", b"1\r\nc\r\n", b"1\r\nd\r\n"])
        return await bench.flight.read()

    assert asyncio.run(scene()) == b"abcd"


def test_trailers_are_no_headers_of_anyone():
    async def scene():
        bench = Bench()
        bench.feed([HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n"])
        first = await all_of(bench.flight)
        bench.origin_pool.idle.clear()
        second = bench.send()
        bench.feed([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
        return first, dict(bench.flight.headers), dict(second.headers)

    first, headers, next_headers = asyncio.run(scene())
    assert first == (b"ok", None)
    assert headers == {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
    assert next_headers == {"content-length": "0"}


def test_reading_pauses_above_the_mark_and_resumes_below():
    async def scene():
        bench = Bench(PoolSettings(unread_bytes_high=10))
        bench.feed([HEAD + b"content-length: 30\r\n\r\n", b"w"])
        await bench.flight.read()
        bench.wire.acts.clear()
        bench.feed([b"x" * 10])
        before = list(bench.wire.acts)
        bench.feed([b"y"])
        above = list(bench.wire.acts)
        read = await bench.flight.read()
        return before, above, read, bench.wire.acts

    assert asyncio.run(scene()) == ([], ["pause"], b"x" * 10 + b"y", ["pause", "resume"])


def test_head_and_body_are_one_write_and_a_large_body_is_not_copied():
    async def scene():
        return Bench(body=b"small").wire.written, len(Bench(body=b"x" * 100_000).wire.written)

    assert asyncio.run(scene()) == (b"HEADsmall", 100_004)


def test_a_connection_with_a_request_still_going_out_is_not_used_again():
    async def scene():
        bench = Bench()
        bench.wire.left_to_write = 1
        bench.feed([HEAD + b"content-length: 0\r\n\r\n"])
        return await all_of(bench.flight), bench.is_idle, bench.wire.acts

    assert asyncio.run(scene()) == ((b"", None), False, ["abort"])


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
    ],
)
def test_whether_a_connection_is_kept(line, is_kept):
    async def scene():
        bench = Bench()
        bench.feed([line + b"content-length: 2\r\n\r\nok"])
        return await all_of(bench.flight), bench.is_idle

    assert asyncio.run(scene()) == ((b"ok", None), is_kept)


def compressed(data, wbits):
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("name", "wbits"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15), ("GZIP", 31)]
)
@given(data=st.binary(max_size=500), where=places)
@settings(max_examples=30, deadline=None)
def test_a_compressed_answer_is_inflated_however_it_is_cut(name, wbits, data, where):
    async def scene():
        body = compressed(data, wbits)
        bench = Bench()
        head = HEAD + b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (name.encode(), len(body))
        bench.feed([head + body[:2], *cut(body[2:], where)])
        return await all_of(bench.flight), bench.is_idle

    assert asyncio.run(scene()) == ((data, None), True)


def test_a_compressed_answer_that_ends_too_early_is_a_cut():
    async def scene():
        body = compressed(b"hello" * 100, 31)[:-4]
        bench = Bench()
        bench.feed([HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body])
        return (await all_of(bench.flight))[1]

    assert asyncio.run(scene()) is Outcome.CUT


@pytest.mark.parametrize("body", [b"no gzip at all", compressed(bytes(3_000_000), 31)])
def test_a_compressed_answer_that_lies_or_explodes_is_refused(body):
    async def scene():
        bench = Bench()
        bench.feed([HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body])
        return await all_of(bench.flight), bench.wire.acts

    assert asyncio.run(scene()) == ((b"", Outcome.PROTOCOL), ["abort"])


def test_what_has_come_and_was_not_read_is_gone_after_an_abort():
    async def scene():
        bench = Bench()
        bench.feed([HEAD + b"content-length: 9\r\n\r\nabc"])
        bench.flight.abort(Outcome.CLIENT_GONE)
        return await all_of(bench.flight), bench.wire.acts

    assert asyncio.run(scene()) == ((b"", Outcome.CLIENT_GONE), ["abort"])


def test_a_plain_answer_after_a_compressed_one_stays_as_it_is():
    async def scene():
        bench = Bench()
        body = compressed(b"packed", 31)
        bench.feed([HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body])
        bench.origin_pool.idle.clear()
        second = bench.send()
        bench.feed([HEAD + b"content-length: 5\r\n\r\nplain"])
        return await all_of(bench.flight), await all_of(second)

    assert asyncio.run(scene()) == ((b"packed", None), (b"plain", None))


def test_a_connection_that_the_server_ends_while_idle_gets_no_further_request():
    async def scene():
        bench = Bench()
        bench.feed([HEAD + b"content-length: 0\r\n\r\n"])
        was_idle = bench.is_idle
        bench.connection.eof_received()
        return was_idle, bench.is_idle

    assert asyncio.run(scene()) == (True, False)


@pytest.mark.parametrize("upgrade", [b"", b"upgrade: websocket\r\nconnection: upgrade\r\n"])
def test_a_switch_to_another_protocol_is_told_as_such(upgrade):
    async def scene():
        bench = Bench()
        bench.feed([b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n"])
        with pytest.raises(UpstreamError, match="the answer of http://test switches to another protocol") as caught:
            await bench.flight.head()
        return caught.value.problem.outcome

    assert asyncio.run(scene()) is Outcome.PROTOCOL


def test_requests_that_end_in_time_make_two_timers_and_a_lost_connection_leaves_none():
    async def scene():
        bench = Bench()
        made = []

        def call_at(*given):
            made.append(original(*given))
            return made[-1]

        original = bench.origin_pool.loop.call_at
        bench.origin_pool.loop.call_at = call_at
        bench = Bench(origin_pool=bench.origin_pool)
        for _ in range(100):
            bench.feed([HEAD + b"content-length: 0\r\n\r\n"])
            bench.origin_pool.idle.clear()
            bench.send()
        del bench.origin_pool.loop.call_at
        bench.connection.connection_lost(None)
        return [timer.cancelled() for timer in made]

    assert asyncio.run(scene()) == [True, True]  # the second when the first rest was due before the first head
