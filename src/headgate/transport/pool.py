"""The pool: our own HTTP/1.1 client, as a `Transport`. Keeps connections open per origin, gives out the warmest first.

It spawns no task: a connection is opened by the coroutine that awaits the flight's `head`, and everything else happens
in the loop's callbacks. Redirects are not followed, proxies not used, cookies not kept.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final

from headgate.core.problems import Outcome, Problem, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.connection import Connection
from headgate.transport.dial import Dialler
from headgate.transport.faults import connect_problem, problem
from headgate.transport.flight import PooledFlight
from headgate.transport.origins import Fields, HeadWriter, Origin, head_of, parse_place
from headgate.transport.settings import PoolSettings
from headgate.transport.tls import client_context

_CLOSE_S_MAX: Final = 1.0
_PLACES_MAX: Final = 4096


class Pool:
    """Implements `Transport`. Make it inside a running loop, close it with `aclose`."""

    def __init__(self, settings: PoolSettings | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.settings = settings or PoolSettings()
        self.loop = asyncio.get_running_loop()
        self.dialler = Dialler(self.settings)
        self._tls = tls
        self._heads = HeadWriter()
        self._places: dict[tuple[str, str, Fields], tuple[bytes, OriginPool]] = {}
        """Where a request goes and how its head begins, by method, URL and header fields: few differ."""
        self._origins: dict[Origin, OriginPool] = {}

    @property
    def tls(self) -> ssl.SSLContext:
        """The context of all connections, made when the first needs it: reading the authorities takes some ms."""
        if self._tls is None:
            self._tls = client_context()
        return self._tls

    def start(self, request: UpstreamRequest, timeouts: Timeouts) -> PooledFlight:
        """Writes the request at once when a connection is idle; else `head` opens one or waits for one."""
        method, body = request.method, request.body
        beginning, origin_pool = self._places.get((method, request.url, request.headers)) or self._find(request)
        flight = PooledFlight(origin_pool, request, head_of(beginning, method, body, request.length), timeouts)
        if origin_pool.idle and request.length is None:
            origin_pool.idle.popitem()[0].send(flight)
        return flight

    async def aclose(self) -> None:
        """Closes every connection; flights under way fail (LOCAL)."""
        closed = problem(Outcome.LOCAL, "given up: Headgate is stopping")
        pools = list(self._origins.values())
        for origin_pool in pools:
            origin_pool.close(closed)
        try:
            async with asyncio.timeout(_CLOSE_S_MAX):
                for origin_pool in pools:
                    await origin_pool.emptied()
        except TimeoutError:  # a TLS connection whose peer is silent: the loop closes its socket later
            return

    def _find(self, request: UpstreamRequest) -> tuple[bytes, OriginPool]:
        """Reads a URL and renders header fields not seen lately."""
        place = parse_place(request.url)
        beginning = self._heads.render(request.method, place, request.headers)
        if len(self._places) >= _PLACES_MAX:
            self._places.clear()
        origin_pool = self._origins.get(place.origin) or self._new_origin(place.origin)
        self._places[request.method, request.url, request.headers] = found = (beginning, origin_pool)
        return found

    def _new_origin(self, origin: Origin) -> OriginPool:
        if len(self._origins) >= self.settings.origins_max:
            unused = next((known for known, pool in self._origins.items() if pool.is_unused), None)
            if unused is None:
                words = f"no room for connections to {origin}: origins_max={self.settings.origins_max} are in use"
                raise UpstreamError(problem(Outcome.LOCAL, words))
            del self._origins[unused]
            self._places.clear()
        self._origins[origin] = origin_pool = OriginPool(self, origin)
        return origin_pool


class OriginPool:
    """The connections to one origin, and the flights that wait for one."""

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self.settings = pool.settings
        self.loop = pool.loop
        self.idle: dict[Connection, None] = {}  # in order of their last use; the last goes first
        self._connections: set[Connection] = set()
        self._opening: set[PooledFlight] = set()
        self._waiting: deque[tuple[PooledFlight, asyncio.Future[None]]] = deque()
        self._closed: Problem | None = None
        self._emptied: asyncio.Future[None] | None = None

    @property
    def is_unused(self) -> bool:
        return not (self._connections or self._opening or self._waiting)

    async def board(self, flight: PooledFlight) -> None:
        """Gives a flight its connection and sends its request; or leaves it failed."""
        if self._closed is not None:
            flight.fail(self._closed)
        elif self.idle and not flight.is_second_try:
            self.idle.popitem()[0].send(flight)
        elif self._has_room():
            self._opening.add(flight)
            await self._open(flight)
        elif len(self._waiting) >= self.settings.waiting_per_origin_max:
            words = f"too many requests wait for a connection to {self.origin}"
            limits = f"waiting_per_origin_max={self.settings.waiting_per_origin_max}"
            flight.fail(problem(Outcome.LOCAL, f"{words} ({limits})"))
        else:
            await self._wait(flight)
            if flight in self._opening:
                await self._open(flight)

    def freed(self, connection: Connection) -> None:
        """The connection carries the next flight that waits, or rests."""
        flight = self._next_waiting()
        if flight is not None:
            connection.send(flight)
        elif self._closed is not None or len(self.idle) >= self.settings.idle_per_origin_max:
            connection.drop()
        else:
            self.idle[connection] = None
            connection.rest(self.settings.idle_s_max)

    def leaving(self, connection: Connection) -> None:
        """The connection is closing: no request for it any more."""
        self.idle.pop(connection, None)

    def gone(self, connection: Connection) -> None:
        """A socket is closed: room for another."""
        self.idle.pop(connection, None)
        self._connections.discard(connection)
        self._give_room()
        if self._emptied is not None and not self._connections and not self._emptied.done():
            self._emptied.set_result(None)

    def close(self, closed: Problem) -> None:
        """Fails every flight and closes every connection."""
        self._closed = closed
        for flight in [*self._opening, *(flight for flight, _ in self._waiting)]:
            flight.give_up(closed)
        for connection in list(self._connections):
            connection.fail(closed)

    async def emptied(self) -> None:
        """Waits until every socket is closed."""
        if self._connections:
            self._emptied = self.loop.create_future()
            await self._emptied

    def _has_room(self) -> bool:
        return len(self._connections) + len(self._opening) < self.settings.connections_per_origin_max

    def _next_waiting(self) -> PooledFlight | None:
        while self._waiting:
            flight, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return flight
        return None

    def _give_room(self) -> None:
        """Lets a flight that waits open a connection, if there is room for one."""
        if self._waiting and self._has_room() and (flight := self._next_waiting()) is not None:
            self._opening.add(flight)

    async def _wait(self, flight: PooledFlight) -> None:
        """Until the flight has a connection or may open one."""
        wait_s = min(self.settings.wait_s_max, flight.timeouts.head_s)
        waiter = self.loop.create_future()
        entry = (flight, waiter)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(wait_s) as flight.opening:
                await waiter
        except TimeoutError:
            limits = f"connections_per_origin_max={self.settings.connections_per_origin_max}"
            limits += f", wait_s_max={self.settings.wait_s_max:g}"
            self._leave(entry)
            flight.fail(problem(Outcome.LOCAL, f"no connection to {self.origin} came free in {wait_s:g} s ({limits})"))
        except BaseException:
            self._leave(entry)
            raise
        finally:
            flight.opening = None

    def _leave(self, entry: tuple[PooledFlight, asyncio.Future[None]]) -> None:
        """Gives back the place in the queue, or what came of it in the same moment."""
        flight, _ = entry
        if entry in self._waiting:
            self._waiting.remove(entry)
        elif flight in self._opening:
            self._opening.discard(flight)
            self._give_room()
        elif flight.connection is not None:
            flight.connection.drop()

    async def _open(self, flight: PooledFlight) -> None:
        """Opens a connection for the flight, whose place among `_opening` is taken."""
        try:
            async with asyncio.timeout(flight.timeouts.connect_s) as flight.opening:
                flight.check()  # it may have been aborted in the moment in which its turn came
                connection = await self._connection()
        except TimeoutError:
            words = f"connect timeout: no connection to {self.origin} in {flight.timeouts.connect_s:g} s"
            flight.fail(problem(Outcome.CONNECT, words))
        except UpstreamError as error:
            flight.fail(error.problem)
        except OSError as error:
            flight.fail(connect_problem(error, str(self.origin)))
        else:
            self._connections.add(connection)
            self._opening.discard(flight)
            self._begin(connection, flight)
        finally:
            flight.opening = None
            if flight in self._opening:
                self._opening.discard(flight)
                self._give_room()

    async def _connection(self) -> Connection:
        opened = await self._pool.dialler.socket_to(self.origin)
        tls = self._pool.tls if self.origin.is_tls else None
        name = self.origin.host if self.origin.is_tls else None
        try:
            _, connection = await self.loop.create_connection(
                lambda: Connection(self), sock=opened, ssl=tls, server_hostname=name
            )
        except BaseException:
            opened.close()
            raise
        return connection

    def _begin(self, connection: Connection, flight: PooledFlight) -> None:
        if connection.is_lost:
            self.gone(connection)
            flight.fail(problem(Outcome.CONNECT, f"reset: {self.origin} closed the connection as soon as it was open"))
        elif flight.is_ended:  # aborted meanwhile: the connection is good for another
            self.freed(connection)
        else:
            connection.send(flight)
