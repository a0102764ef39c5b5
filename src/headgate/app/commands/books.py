"""`headgate db verify`: whether the ledger, the sums and the calls say the same. Reads only."""

from headgate.app.config import Setup
from headgate.ledger.credit import Difference, verify
from headgate.store.sqlite import open_sqlite


def differences(setup: Setup) -> list[Difference]:
    """Where they do not; empty: nowhere."""
    with open_sqlite(setup.config.store_path) as store, store.read() as connection:
        return verify(connection)
