"""`headgate db verify`: whether the ledger, the sums and the calls say the same, and the audit is whole. Reads only."""

from headgate.app.config import Setup
from headgate.ledger.credit import Difference, verify
from headgate.store.queries import audit
from headgate.store.sqlite import open_sqlite


def differences(setup: Setup) -> list[Difference]:
    """Where they do not; empty: nowhere."""
    with open_sqlite(setup.config.store_path) as store, store.read() as connection:
        return verify(connection)


def audit_broken_at(setup: Setup) -> int | None:
    """The first line of the audit that was changed, or before which one was taken out; None: it is whole."""
    with open_sqlite(setup.config.store_path) as store, store.read() as connection:
        return audit.broken(connection)
