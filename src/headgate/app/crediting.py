"""Looks after credit while the gateway runs: promotions that have ended go, and what was credited elsewhere is noticed.
Off the path of calls.
"""

import asyncio
import logging
from typing import Final

from headgate.app.core import Core
from headgate.app.till import Till
from headgate.ledger import credit
from headgate.policies.accounts import find_payer
from headgate.store.base import StoreError
from headgate.store.queries import promotions

EVERY_S: Final = 5.0
"""So long a promotion may be used after its end, and credit that another process gave may be unknown."""
_log = logging.getLogger("headgate")


def end_promotions(core: Core) -> int:
    """Takes away what is left of promotions that have ended. Gives how many accounts had any. Waits for the store."""
    now_us = core.now_us()
    with core.store.read() as connection:
        accounts = promotions.ended(connection, now_us)
    if not accounts:
        return 0
    core.applier.drain()
    for account in accounts:
        with core.store.read() as connection:
            kids = list(find_payer(connection, account).keys)
        credit.expire(core.store, account, kids, now_us)
    core.keys.renew()
    return len(accounts)


class Lookout:
    """Waits for the store: called in threads."""

    def __init__(self, core: Core, till: Till | None = None) -> None:
        self._core = core
        self._till = till
        self._seen = self._changes()

    def look(self) -> None:
        """Ends what has ended, tops up what runs low, and makes known what has changed."""
        end_promotions(self._core)
        if self._till is not None:
            self._till.top_up()
        changes = self._changes()
        if changes != self._seen:
            self._core.keys.renew()
            self._seen = changes

    def _changes(self) -> int:
        with self._core.store.read() as connection:
            return credit.changes(connection)


async def keep_credit(core: Core, till: Till | None) -> None:
    """For ever."""
    lookout = Lookout(core, till)
    while True:
        try:
            await asyncio.to_thread(lookout.look)
        except StoreError as fault:
            _log.warning("changes of credit have to wait for the store: %s", fault)
        await asyncio.sleep(EVERY_S)
