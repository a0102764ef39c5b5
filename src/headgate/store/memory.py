"""The store in memory, for tests and for trying things out: the same code, and it ends with the process."""

from threading import RLock

from sqlalchemy.pool import StaticPool

from headgate.store.base import Store
from headgate.store.migrations import bring_up_to_date
from headgate.store.sqlite import sqlite_engine


def open_memory() -> Store:
    """A new, empty store. It has one connection, so its transactions take turns."""
    store = Store(sqlite_engine(":memory:", StaticPool), RLock())
    bring_up_to_date(store)
    return store
