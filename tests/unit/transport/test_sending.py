"""Bodies that are sent as they come: as fast as the upstream reads, and no further than it wants."""

import asyncio
import socket

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.fake import FakeUpstream
from headgate.transport.pool import Pool

TIMEOUTS = Timeouts(connect_s=2, head_s=2, idle_s=2)


def post(url, length, path="/v1/files"):
    return UpstreamRequest(method="POST", url=url + path, headers=(("a", "b"),), length=length)


async def sent(pool, url, length, *pieces):
    """Sends the pieces until no more are wanted; how many those were, and the answer."""
    flight = pool.start(post(url, length), TIMEOUTS)
    taken = 0
    try:
        for piece in (*pieces, b""):
            if not await flight.send(piece):
                break
            taken += 1
        await flight.head()
        return taken, flight.status, await flight.read_all(1000)
    finally:
        flight.close()


def test_a_body_in_pieces_arrives_whole_with_its_length(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"ok")
            told = await sent(pool, upstream.url, 6, b"abc", b"def")
            await pool.aclose()
            return told, upstream.log[0].headers["content-length"], upstream.log[0].body

    assert run(scene()) == ((3, 200, b"ok"), "6", b"abcdef")


def test_one_whose_length_nobody_knows_is_sent_in_chunks(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"ok")
            told = await sent(pool, upstream.url, 0, b"abc", b"d" * 100_000)
            await pool.aclose()
            return told, upstream.log[0].headers["transfer-encoding"], upstream.log[0].body

    assert run(scene()) == ((3, 200, b"ok"), "chunked", b"abc" + b"d" * 100_000)


def test_a_whole_answer_frees_the_connection_for_others_and_a_stream_opens_its_own(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"ok")
            for _ in range(2):
                await sent(pool, upstream.url, 3, b"abc")
            flight = pool.start(UpstreamRequest(method="GET", url=upstream.url + "/x", headers=()), TIMEOUTS)
            await flight.head()
            await flight.read_all(10)
            await pool.aclose()
            return [attempt.connection for attempt in upstream.log]

    assert run(scene()) == [1, 2, 2]


class Place:
    """A server that answers after so many bytes of a request, and reads no further."""

    def __init__(self, after, answer):
        self._after = after
        self._answer = answer
        self.read = 0
        self.is_over = asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4096)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_):
        self._server.close()
        await self.is_over.wait()

    async def _serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            while self.read < self._after and (data := await reader.read(4096)):
                self.read += len(data)
            writer.write(self._answer)
            await asyncio.sleep(0.2)
        finally:
            writer.transport.abort()
            self.is_over.set()


def test_an_answer_in_the_midst_ends_the_sending_and_the_connection(run):
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig"

    async def scene():
        async with Place(10_000, refusal) as url:
            pool = Pool()
            told = await sent(pool, url, 500_000_000, *[b"x" * 65536] * 7000)
            idle = [len(origin.idle) for origin in pool._origins.values()]
            await pool.aclose()
            return told, idle

    (taken, status, body), idle = run(scene())
    assert (status, body, idle) == (413, b"big", [0])
    assert taken < 200  # a few megabytes that the sockets hold


def test_an_upstream_that_goes_away_in_the_midst_is_a_cut(run):
    async def scene():
        async with Place(10_000, b"") as url:
            pool = Pool()
            try:
                return await sent(pool, url, 500_000_000, *[b"x" * 65536] * 7000)
            except UpstreamError as error:
                return error.problem.outcome
            finally:
                await pool.aclose()

    assert run(scene()) is Outcome.CUT


def test_an_upstream_that_reads_no_more_is_too_slow(run):
    async def scene():
        pool = Pool()
        async with Place(10**9, b"") as url:
            flight = pool.start(post(url, 10**9), Timeouts(connect_s=2, head_s=0.2, idle_s=2))
            assert await flight.send(b"x")
            try:
                await flight.head()
            except UpstreamError as error:
                return error.problem.outcome
            finally:
                await pool.aclose()

    assert run(scene()) is Outcome.SLOW


def test_nothing_is_sent_where_nobody_is(run):
    async def scene():
        pool = Pool()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        try:
            return await sent(pool, f"http://127.0.0.1:{port}", 3, b"abc")
        except UpstreamError as error:
            return error.problem.outcome
        finally:
            await pool.aclose()

    assert run(scene()) is Outcome.CONNECT


def test_a_connection_whose_request_was_not_sent_to_its_end_is_not_used_again(run):
    async def scene():
        async with Place(1, b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig") as url:
            pool = Pool()
            flight = pool.start(post(url, 10), TIMEOUTS)
            assert await flight.send(b"x")
            await flight.head()
            body = await flight.read_all(10)
            idle = [len(origin.idle) for origin in pool._origins.values()]
            await pool.aclose()
            return body, idle

    assert run(scene()) == (b"big", [0])
