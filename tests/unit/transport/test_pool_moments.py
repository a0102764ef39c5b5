"""What happens when two things happen to a flight in the same turn of the loop: nobody loses a place."""

import asyncio

import pytest

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.connection import Connection
from headgate.transport.pool import Pool
from headgate.transport.settings import PoolSettings

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = UpstreamRequest(method="GET", url="http://127.0.0.1:1/", headers=())
TIMEOUTS = Timeouts(connect_s=5, head_s=5, idle_s=5)


class Wire(asyncio.Transport):
    """A socket that is none; tells its protocol of the end in the next turn, or never."""

    def __init__(self, connection, *, is_mute=False):
        super().__init__()
        self.connection = connection
        self.is_mute = is_mute
        self.requests = 0

    def write(self, data):
        self.requests += 1

    def get_write_buffer_size(self):
        return 0

    def abort(self):
        if not self.is_mute:
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class Loop:
    """The running loop, but connections are opened to nowhere: `connections` has them."""

    def __init__(self, *, is_lost=False, is_mute=False):
        self._loop = asyncio.get_running_loop()
        self.is_lost, self.is_mute = is_lost, is_mute
        self.connections = []

    def __getattr__(self, name):
        return getattr(self._loop, name)

    async def create_connection(self, factory, *, sock, **_):
        sock.close()
        connection = factory()
        wire = Wire(connection, is_mute=self.is_mute)
        connection.connection_made(wire)
        self.connections.append((connection, wire))
        if self.is_lost:
            connection.connection_lost(None)
        return wire, connection


class NoDialler:
    """Takes as long as it is told."""

    def __init__(self, s=0.0):
        self.s = s

    async def socket_to(self, origin):
        await asyncio.sleep(self.s)
        import socket

        return socket.socket()


def pool_of_one(**loop):
    pool = Pool(PoolSettings(connections_per_origin_max=1))
    pool.loop = Loop(**loop)
    pool.dialler = NoDialler()
    return pool


async def heading(flight):
    try:
        await flight.head()
    except UpstreamError as error:
        return error.problem.outcome
    return flight.status


async def one_aloft_two_waiting(group, pool):
    """Flights and their tasks: the first is on the only connection, the others wait."""
    flights = [pool.start(REQUEST, TIMEOUTS) for _ in range(3)]
    tasks = [group.create_task(heading(flight)) for flight in flights]
    await asyncio.sleep(0.01)
    return flights, tasks


def test_an_abort_in_the_moment_a_connection_comes_free():
    async def scene():
        pool = pool_of_one()
        async with asyncio.TaskGroup() as group:
            flights, tasks = await one_aloft_two_waiting(group, pool)
            connection, _ = pool.loop.connections[0]
            connection.data_received(ANSWER)  # the second flight goes out on it
            flights[1].abort(Outcome.SLOW)
            await asyncio.sleep(0.01)
            pool.loop.connections[1][0].data_received(ANSWER)
        await pool.aclose()
        return [task.result() for task in tasks], len(pool.loop.connections)

    assert asyncio.run(scene()) == ([200, Outcome.SLOW, 200], 2)


def test_an_abort_in_the_moment_there_is_room_to_open():
    async def scene():
        pool = pool_of_one()
        async with asyncio.TaskGroup() as group:
            flights, tasks = await one_aloft_two_waiting(group, pool)
            pool.dialler.s = 0.05
            pool.loop.connections[0][0].connection_lost(None)
            flights[1].abort(Outcome.SLOW)
            await asyncio.sleep(0.01)
            was_quick = tasks[1].done()
            await asyncio.sleep(0.1)
            pool.loop.connections[1][0].data_received(ANSWER)
        await pool.aclose()
        return [task.result() for task in tasks], was_quick, len(pool.loop.connections)

    assert asyncio.run(scene()) == ([Outcome.CUT, Outcome.SLOW, 200], True, 2)


@pytest.mark.parametrize("is_freed", [True, False])
def test_a_cancellation_in_the_moment_its_turn_comes(is_freed):
    async def scene():
        pool = pool_of_one()
        async with asyncio.TaskGroup() as group:
            _, tasks = await one_aloft_two_waiting(group, pool)
            connection, _ = pool.loop.connections[0]
            if is_freed:
                connection.data_received(ANSWER)
            else:
                connection.connection_lost(None)
            tasks[1].cancel()
            await asyncio.sleep(0.02)
            pool.loop.connections[1][0].data_received(ANSWER)
        await pool.aclose()
        return tasks[1].cancelled(), tasks[2].result(), len(pool.loop.connections)

    assert asyncio.run(scene()) == (True, 200, 2)


def test_an_abort_in_the_moment_the_connection_is_open_leaves_it_to_the_next():
    async def scene():
        pool = Pool()
        pool.loop, pool.dialler = Loop(), NoDialler()
        flight = pool.start(REQUEST, TIMEOUTS)
        create = pool.loop.create_connection

        async def create_and_abort(factory, **options):
            made = await create(factory, **options)
            flight.abort(Outcome.SLOW)
            return made

        pool.loop.create_connection = create_and_abort
        outcome = await heading(flight)
        next_flight = pool.start(REQUEST, TIMEOUTS)
        connection, wire = pool.loop.connections[0]
        connection.data_received(ANSWER)
        status = await heading(next_flight)
        await pool.aclose()
        return outcome, status, wire.requests, len(pool.loop.connections)

    assert asyncio.run(scene()) == (Outcome.SLOW, 200, 1, 1)


def test_a_connection_lost_as_soon_as_it_was_open():
    async def scene():
        pool = pool_of_one(is_lost=True)
        outcomes = [await heading(pool.start(REQUEST, TIMEOUTS)) for _ in range(2)]
        await pool.aclose()
        return outcomes

    assert asyncio.run(scene()) == [Outcome.CONNECT] * 2


def test_closing_the_pool_does_not_wait_for_ever():
    async def scene():
        pool = pool_of_one(is_mute=True)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(heading(pool.start(REQUEST, TIMEOUTS)))
            await asyncio.sleep(0.01)
            async with asyncio.timeout(3):
                await pool.aclose()
        return task.result()

    assert asyncio.run(scene()) is Outcome.LOCAL


def test_a_second_try_that_dies_unread_too_is_not_followed_by_a_third():
    async def scene():
        pool = pool_of_one()
        async with asyncio.TaskGroup() as group:
            group.create_task(heading(pool.start(REQUEST, TIMEOUTS)))
            await asyncio.sleep(0.01)
            pool.loop.connections[0][0].data_received(ANSWER)
            unlucky = group.create_task(heading(pool.start(REQUEST, TIMEOUTS)))
            other = group.create_task(heading(pool.start(REQUEST, TIMEOUTS)))
            await asyncio.sleep(0.01)
            pool.loop.connections[0][0].connection_lost(None)  # the other opens a connection, the unlucky one waits
            await asyncio.sleep(0.01)
            pool.loop.connections[1][0].data_received(ANSWER)  # and goes out on it
            pool.loop.connections[1][0].connection_lost(None)
            await asyncio.sleep(0.01)
        await pool.aclose()
        return unlucky.result(), other.result(), len(pool.loop.connections)

    assert asyncio.run(scene()) == (Outcome.CUT, 200, 2)


def test_a_connection_knows_nothing_of_bytes_nobody_asked_for():
    async def scene():
        pool = pool_of_one()
        async with asyncio.TaskGroup() as group:
            group.create_task(heading(pool.start(REQUEST, TIMEOUTS)))
            await asyncio.sleep(0.01)
            connection, _ = pool.loop.connections[0]
            connection.data_received(ANSWER)
            connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            await asyncio.sleep(0)
            task = group.create_task(heading(pool.start(REQUEST, TIMEOUTS)))
            await asyncio.sleep(0.01)
            pool.loop.connections[1][0].data_received(ANSWER)
        await pool.aclose()
        return isinstance(connection, Connection), task.result()

    assert asyncio.run(scene()) == (True, 200)
