"""The server face: the client listener and the administration on one loop, until a signal ends them."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import uvloop

from headgate import __version__
from headgate.app import wiring
from headgate.app.alert_channels import channels
from headgate.app.alerting import Alerting, keep_alerting
from headgate.app.around import Around
from headgate.app.config import Setup
from headgate.app.core import open_core
from headgate.app.crediting import keep_credit
from headgate.app.disk_room import DiskRoom, keep_room, room_at
from headgate.app.first_start import FirstKeys, first_keys
from headgate.app.neighbours import Neighbours, keep_looking
from headgate.app.price_keeping import keep_prices
from headgate.app.price_updates import keep_current, price_source
from headgate.app.probing import keep_probing
from headgate.app.till import Till, open_till
from headgate.app.welcome import Welcome, base_url, lines
from headgate.core.problems import ConfigError
from headgate.engine.billing import Biller
from headgate.engine.conduct import Engine
from headgate.server.asgi import AsgiListener
from headgate.server.http1 import Connections
from headgate.server.listener import new_id

SWITCH_S = 0.001
"""How long the thread that applies the journal may hold up calls at a time."""
GRACE_S = 30
"""How long calls under way may take to end once the server is told to stop."""
LAST_WORDS_S = 3
"""How long those that have not ended by then may take to tell their clients so."""
BACKLOG = 2048


Announce = Callable[[Sequence[str]], None]
"""Gets the lines to print, once, as soon as clients can call."""


def tidy_memory() -> None:
    """What is there after the start stays, and calls leave no cycles behind: there is little to look for."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def run_until_stopped(setup: Setup, announce: Announce) -> None:
    """Serves on a loop of its own until SIGINT or SIGTERM."""
    tidy_memory()
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(setup, announce))


async def serve(setup: Setup, announce: Announce) -> None:
    """Serves on the running loop until SIGINT or SIGTERM."""
    stop = _told_to_stop()  # before anybody is served: the administration may still be on its way when it comes
    config = setup.config.server
    client_socket = _listen(config.host, config.port)
    admin_socket = _listen(config.admin_host, config.admin_port)
    async with open_core(setup) as core, wiring.open_engine(core) as (engine, spawn):
        given = setup.config.admin_key
        made = first_keys(core.store, core.pepper, given.reveal() if given else "")
        core.keys.refresh()
        spawn(core.keys.keep_fresh())
        spawn(keep_looking(Neighbours(core)))
        spawn(keep_room(DiskRoom(core.metering.limits, partial(room_at, core.setup.config.data_dir))))
        till = open_till(core)
        spawn(keep_credit(core, till))
        spawn(keep_prices(core))
        if setup.config.probes.every_s:
            spawn(keep_probing(engine, setup.config.probes.every_s))
        if setup.config.prices.update:
            spawn(keep_current(core.renew_prices, price_source()))
        if ways := channels(setup.config.alerts):
            alerts = setup.config.alerts
            spawn(keep_alerting(Alerting(core, alerts, ways), alerts.every_s))
        spawn(Biller(engine, core.unbilled, new_id).keep_billing())
        listener = wiring.client_listener(core, engine, core.keys)
        await wiring.open_desk(core, engine, listener, spawn).batches.resume()
        clients = Connections(listener, spawn)
        async with _running(clients, client_socket, lambda: spawn(_fail_calls(engine))):
            announce(lines(_welcome(setup, made, client_socket, admin_socket)))
            url = base_url(config.host, client_socket.getsockname()[1])
            around = Around(core, engine, listener, spawn, stop.is_set, url)
            administration = await asyncio.to_thread(_administration, around, made, till)
            async with _running(Connections(administration, spawn), admin_socket, lambda: None):
                await stop.wait()


async def _fail_calls(engine: Engine) -> None:
    """Every call under way fails now, and says so to its client."""
    for transport in set(engine.transports.values()):
        await transport.aclose()


def _administration(around: Around, made: FirstKeys, till: Till | None) -> AsgiListener:
    """In a thread, since what it is built with takes longer to import than everything else together."""
    from headgate.app.administration import admin_doors  # noqa: PLC0415
    from headgate.app.dashboard import dashboard_sights  # noqa: PLC0415
    from headgate.server.admin.application import create_admin  # noqa: PLC0415
    from headgate.server.dashboard.application import Dashboard, Entrance  # noqa: PLC0415
    from headgate.server.dashboard.table import ROUTES  # noqa: PLC0415

    server = around.core.setup.config.server
    doors = admin_doors(around.core, till)
    administration = create_admin(doors, made.admin, server.admin_names)
    entrance = Entrance(key=made.admin, names=frozenset(name.lower() for name in server.admin_names))
    application = Dashboard(administration, dashboard_sights(around, doors), entrance, ROUTES)
    return AsgiListener(application, body_bytes_max=server.body_bytes_max)


def _welcome(setup: Setup, made: FirstKeys, client_socket: socket.socket, admin_socket: socket.socket) -> Welcome:
    config = setup.config.server
    return Welcome(
        version=__version__,
        clients=base_url(config.host, client_socket.getsockname()[1]),
        administration=base_url(config.admin_host, admin_socket.getsockname()[1]),
        providers=tuple(settings.name for settings in setup.providers),
        routes=tuple(setup.config.routes),
        client_key=made.client_plain,
        admin_key=made.admin_plain,
        notes=setup.notes,
    )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, before anything else is opened: a port that is taken is the most common fault."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{host}:{port} cannot be listened on: {reason}. Choose another port in `server`.") from None


@asynccontextmanager
async def _running(
    connections: Connections, listening: socket.socket, give_up: Callable[[], object]
) -> AsyncGenerator[None]:
    """Serves on a socket and, on the way out, lets its calls end; `give_up` when they take too long."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connections, sock=listening, backlog=BACKLOG)
    try:
        yield
    finally:
        server.close()
        timers = (loop.call_later(GRACE_S, give_up), loop.call_later(GRACE_S + LAST_WORDS_S, connections.abort))
        await connections.close()
        for timer in timers:
            timer.cancel()


def _told_to_stop() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
