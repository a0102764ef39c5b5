"""The composition root: opens what must be open, in order, joins the rooms, and closes in reverse."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from headgate.app.compiled import Compiled, compile_setup
from headgate.app.config import Setup
from headgate.app.demo import DemoTransport
from headgate.engine.conduct import Engine
from headgate.ledger.applier import Applier
from headgate.ledger.calls import Calls
from headgate.ledger.journal import Journal, JournalSettings
from headgate.ledger.prices import PriceBook
from headgate.policies.keys import KeyRing
from headgate.policies.metering import Metering
from headgate.server.asgi import ClientListener, Doors
from headgate.server.asgi import KeyRing as Keys
from headgate.server.asgi import Settings as ListenerSettings
from headgate.server.exchange import Spawn
from headgate.store.sqlite import Store
from headgate.transport.base import Transport
from headgate.transport.pool import Pool

_log = logging.getLogger("headgate")
REFRESH_S = 1.0
"""How often keys are compared with the store."""


class Core:
    """What one process has once, whatever the number of listeners: the books and the compiled configuration."""

    def __init__(self, setup: Setup, store: Store, journal: Journal, keys: KeyRing) -> None:
        self.setup = setup
        self.store = store
        self.journal = journal
        self.keys = keys
        self.prices = PriceBook()
        self.calls = Calls(store)
        self.metering = Metering(journal, self.prices, self.calls)
        self.compiled: Compiled = compile_setup(setup, self.prices, now_s=int(time.time()))

    def why_not_ready(self) -> str:
        """Empty when calls can be served."""
        return self.journal.failure


@asynccontextmanager
async def open_core(setup: Setup) -> AsyncIterator[Core]:
    """Opens store, journal, applier and keys; on the way out everything written is applied."""
    config = setup.config
    async with AsyncExitStack() as stack:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = stack.enter_context(Store(config.store_path))
        journal = Journal(JournalSettings(directory=config.data_dir / "journal"))
        stack.callback(journal.close)
        applier = Applier(journal, store)
        stack.callback(applier.close)
        keys = KeyRing(store, config.data_dir)
        yield Core(setup, store, journal, keys)


@asynccontextmanager
async def open_engine(core: Core) -> AsyncIterator[tuple[Engine, Spawn]]:
    """An engine on the running loop, with its own connections and task group."""
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(_tasks())
        pool = Pool()
        stack.push_async_callback(pool.aclose)
        demo = DemoTransport()
        stack.push_async_callback(demo.aclose)
        transports: dict[str, Transport] = {"http": pool, "https": pool, "demo": demo}
        yield Engine(core.compiled.directory, transports, core.metering), group


@asynccontextmanager
async def _tasks() -> AsyncIterator[Spawn]:
    """The one task group; what still runs at the end is cancelled."""
    async with asyncio.TaskGroup() as group:
        tasks: set[asyncio.Task[None]] = set()

        def spawn(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            task = group.create_task(coroutine)
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return task

        try:
            yield spawn
        finally:
            for task in tasks:
                task.cancel()


def client_listener(core: Core, engine: Engine, spawn: Spawn, keys: Keys) -> ClientListener:
    """The application that clients call. `keys` says who they are."""
    doors = Doors(
        engine=engine,
        keys=keys,
        calls=core.calls,
        listing=lambda: core.compiled.listing,
        is_ready=core.why_not_ready,
        spawn=spawn,
    )
    return ClientListener(doors, ListenerSettings(body_bytes_max=core.setup.config.server.body_bytes_max))
