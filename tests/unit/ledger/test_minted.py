"""Where an id means something: memory first, bounded; then the store, where the journal brings it."""

from pathlib import Path

import pytest
from tests.unit.ledger.test_applier import record

from headgate.core.minted import Minted
from headgate.ledger.applier import Applier
from headgate.ledger.journal import Journal, JournalSettings
from headgate.ledger.minted import MintedIds
from headgate.store.memory import open_memory
from headgate.store.queries import minted

pytestmark = pytest.mark.anyio


def entry(id: str, owner: str = "key:a", *, expires_us: int = 0) -> Minted:
    return Minted(id=id, owner=owner, kind="file", provider="p", created_us=1, expires_us=expires_us)


async def test_what_was_minted_just_now_is_at_hand_for_its_owner():
    ids = MintedIds()
    ids.remember([entry("one")])

    assert await ids.find("key:a", "one") == entry("one")
    assert await ids.find("key:b", "one") is None
    assert await ids.find_all("key:a", ["one", "two", "one"]) == {"one": entry("one")}
    assert await ids.find_all("key:b", ["one"]) == {}


async def test_an_expired_id_is_unknown():
    ids = MintedIds(clock_us=lambda: 100)
    ids.remember([entry("old", expires_us=100), entry("young", expires_us=101)])

    assert await ids.find("key:a", "old") is None
    assert list(await ids.find_all("key:a", ["old", "young"])) == ["young"]


async def test_memory_is_bounded_and_the_store_has_the_rest():
    with open_memory() as store:
        with store.write() as connection:
            minted.put(connection, [entry("0")])
        ids = MintedIds(store, recent_max=2)
        ids.remember(entry(str(number)) for number in range(5))

        found = await ids.find_all("key:a", [str(number) for number in range(5)])

    assert sorted(found) == ["0", "2", "3", "4"]  # "1" was pushed out, and nobody stored it


async def test_a_deleted_id_is_unknown_although_the_store_still_has_it():
    with open_memory() as store:
        with store.write() as connection:
            minted.put(connection, [entry("one")])
        ids = MintedIds(store)
        assert await ids.find("key:a", "one") == entry("one")
        ids.remember([entry("one", expires_us=1)])

        assert await ids.find("key:a", "one") is None


async def test_the_journal_brings_what_a_killed_process_had_minted(tmp_path: Path):
    settings = JournalSettings(directory=tmp_path, durability="os")
    with open_memory() as store:
        journal = Journal(settings)
        ended = record("req_1")
        ended.minted = (entry("one"), entry("two", expires_us=1))
        journal.call_ended(ended)
        journal.close()  # nothing was applied, as if the process had been killed

        journal = Journal(settings)
        applier = Applier(journal, store)
        assert applier.drain()
        applier.close()
        journal.close()

        ids = MintedIds(store)
        assert await ids.find("key:a", "one") == entry("one")
        assert await ids.find("key:a", "two") is None
