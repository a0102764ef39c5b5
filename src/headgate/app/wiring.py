"""The composition root: joins the rooms into an engine and its listener on the running loop; closes in reverse."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from headgate.app.config import Config
from headgate.app.core import Core
from headgate.app.demo import DemoTransport
from headgate.app.own.batches import House
from headgate.app.own.desk import Desk
from headgate.app.own.wholesale import POLL_S, Wholesale, batch_made_for
from headgate.app.reuse_desk import keep_hearing
from headgate.app.signers import make_signers
from headgate.engine.conduct import Engine
from headgate.engine.conduct import Settings as EngineSettings
from headgate.engine.reusing import Reuse
from headgate.engine.stalling import keep_flowing
from headgate.engine.watching import keep_watch
from headgate.server.listener import ClientListener, Doors
from headgate.server.listener import KeyRing as Keys
from headgate.server.listener import Settings as ListenerSettings
from headgate.server.listening import Spawn
from headgate.transport.base import Transport
from headgate.transport.pool import Pool
from headgate.transport.sockets import Sockets


@asynccontextmanager
async def open_engine(core: Core) -> AsyncGenerator[tuple[Engine, Spawn]]:
    """An engine on the running loop, with its own connections and task group."""
    async with AsyncExitStack() as stack:
        spawn = await stack.enter_async_context(_tasks())
        pool = Pool()
        stack.push_async_callback(pool.aclose)
        sockets = Sockets(pool)
        stack.push_async_callback(sockets.aclose)
        demo = DemoTransport()
        stack.push_async_callback(demo.aclose)
        transports: dict[str, Transport] = {"http": pool, "https": pool, "demo": demo}
        engine = Engine(core.compiled.directory, transports, core.metering, _bounds(core.setup.config))
        engine.sockets = sockets
        if core.compiled.directory.is_cached:
            engine.reuse = Reuse(core.answers)
            spawn(keep_hearing(core))
        engine.signers = make_signers(core.compiled.directory.providers.values())
        spawn(keep_watch(engine.fleet))
        spawn(keep_flowing(engine.flows))
        yield engine, spawn


def _bounds(config: Config) -> EngineSettings:
    """The engine's limits, as configured."""
    timeouts = config.timeouts
    return EngineSettings(
        answer_bytes_max=config.server.answer_bytes_max,
        head_s=timeouts.head_s,
        whole_s=timeouts.whole_s,
        idle_s=timeouts.idle_s,
        keeper=config.kept.provider,
        passing=frozenset(config.pass_through.providers),
        passes_unknown_ids=config.kept.unknown_ids == "pass",
    )


@asynccontextmanager
async def _tasks() -> AsyncGenerator[Spawn]:
    """The one task group; what still runs at the end is cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group.create_task
            raise _Over  # how a group is told to cancel what it has
    except* _Over:
        pass


class _Over(Exception):
    """The engine closes."""


def client_listener(core: Core, engine: Engine, keys: Keys) -> ClientListener:
    """The application that clients call. `keys` says who they are."""
    doors = Doors(
        engine=engine,
        keys=keys,
        calls=core.calls,
        listing=lambda: core.compiled.listing,
        is_ready=core.why_not_ready,
    )
    config = core.setup.config
    settings = ListenerSettings(
        body_bytes_max=config.server.body_bytes_max,
        upload_bytes_max=config.server.upload_bytes_max,
        relay_bytes_max=config.kept.body_bytes_max,
        stream_bytes_max=config.kept.upload_bytes_max,
    )
    return ClientListener(doors, settings)


def open_desk(core: Core, engine: Engine, listener: ClientListener, spawn: Spawn) -> Desk:
    """The gateway's own files and batches, whose calls go through the same listener as everybody's."""
    house = House(
        store=core.store,
        folder=core.setup.config.data_dir / "batches",
        listener=listener,
        spawn=spawn,
        has_ended=core.keys.has_ended,
        wholesale=Wholesale(engine, listener, POLL_S),
        tier=core.setup.config.kept.batch_tier,
        find_batch=partial(batch_made_for, core.calls),
    )
    engine.own = desk = Desk(house)
    return desk
