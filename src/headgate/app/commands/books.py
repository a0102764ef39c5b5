"""`headgate db verify`: whether the ledger, the sums and the calls say the same. Reads only."""

from headgate.app.config import Setup
from headgate.ledger.credit import Difference, verify
from headgate.store.opening import open_store


def differences(setup: Setup) -> list[Difference]:
    """Where they do not; empty: nowhere."""
    with open_store(setup.config.store_url) as store, store.read() as connection:
        return verify(connection)
