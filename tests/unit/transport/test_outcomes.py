"""Every way in which an upstream can fail, over real sockets: its outcome, its words, and what had come before."""

import asyncio
import time

import pytest

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.fake import (
    BlackHole,
    Close,
    CutAfter,
    FakeUpstream,
    HeadersThenSilence,
    NotHttp,
    PingsOnly,
    Refuse,
    Repeat,
    Reset,
    ResetNow,
    Send,
    Silence,
    SlowFirstByte,
    StallAfter,
)
from headgate.transport.pool import Pool
from headgate.transport.settings import PoolSettings

SHORT = Timeouts(connect_s=1, head_s=0.4, idle_s=0.3)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


async def call(url, *, pool=None, timeouts=SHORT, method="POST"):
    """Outcome and message (None when it ended well), and the bytes that came."""
    own = pool or Pool()
    flight = own.start(UpstreamRequest(method=method, url=url + "/v1/x?key=secret", headers=(), body=b"{}"), timeouts)
    pieces = []
    try:
        await flight.head()
        while piece := await flight.read():
            pieces.append(piece)
    except UpstreamError as error:
        return error.problem.outcome, error.problem.message, b"".join(pieces)
    finally:
        flight.close()
        if pool is None:
            await own.aclose()
    return None, "", b"".join(pieces)


async def called(*steps, **options):
    async with FakeUpstream() as upstream:
        upstream.script(steps)
        return await call(upstream.url, **options)


FAULTS = [
    (BlackHole(), Outcome.SLOW, b""),
    (HeadersThenSilence(), Outcome.STALL, b""),
    (SlowFirstByte(s=2), Outcome.SLOW, b""),
    (StallAfter(bytes=3), Outcome.STALL, b"abc"),
    (CutAfter(bytes=0), Outcome.CUT, b""),
    (CutAfter(bytes=3), Outcome.CUT, b"abc"),
    (CutAfter(bytes=4), Outcome.CUT, b"abcd"),
    (Reset(), Outcome.CUT, b""),
    (Reset(after_bytes=5), Outcome.CUT, b"abcde"),
    (NotHttp(), Outcome.PROTOCOL, b""),
]


@pytest.mark.parametrize(("fault", "outcome", "came"), FAULTS, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_fault_has_its_outcome(run, fault, outcome, came, is_stream):
    async def scene():
        async with FakeUpstream() as upstream:
            if is_stream:
                upstream.stream([b"abcd", b"efgh"])
            else:
                upstream.reply(b"abcdefgh")
            upstream.fail(fault)
            return upstream.url, await call(upstream.url)

    url, (seen, message, body) = run(scene())
    assert (seen, body) == (outcome, came)
    assert url in message
    assert "secret" not in message


def test_pings_are_bytes_and_keep_the_answer_alive(run):
    async def scene():
        async with FakeUpstream() as upstream:
            upstream.fail(PingsOnly(gap_s=0.05))
            pool = Pool()
            flight = pool.start(
                UpstreamRequest(method="POST", url=upstream.url + "/v1/messages", headers=(), body=b'{"stream":true}'),
                SHORT,
            )
            await flight.head()
            pings = [await flight.read() for _ in range(6)]
            flight.abort(Outcome.STALL)
            await pool.aclose()
            return set(pings)

    assert run(scene()) == {b'event: ping\ndata: {"type":"ping"}\n\n'}


def test_refused(run):
    async def scene():
        async with FakeUpstream() as upstream:
            upstream.fail(Refuse())
            await asyncio.sleep(0.05)
            refused = await call(upstream.url)
            upstream.heal()
            await asyncio.sleep(0.05)
            return upstream.url, refused, await call(upstream.url)

    url, (outcome, message, _), (healed, _, _) = run(scene())
    assert (outcome, message) == (Outcome.CONNECT, f"refused: nothing listens at {url}")
    assert healed is None


def test_a_name_that_does_not_exist(run):
    outcome, message, _ = run(call("http://no-such-host.invalid", timeouts=Timeouts(connect_s=5)))
    assert outcome is Outcome.CONNECT
    assert message.startswith("unknown name: the host of http://no-such-host.invalid cannot be found")


def test_an_address_that_is_not_public(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(public_only=True))
            direct = await call(upstream.url, pool=pool)
            named = await call(f"http://localhost:{upstream.port}", pool=pool)
            await pool.aclose()
            return direct[:1], named[:1], upstream.log

    assert run(scene()) == ((Outcome.CONNECT,), (Outcome.CONNECT,), [])


@pytest.mark.parametrize(
    ("wire", "outcome", "came"),
    [
        (HEAD + b"content-length: 2\r\n\r\nok", None, b"ok"),
        (HEAD + b"content-length: 3\r\n\r\nok", Outcome.CUT, b"ok"),
        (HEAD + b"\r\nok", None, b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", None, b"ok"),
        (HEAD + b"connection: close\r\n\r\nok", None, b"ok"),
        (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", None, b"ok"),
        (CHUNKED + b"2\r\nok\r\n0\r\n", Outcome.CUT, b"ok"),
        (CHUNKED + b"2\r\nok\r\n", Outcome.CUT, b"ok"),
        (CHUNKED + b"5\r\nok", Outcome.CUT, b"ok"),
        (CHUNKED + b"zz\r\nok", Outcome.PROTOCOL, b""),
        (CHUNKED + b"2\r\nok\r\n0\r\ntrailer: x\r\n\r\n", None, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + CHUNKED + b"0\r\n\r\n", None, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", None, b""),
        (b"HTTP/1.1 101 Switching\r\nupgrade: ws\r\nconnection: upgrade\r\n\r\n", Outcome.PROTOCOL, b""),
        (b"HTTP/1.1 101 Switching\r\n\r\n", Outcome.PROTOCOL, b""),
        (HEAD + b"transfer-encoding: gzip\r\n\r\nok", Outcome.PROTOCOL, b""),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Outcome.PROTOCOL, b""),
        (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Outcome.PROTOCOL, b""),
        (HEAD + b"content-encoding: br\r\ncontent-length: 2\r\n\r\nok", Outcome.PROTOCOL, b""),
        (HEAD + b"content-length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n", None, b"ok"),
        (b"HTTP/1.1 ", Outcome.CUT, b""),
        (b"<html>", Outcome.PROTOCOL, b""),
    ],
)  # fmt: skip
def test_an_answer_and_the_end_of_its_connection(run, wire, outcome, came):
    seen, _, body = run(called(Send(wire), Close()))
    assert (seen, body) == (outcome, came)


def test_a_reset_is_told_from_an_end(run):
    _, ended, _ = run(called(Close()))
    _, reset, _ = run(called(ResetNow()))
    assert "ended before its answer" in ended
    assert "was reset before its answer" in reset


def test_a_head_without_end(run):
    outcome, message, _ = run(called(Send(HEAD), Repeat(b"x-filler: " + b"y" * 8000 + b"\r\n", 0.001)))
    assert outcome is Outcome.PROTOCOL
    assert "head_bytes_max=65536" in message


@pytest.mark.parametrize("wire", [b"x: y\r\n" * 201, b"x: " + b"y" * 70_000 + b"\r\n"])
def test_a_head_over_its_limits_in_one_read(run, wire):
    outcome, message, _ = run(called(Send(HEAD + wire + b"content-length: 0\r\n\r\n")))
    assert outcome is Outcome.PROTOCOL
    assert "head_" in message


def test_a_large_body_in_the_first_read_is_no_large_head(run):
    outcome, _, body = run(called(Send(HEAD + b"content-length: 200000\r\n\r\n" + b"x" * 200_000)))
    assert (outcome, len(body)) == (None, 200_000)


def test_trailers_without_end(run):
    outcome, message, body = run(
        called(Send(CHUNKED + b"2\r\nok\r\n0\r\n"), Repeat(b"x-t: " + b"y" * 8000 + b"\r\n", 0.001))
    )
    assert (outcome, body) == (Outcome.PROTOCOL, b"ok")
    assert "head_bytes_max" in message


def test_read_all_has_a_limit(run):
    async def scene():
        async with FakeUpstream() as upstream:
            upstream.reply(b"x" * 1001)
            pool = Pool()
            within = pool.start(UpstreamRequest(method="GET", url=upstream.url, headers=()), SHORT)
            beyond = pool.start(UpstreamRequest(method="GET", url=upstream.url, headers=()), SHORT)
            size = len(await within.read_all(1001))
            with pytest.raises(UpstreamError, match="over the limit of 1000 bytes") as caught:
                await beyond.read_all(1000)
            await pool.aclose()
            return size, caught.value.problem.outcome

    assert run(scene()) == (1001, Outcome.PROTOCOL)


def test_an_answer_to_head_has_no_body(run):
    wire = HEAD + b"content-length: 5\r\n\r\n"
    assert run(called(Send(wire), Silence(), method="HEAD")) == (None, "", b"")


def test_an_early_answer_to_a_long_request_arrives(run):
    """413 while the body is still being sent: the answer counts, the connection goes."""

    class Refusing(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.pause_reading()
            self.transport.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
            asyncio.get_running_loop().call_later(0.1, self.transport.abort)

    async def scene():
        server = await asyncio.get_running_loop().create_server(Refusing, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            pool = Pool()
            request = UpstreamRequest(method="POST", url=url, headers=(), body=b"x" * 50_000_000)
            flight = pool.start(request, SHORT)
            await flight.head()
            body = await flight.read_all(10)
            await asyncio.sleep(0.15)
            await pool.aclose()
            return flight.status, body

    assert run(scene()) == (413, b"big")


def test_a_slow_reader_makes_the_upstream_wait_and_is_no_stall(run):
    async def scene():
        async with FakeUpstream() as upstream:
            size = 64 * 1024 * 1024
            upstream.stream([b"x" * 65_536] * (size // 65_536))
            pool = Pool()
            patient = Timeouts(head_s=10, idle_s=0.3)
            flight = pool.start(UpstreamRequest(method="GET", url=upstream.url, headers=()), patient)
            await flight.head()
            await asyncio.sleep(0.5)  # longer than idle_s
            held = flight.unread_bytes
            sent_while_waiting = upstream.log[0].bytes_sent
            rest = 0
            while piece := await flight.read():
                rest += len(piece)
            await pool.aclose()
            return held, sent_while_waiting < size / 2, rest == size

    held, has_waited, is_whole = run(scene())
    assert held <= 3 * 256 * 1024  # the high-water mark, and the read that went over it
    assert (has_waited, is_whole) == (True, True)


def test_an_event_can_be_read_as_soon_as_it_comes(run):
    async def scene():
        async with FakeUpstream() as upstream:
            upstream.stream([b"data: %d\n\n" % number for number in range(20)], gap_s=0.005)
            pool = Pool()
            flight = pool.start(UpstreamRequest(method="GET", url=upstream.url, headers=()), SHORT)
            await flight.head()
            events, read_s = [], []
            while event := await flight.read():
                events.append(event)
                read_s.append(time.monotonic())
            sent_s = [s for s, size in upstream.log[0].sent if size < 30][: len(read_s)]
            await pool.aclose()
            return events, [read - sent for read, sent in zip(read_s, sent_s, strict=False)]

    events, delays_s = run(scene())
    assert b"".join(events) == b"".join(b"data: %d\n\n" % number for number in range(20))
    assert sorted(delays_s)[10] < 0.005
