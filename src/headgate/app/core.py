"""What one process has once, whatever the number of its listeners: the books and the compiled configuration."""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from headgate.app.compiled import Compiled, compile_setup
from headgate.app.config import Setup
from headgate.ledger.applier import Applier
from headgate.ledger.calls import Calls
from headgate.ledger.journal import Journal, JournalSettings
from headgate.ledger.prices import PriceBook
from headgate.policies.keys import KeyRing
from headgate.policies.metering import Metering
from headgate.policies.pepper import Pepper, load_pepper
from headgate.store.base import Store
from headgate.store.sqlite import open_sqlite


class Core:
    """Made by `open_core`."""

    def __init__(self, setup: Setup, store: Store, pepper: Pepper, journal: Journal, applier: Applier) -> None:
        self.setup = setup
        self.store = store
        self.pepper = pepper
        self.journal = journal
        self.applier = applier
        self.keys = KeyRing(store, pepper)
        self.prices = PriceBook()
        self.calls = Calls(store, applier)
        self.metering = Metering(journal, self.prices, self.calls)
        self.compiled: Compiled = compile_setup(setup, self.prices, now_s=int(time.time()))

    def why_not_ready(self) -> str:
        """Empty when calls can be served."""
        return self.journal.failure

    def now_us(self) -> int:
        """Unix time in microseconds."""
        return time.time_ns() // 1000


@asynccontextmanager
async def open_core(setup: Setup) -> AsyncGenerator[Core]:
    """Opens store, journal, applier and keys; on the way out everything written is applied."""
    config = setup.config
    async with AsyncExitStack() as stack:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = open_sqlite(config.store_path)
        stack.callback(store.close)
        journal = Journal(JournalSettings(directory=config.data_dir / "journal"))
        stack.callback(journal.close)
        applier = Applier(journal, store)
        stack.callback(applier.close)
        yield Core(setup, store, load_pepper(config.data_dir, os.environ), journal, applier)
