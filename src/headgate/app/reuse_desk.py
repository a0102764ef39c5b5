"""Answers that are used again, as those who look after them see it: what there is, what it saves, and out with it."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from msgspec import structs

from headgate.app.core import Core
from headgate.cache.shelf import Purge
from headgate.ledger.saving import By, Line, grouped
from headgate.policies.roles import Administrator
from headgate.store.base import StoreError
from headgate.store.queries import savings

HEARING_S: Final = 2.0
"""How soon a purge by another process is heard of."""
_log = logging.getLogger("headgate")


class ReuseDesk:
    """As one administrator sees it. Waits for a disk: called in threads."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant, here and in every process that shares the store. Returns how many that were."""
        core, who = self._core, self._who
        tenant = wanted.tenant or who.team or who.organisation
        if tenant:
            core.tenancy.kids(tenant)
            who.check_reach(f"organisation, team or key {tenant!r}", core.tenancy.home(tenant), "account_not_found")
        wanted = structs.replace(wanted, tenant=tenant)
        count = core.answers.purge(wanted)
        core.purges.note(wanted)
        return count

    def state(self) -> dict[str, int]:
        """How much is kept."""
        answers = self._core.answers
        count, size = (0, 0) if answers.keeper is None else answers.keeper.held()
        return {
            "memory_entries": len(answers.shelf),
            "memory_bytes": answers.shelf.bytes,
            "memory_evicted": answers.shelf.evicted,
            "kept_entries": count,
            "kept_bytes": size,
            "damaged": answers.damaged,
            "unwritten": answers.unwritten,
        }

    def savings(self, by: By, since_us: int, before_us: int) -> Sequence[Line]:
        """What was saved on the days of a time."""
        core, who = self._core, self._who
        core.applier.drain()
        with core.store.read() as connection:
            found = savings.between(connection, since_us, before_us)
        if who.role is not None:
            found = [each for each in found if who.reaches(*core.tenancy.home(each.key_id))]
        return grouped(found, by, lambda key_id: core.tenancy.home(key_id)[1])


async def keep_hearing(core: Core) -> None:
    """Does what other processes have purged, forever."""
    while True:
        await asyncio.sleep(HEARING_S)
        try:
            for wanted in await asyncio.to_thread(core.purges.heard):
                core.answers.shelf.purge(wanted)
        except StoreError as fault:
            _log.error("event=purges_not_read error=%r", str(fault))
