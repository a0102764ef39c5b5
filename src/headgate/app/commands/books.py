"""`headgate db verify`: whether the ledger, the sums and the calls say the same, and the audit is whole. Reads only."""

from headgate.app.config import Setup
from headgate.ledger.credit import Difference, verify
from headgate.store.opening import open_store
from headgate.store.queries import audit


def differences(setup: Setup) -> list[Difference]:
    """Where they do not; empty: nowhere."""
    with open_store(setup.config.store_url) as store, store.read() as connection:
        return verify(connection)


def audit_broken_at(setup: Setup) -> int | None:
    """The first line of the audit that was changed, or before which one was taken out; None: it is whole."""
    with open_store(setup.config.store_url) as store, store.read() as connection:
        return audit.broken(connection)
