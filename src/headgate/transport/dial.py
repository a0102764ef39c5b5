"""Opens sockets: asks for the addresses of a name, checks them, tries them in turn. Must not know HTTP.

The address that was checked is the address that is dialled, so a name that changes its mind gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.addresses import is_forbidden
from headgate.transport.faults import problem
from headgate.transport.origins import Origin
from headgate.transport.settings import PoolSettings

_NAMES_MAX: Final = 1024

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses of a host, best first; `OSError` when there are none."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """As the system's resolver has them, hosts file included."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Dialler:
    """Opens sockets to origins and remembers the addresses of their names, which `resolve` finds."""

    def __init__(self, settings: PoolSettings, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._resolve = resolve or system_addresses
        self._known: dict[Origin, tuple[float, Sequence[str]]] = {}

    async def socket_to(self, origin: Origin) -> socket.socket:
        """A connected socket; `OSError` or `UpstreamError` when there is none to be had."""
        addresses = [origin.host] if _is_address(origin.host) else await self._addresses(origin)
        if self._settings.public_only:
            addresses = [address for address in addresses if not is_forbidden(address)]
            if not addresses:
                raise UpstreamError(problem(Outcome.CONNECT, f"forbidden: {origin} is not on the public Internet"))
        if len(addresses) == 1:
            return await _connected(addresses[0], origin.port)
        return await self._first_of(addresses, origin.port)

    async def _addresses(self, origin: Origin) -> Sequence[str]:
        """The addresses of a name; those known from before when they are fresh, or when the resolver fails."""
        loop = asyncio.get_running_loop()
        asked_s, known = self._known.get(origin, (0.0, []))
        age_s = loop.time() - asked_s
        if known and age_s < self._settings.name_s_fresh:
            return known
        can_wait = known and age_s < self._settings.name_s_stale
        try:
            async with asyncio.timeout(self._settings.name_s_patience if can_wait else None):
                addresses = await self._resolve(origin.host, origin.port)
        except OSError:  # also `TimeoutError`
            if can_wait:
                return known
            raise
        if len(self._known) >= _NAMES_MAX:
            self._known.pop(next(iter(self._known)))
        self._known[origin] = (loop.time(), addresses)
        return addresses

    async def _first_of(self, addresses: Sequence[str], port: int) -> socket.socket:
        """The first address that answers: each next one is tried as well when those before stay silent or fail.
        (Happy Eyeballs, RFC 8305, without its sorting: the system's resolver has sorted.)"""
        tries: list[asyncio.Task[socket.socket | OSError]] = []
        winner: socket.socket | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for address in addresses:
                    tries.append(group.create_task(_connected_or_error(address, port)))
                    if winner := await _winner(tries, self._settings.stagger_s):
                        break
                while winner is None and not all(attempt.done() for attempt in tries):
                    winner = await _winner(tries, None)
                for attempt in tries:
                    attempt.cancel()
        finally:
            results = [attempt.result() for attempt in tries if attempt.done() and not attempt.cancelled()]
            for result in results:
                if isinstance(result, socket.socket) and result is not winner:
                    result.close()
        if winner is not None:
            return winner
        raise next(result for result in results if isinstance(result, OSError))


async def _winner(tries: Sequence[asyncio.Task[socket.socket | OSError]], wait_s: float | None) -> socket.socket | None:
    """A connected socket as soon as there is one; None when a try fails first or `wait_s` pass."""
    if open_tries := [attempt for attempt in tries if not attempt.done()]:
        await asyncio.wait(open_tries, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    results = [attempt.result() for attempt in tries if attempt.done()]
    return next((result for result in results if isinstance(result, socket.socket)), None)


async def _connected_or_error(address: str, port: int) -> socket.socket | OSError:
    try:
        return await _connected(address, port)
    except OSError as error:
        return error


async def _connected(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(opened, (address, port))
    except BaseException:
        opened.close()
        raise
    return opened


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
