"""`headgate db verify` and `db rebuild`: do ledger, sums, rollups and calls say the same, and is the audit whole."""

import time

from headgate.app.config import Setup
from headgate.ledger import rolling
from headgate.ledger.credit import Difference, verify
from headgate.ledger.rolling import Off
from headgate.store.opening import open_store
from headgate.store.queries import audit


def differences(setup: Setup) -> list[Difference]:
    """Where they do not; empty: nowhere."""
    with open_store(setup.config.store_url) as store, store.read() as connection:
        return verify(connection)


def rollups_off(setup: Setup) -> list[Off]:
    """Where the rollups do not say the same as the calls; empty: nowhere."""
    with open_store(setup.config.store_url) as store, store.read() as connection:
        return rolling.verify(connection)


def rebuild(setup: Setup) -> int:
    """Makes the rollups anew. Returns of how many calls."""
    with open_store(setup.config.store_url) as store, store.write() as connection:
        return rolling.rebuild(connection, time.time_ns() // 1000)


def audit_broken_at(setup: Setup) -> int | None:
    """The first line of the audit that was changed, or before which one was taken out; None: it is whole."""
    with open_store(setup.config.store_url) as store, store.read() as connection:
        return audit.broken(connection)
