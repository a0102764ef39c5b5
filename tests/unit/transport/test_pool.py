"""The pool over real sockets: what it keeps, shares, refuses and gives up."""

import asyncio
import socket
import time

import pytest

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.fake import Close, CutAfter, FakeUpstream, Send, Silence, SlowFirstByte, Wait
from headgate.transport.pool import Pool
from headgate.transport.settings import PoolSettings

TIMEOUTS = Timeouts(connect_s=2, head_s=2, idle_s=2)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def post(upstream, body=b"{}", path="/v1/x"):
    return UpstreamRequest(method="POST", url=upstream.url + path, headers=(("a", "b"),), body=body)


async def answer(pool, request, timeouts=TIMEOUTS):
    flight = pool.start(request, timeouts)
    try:
        await flight.head()
        return flight.status, await flight.read_all(10_000_000)
    finally:
        flight.close()


async def outcome(work):
    try:
        await work
    except UpstreamError as error:
        return error.problem.outcome, error.problem.message
    return None


async def until(is_true, s=2.0):
    async with asyncio.timeout(s):
        while not is_true():  # noqa: ASYNC110 - what is awaited is in another protocol's record
            await asyncio.sleep(0.002)


def test_a_request_arrives_as_it_was_given(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"hello", headers=(("X-One", " 1 "), ("x-one", "2"), ("empty", "")))
            flight = pool.start(post(upstream, b'{"q":1}', "/v1/x?key=1"), TIMEOUTS)
            await flight.head()
            body = await flight.read_all(100)
            await pool.aclose()
            return flight.status, dict(flight.headers), body, upstream.url, upstream.log[0]

    status, headers, body, url, seen = run(scene())
    assert (status, headers, body) == (200, {"x-one": "1, 2", "empty": "", "content-length": "5"}, b"hello")
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/x?key=1", b'{"q":1}')
    assert seen.headers == {
        "host": url.removeprefix("http://"),
        "accept-encoding": "identity",
        "a": "b",
        "content-length": "7",
    }


def test_calls_one_after_the_other_share_a_connection(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            for size in (0, 10, 100_000, 300_000):
                upstream.reply(b"x" * size)
                assert await answer(pool, post(upstream, b"y" * size)) == (200, b"x" * size)
            await pool.aclose()
            return [(attempt.connection, attempt.bytes_received) for attempt in upstream.log]

    assert run(scene()) == [(1, 0), (1, 10), (1, 100_000), (1, 300_000)]


def test_the_warmest_connection_goes_first(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"late", path="/late")
            upstream.fail(SlowFirstByte(s=0.1), path="/late")
            await asyncio.gather(answer(pool, post(upstream, path="/late")), answer(pool, post(upstream)))
            await answer(pool, post(upstream))
            await pool.aclose()
            return {attempt.path: attempt.connection for attempt in upstream.log[:2]}, upstream.log[2].connection

    first, last = run(scene())
    assert last == first["/late"]


def test_fifty_flights_at_once(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.stream([b"a" * 1000, b"b" * 1000, b"c"], gap_s=0.01)
            for _ in range(2):
                answers = await asyncio.gather(*(answer(pool, post(upstream)) for _ in range(50)))
                assert answers == [(200, b"a" * 1000 + b"b" * 1000 + b"c")] * 50
            await pool.aclose()
            return {attempt.connection for attempt in upstream.log}

    assert run(scene()) == set(range(1, 51))


def test_start_writes_at_once_when_a_connection_is_idle(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            await answer(pool, post(upstream))
            flight = pool.start(post(upstream), TIMEOUTS)
            await until(lambda: len(upstream.log) == 2)
            await asyncio.sleep(0.05)
            coroutine = flight.head()
            with pytest.raises(StopIteration):  # the head has come: no suspension
                coroutine.send(None)
            flight.close()
            await pool.aclose()

    run(scene())


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_connection_that_died_idle_is_tried_again_only_if_nothing_was_read(run, reply):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"ok")
            await answer(pool, post(upstream))
            # The server closes when the second request reaches it: the client cannot know before it sends
            upstream.script([Send(reply), Close()] if reply else [Close()], times=1)
            seen = await outcome(answer(pool, post(upstream)))
            await pool.aclose()
            return seen, [attempt.connection for attempt in upstream.log]

    seen, connections = run(scene())
    if reply:
        assert seen is not None
        assert seen[0] is Outcome.CUT
        assert connections == [1, 1]
    else:
        assert seen is None
        assert connections == [1, 1, 2]


def test_the_second_try_is_the_last(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.reply(b"ok")
            await answer(pool, post(upstream))
            upstream.script([Close()])
            seen = await outcome(answer(pool, post(upstream)))
            fresh = await outcome(answer(pool, post(upstream)))
            await pool.aclose()
            return seen[0], fresh[0], [attempt.connection for attempt in upstream.log]

    assert run(scene()) == (Outcome.CUT, Outcome.CUT, [1, 1, 2, 3])


def test_connections_closed_while_idle_are_forgotten(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.fail(SlowFirstByte(s=0.05))
            await asyncio.gather(*(answer(pool, post(upstream)) for _ in range(5)))
            upstream.heal()
            upstream.break_connections()
            await asyncio.sleep(0.1)
            await answer(pool, post(upstream))
            await pool.aclose()
            return upstream.log[-1].connection

    assert run(scene()) == 6


def test_an_idle_connection_is_closed_after_its_time(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(idle_s_max=0.1))
            await answer(pool, post(upstream))
            await asyncio.sleep(0.05)
            await answer(pool, post(upstream))
            await asyncio.sleep(0.3)
            await answer(pool, post(upstream))
            await pool.aclose()
            return [attempt.connection for attempt in upstream.log]

    assert run(scene()) == [1, 1, 2]


def test_no_more_idle_connections_than_allowed(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(idle_per_origin_max=2))
            upstream.fail(SlowFirstByte(s=0.05))
            await asyncio.gather(*(answer(pool, post(upstream)) for _ in range(5)))
            await asyncio.gather(*(answer(pool, post(upstream)) for _ in range(5)))
            await pool.aclose()
            return len({attempt.connection for attempt in upstream.log})

    assert run(scene()) == 8


def test_beyond_the_bound_requests_wait_their_turn(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=2))
            upstream.fail(SlowFirstByte(s=0.02))
            requests = [post(upstream, b"%d" % number) for number in range(8)]
            answers = await asyncio.gather(*(answer(pool, request) for request in requests))
            await pool.aclose()
            return len(answers), [(attempt.connection, int(attempt.body)) for attempt in upstream.log]

    count, seen = run(scene())
    assert (count, {connection for connection, _ in seen}) == (8, {1, 2})
    assert sorted(number for _, number in seen[:2]) == [0, 1]
    for connection in (1, 2):  # which of two is heard first is up to the system
        numbers = [number for its, number in seen if its == connection]
        assert numbers == sorted(numbers)


def test_a_closed_connection_makes_room_for_one_that_waits(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=1))
            upstream.fail(CutAfter(bytes=5), times=2)
            outcomes = await asyncio.gather(
                *(outcome(answer(pool, post(upstream, path="/v1/messages"))) for _ in "123")
            )
            await pool.aclose()
            return [seen and seen[0] for seen in outcomes], [attempt.connection for attempt in upstream.log]

    assert run(scene()) == ([Outcome.CUT, Outcome.CUT, None], [1, 2, 3])


def test_both_bounds_of_the_queue_name_themselves(run):
    async def scene():
        async with FakeUpstream() as upstream:
            settings = PoolSettings(connections_per_origin_max=1, waiting_per_origin_max=1, wait_s_max=0.1)
            pool = Pool(settings)
            upstream.script([Silence()])
            first = pool.start(post(upstream), TIMEOUTS)
            held = asyncio.ensure_future(outcome(first.head()))  # noqa: TID251 - cancelled by the abort below
            await until(lambda: len(upstream.log) == 1)
            late, full = await asyncio.gather(*(outcome(answer(pool, post(upstream))) for _ in range(2)))
            first.abort(Outcome.SLOW)
            assert (await held)[0] is Outcome.SLOW
            await pool.aclose()
            return late, full

    late, full = run(scene())
    assert (late[0], full[0]) == (Outcome.LOCAL, Outcome.LOCAL)
    assert "wait_s_max=0.1" in late[1]
    assert "connections_per_origin_max=1" in late[1]
    assert "waiting_per_origin_max=1" in full[1]


def test_one_who_left_the_queue_counts_no_more(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=1, waiting_per_origin_max=1))
            upstream.fail(SlowFirstByte(s=0.2), times=1)
            async with asyncio.TaskGroup() as group:
                group.create_task(answer(pool, post(upstream)))
                await asyncio.sleep(0.02)
                leaver = group.create_task(answer(pool, post(upstream)))
                await asyncio.sleep(0.02)
                leaver.cancel()
                await asyncio.sleep(0.02)
                seen = await outcome(answer(pool, post(upstream)))
            await pool.aclose()
            return seen

    assert run(scene()) is None


def test_nobody_waits_longer_for_a_connection_than_for_an_answer(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=1))
            upstream.fail(SlowFirstByte(s=1), times=1)
            async with asyncio.TaskGroup() as group:
                first = group.create_task(answer(pool, post(upstream)))
                await asyncio.sleep(0.02)
                seen = await outcome(answer(pool, post(upstream), Timeouts(head_s=0.1)))
                first.cancel()
            await pool.aclose()
            return seen

    seen = run(scene())
    assert seen is not None
    assert seen[0] is Outcome.LOCAL
    assert "came free in 0.1 s" in seen[1]


def test_a_flight_begun_without_a_connection_takes_one_that_came_free_since(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            early, late = pool.start(post(upstream), TIMEOUTS), pool.start(post(upstream), TIMEOUTS)
            await early.read_all(1000)
            await late.read_all(1000)
            await pool.aclose()
            return [attempt.connection for attempt in upstream.log]

    assert run(scene()) == [1, 1]


def test_the_second_try_takes_a_fresh_connection_not_another_old_one(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.fail(SlowFirstByte(s=0.05), times=2)
            await asyncio.gather(answer(pool, post(upstream)), answer(pool, post(upstream)))
            upstream.script([Close()], times=1)
            await answer(pool, post(upstream))
            await pool.aclose()
            return [attempt.connection for attempt in upstream.log][3]

    assert run(scene()) == 3


def test_one_who_leaves_the_queue_takes_no_room_along(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=1))
            upstream.fail(SlowFirstByte(s=0.1), times=1)
            async with asyncio.TaskGroup() as group:
                group.create_task(answer(pool, post(upstream, b"1")))
                await until(lambda: len(upstream.log) == 1)
                leaver = group.create_task(answer(pool, post(upstream, b"2")))
                aborted = pool.start(post(upstream, b"3"), TIMEOUTS)
                abort_seen = group.create_task(outcome(aborted.head()))
                stayer = group.create_task(answer(pool, post(upstream, b"4")))
                await asyncio.sleep(0.02)
                leaver.cancel()
                aborted.abort(Outcome.CLIENT_GONE)
            await pool.aclose()
            return abort_seen.result()[0], stayer.result()[0], [attempt.body for attempt in upstream.log]

    assert run(scene()) == (Outcome.CLIENT_GONE, 404, [b"1", b"4"])


def test_an_aborted_flight_closes_its_connection_within_50_ms(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.script([Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"), Silence()])
            flight = pool.start(post(upstream), TIMEOUTS)
            await flight.head()
            assert await flight.read() == b"ab"
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(outcome(flight.read()))
                await asyncio.sleep(0.02)
                aborted_s = time.monotonic()
                flight.abort(Outcome.CLIENT_GONE)
            after = await outcome(flight.read())
            await until(lambda: upstream.log[0].closed_s is not None)
            seen = upstream.log[0]
            await pool.aclose()
            return reading.result()[0], after[0], seen.closed_early, seen.closed_s - aborted_s

    pending, after, closed_early, delay_s = run(scene())
    assert (pending, after, closed_early) == (Outcome.CLIENT_GONE, Outcome.CLIENT_GONE, True)
    assert delay_s < 0.05


def test_abort_and_close_do_no_harm_to_a_whole_answer(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            flight = pool.start(post(upstream), TIMEOUTS)
            await flight.head()
            flight.abort(Outcome.SLOW)
            body = await flight.read_all(1000)
            flight.close()
            flight.abort(Outcome.SLOW)
            assert await flight.read() == b""
            await answer(pool, post(upstream))
            await pool.aclose()
            return body != b"", [attempt.connection for attempt in upstream.log]

    assert run(scene()) == (True, [1, 1])


def test_a_flight_closed_before_its_end_closes_its_connection(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool()
            upstream.stream([b"a", b"b"], gap_s=5)
            flight = pool.start(post(upstream), TIMEOUTS)
            await flight.head()
            assert await flight.read() == b"a"
            flight.close()
            await until(lambda: upstream.log[0].closed_early)
            await pool.aclose()

    run(scene())


def test_an_abort_while_the_connection_is_opened(run):
    async def scene():
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            pool = Pool()
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/?key=secret"
            flight = pool.start(UpstreamRequest(method="GET", url=url, headers=()), TIMEOUTS)
            async with asyncio.TaskGroup() as group:
                heading = group.create_task(outcome(flight.head()))
                await asyncio.sleep(0.05)
                began_s = time.monotonic()
                flight.abort(Outcome.SLOW)
            abort_s = time.monotonic() - began_s
            slow = pool.start(
                UpstreamRequest(method="GET", url=url, headers=()), Timeouts(connect_s=0.1, head_s=1, idle_s=1)
            )
            late = await outcome(slow.head())
            await pool.aclose()
            for filler in fillers:
                filler.close()
            return heading.result()[0], abort_s, late

    seen, abort_s, late = run(scene())
    assert seen is Outcome.SLOW
    assert abort_s < 0.05
    assert late[0] is Outcome.CONNECT
    assert "in 0.1 s" in late[1]
    assert "secret" not in late[1]


def test_a_cancelled_head_gives_its_place_back(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=1))
            async with asyncio.TaskGroup() as group:
                opening = group.create_task(answer(pool, post(upstream)))
                await asyncio.sleep(0)
                opening.cancel()
            assert (await answer(pool, post(upstream)))[0] == 404
            await pool.aclose()

    run(scene())


def test_closing_the_pool_fails_what_is_under_way(run):
    async def scene():
        async with FakeUpstream() as upstream:
            pool = Pool(PoolSettings(connections_per_origin_max=1))
            upstream.script([Wait(5)])
            async with asyncio.TaskGroup() as group:
                flying = group.create_task(outcome(answer(pool, post(upstream))))
                await until(lambda: len(upstream.log) == 1)
                waiting = group.create_task(outcome(answer(pool, post(upstream))))
                await asyncio.sleep(0.02)
                await pool.aclose()
            late = await outcome(answer(pool, post(upstream)))
            return [seen[0] for seen in (flying.result(), waiting.result(), late)]

    assert run(scene()) == [Outcome.LOCAL] * 3


def test_origins_are_bounded_and_unused_ones_make_room(run):
    async def scene():
        async with FakeUpstream() as one, FakeUpstream() as two:
            pool = Pool(PoolSettings(origins_max=1))
            flight = pool.start(post(one), TIMEOUTS)
            await flight.head()
            with pytest.raises(UpstreamError, match="origins_max=1") as caught:
                pool.start(post(two), TIMEOUTS)
            one.break_connections()
            await asyncio.sleep(0.05)
            assert (await answer(pool, post(two)))[0] == 404
            await pool.aclose()
            return caught.value.problem.outcome

    assert run(scene()) is Outcome.LOCAL
