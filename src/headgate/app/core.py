"""What one process has once, whatever the number of its listeners: the books and the compiled configuration."""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from headgate.app.compiled import Compiled, compile_setup
from headgate.app.config import Setup
from headgate.app.config_prices import price_book, unpriced
from headgate.cache.answers import Answers, Bounds
from headgate.cache.database import DatabaseKeeper, Purges
from headgate.core.problems import ConfigError
from headgate.ledger.applier import Applier
from headgate.ledger.calls import Calls
from headgate.ledger.journal import Journal, JournalInUse, JournalSettings
from headgate.ledger.minted import MintedIds
from headgate.ledger.unbilled import UnbilledThings
from headgate.policies.keys import KeyRing
from headgate.policies.limiting import Limits
from headgate.policies.metering import Metering
from headgate.policies.pepper import Pepper, load_pepper
from headgate.policies.tenancy import Tenancy
from headgate.routing.names import every_name
from headgate.store.base import Store
from headgate.store.opening import open_store


class Core:
    """Made by `open_core`."""

    def __init__(self, setup: Setup, store: Store, pepper: Pepper, journal: Journal, applier: Applier) -> None:
        self.setup = setup
        self.store = store
        self.pepper = pepper
        self.journal = journal
        self.applier = applier
        self.prices = price_book(setup.config.providers)
        self.calls = Calls(store, applier)
        self.unbilled = UnbilledThings(store, applier)
        minted = MintedIds(store)
        self.metering = Metering(journal, self.prices, self.calls, unpriced(setup.config.prices), minted)
        self.compiled: Compiled = compile_setup(setup, self.prices, now_s=int(time.time()))
        cache = setup.config.cache
        bounds = Bounds(
            entries_max=cache.entries_max, bytes_max=cache.bytes_max, answer_bytes_max=cache.answer_bytes_max
        )
        keeper = DatabaseKeeper(store) if cache.kept == "database" and self.compiled.directory.is_cached else None
        self.answers = Answers(pepper.digest, bounds, keeper)
        self.purges = Purges(store)
        self.tenancy = Tenancy(store, self.now_us, applier.drain, self._every_name)
        self.keys = KeyRing(store, pepper, self.now_us, self.tenancy)
        self.neighbours = 0
        """How many other gateways were last seen in the same database."""
        self.metering.limits = Limits(self.tenancy.limited, self._every_name, tariffs=self.tenancy.tariffs)

    def _every_name(self, model: str, provider: str, upstream: str) -> frozenset[str]:
        return every_name(self.compiled.directory, model, provider, upstream)

    def why_not_ready(self) -> str:
        """Empty when calls can be served."""
        return self.journal.failure

    def renew_prices(self, data: bytes) -> None:
        """Newer prices, for calls and lists from now on."""
        self.prices.renew(data)
        self.compiled.listing.forget()

    def now_us(self) -> int:
        """Unix time in microseconds."""
        return time.time_ns() // 1000


JOURNALS_MAX = 64
"""How many programs may use the library over one data directory at a time."""


@asynccontextmanager
async def open_core(setup: Setup, *, is_library: bool = False) -> AsyncGenerator[Core]:
    """Opens store, journal, applier and keys; on the way out everything written is applied.

    A data directory has one server, and beside it any number of programs that use the library: each of these writes
    a journal of its own, the first that nobody else has, so that one left behind by a crash is taken up again.
    """
    config = setup.config
    async with AsyncExitStack() as stack:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = open_store(config.store_url)
        stack.callback(store.close)
        journal = _library_journal(config.data_dir) if is_library else _journal(config.data_dir / "journal")
        stack.callback(journal.close)
        applier = Applier(journal, store)
        stack.callback(applier.close)
        core = Core(setup, store, load_pepper(config.data_dir, os.environ), journal, applier)
        stack.callback(core.answers.close)
        yield core


def _journal(directory: Path) -> Journal:
    return Journal(JournalSettings(directory=directory))


def _library_journal(data_dir: Path) -> Journal:
    for number in range(1, JOURNALS_MAX + 1):
        with suppress(JournalInUse):
            return _journal(data_dir / f"journal-library-{number}")
    raise ConfigError(f"{JOURNALS_MAX} programs use {data_dir} already; give this one a data_dir of its own.")
