"""Calls: found at once and later, listed newest first, page by page."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate.core.problems import InvalidRequest, Outcome
from headgate.core.record import CallRecord
from headgate.ledger.applier import Applier
from headgate.ledger.calls import Calls
from headgate.ledger.journal import Journal, JournalSettings
from headgate.store.base import Store
from headgate.store.memory import open_memory
from headgate.store.queries import calls as queries
from headgate.store.queries.calls import CallFilter


def record(call_id: str, **more: Any) -> CallRecord:
    words: dict[str, Any] = {
        "started_us": 1,
        "key_id": "k",
        "surface": "openai_chat",
        "operation": "generate",
        "model": "m",
        "is_stream": False,
    }
    return CallRecord(id=call_id, **{**words, **more})


@pytest.fixture
def store() -> Iterator[Store]:
    with open_memory() as opened:
        yield opened


def keep(store: Store, *records: CallRecord) -> None:
    with store.write() as connection:
        queries.add(connection, [(each, msgspec.json.encode(each)) for each in records])


def test_a_call_is_found_as_soon_as_it_is_remembered(store: Store):
    calls = Calls(store)
    calls.remember("a", msgspec.json.encode(record("a")))

    assert asyncio.run(calls.find("a")) == record("a")
    assert asyncio.run(calls.find("b")) is None


def test_what_is_no_longer_at_hand_comes_from_the_store(store: Store):
    keep(store, record("a", error="from the store"))
    calls = Calls(store, recent_max=1)
    for call_id in "abc":
        calls.remember(call_id, msgspec.json.encode(record(call_id)))

    found = [asyncio.run(calls.find(call_id)) for call_id in "abc"]

    assert found == [record("a", error="from the store"), record("b"), record("c")]


def test_a_list_shows_what_ended_just_now(store: Store, tmp_path: Path):
    journal = Journal(JournalSettings(directory=tmp_path))
    applier = Applier(journal, store)
    calls = Calls(store, applier)

    for number in range(8):
        journal.call_ended(record(f"{number}"))
        page = asyncio.run(calls.recent(CallFilter(), limit=1))
        assert page.records == [record(f"{number}")]

    applier.close()
    journal.close()


def test_a_call_that_is_neither_at_hand_nor_stored_yet_is_waited_for(store: Store, tmp_path: Path):
    journal = Journal(JournalSettings(directory=tmp_path))
    applier = Applier(journal, store)
    calls = Calls(store, applier)

    for number in range(20):
        journal.call_ended(record(f"{number}"))
        assert asyncio.run(calls.find(f"{number}")) == record(f"{number}")
    assert asyncio.run(calls.find("nobody's")) is None

    applier.close()
    journal.close()


def test_pages_follow_each_other_without_gap_or_repetition(store: Store):
    records = [record(f"{number:02}", started_us=number // 3) for number in range(10)]
    keep(store, *records)
    calls = Calls(store)

    pages, after = [], ""
    while True:
        page = asyncio.run(calls.recent(CallFilter(), limit=4, after=after))
        pages.append([each.id for each in page.records])
        if not (after := page.next):
            break

    assert pages == [["09", "08", "07", "06"], ["05", "04", "03", "02"], ["01", "00"]]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (CallFilter(key_id="k2"), ["d", "c"]),
        (CallFilter(model="x"), ["c"]),
        (CallFilter(status=429), ["b"]),
        (CallFilter(outcome="rate"), ["b"]),
        (CallFilter(since_us=3), ["d", "c"]),
        (CallFilter(key_id="k2", model="x", since_us=4), []),
        (CallFilter(key_id="' OR 1=1 --"), []),
    ],
)
def test_a_list_shows_what_fits(store: Store, wanted: CallFilter, ids: list[str]):
    keep(
        store,
        record("a"),
        record("b", started_us=2, status=429, outcome=Outcome.RATE),
        record("c", started_us=3, key_id="k2", model="x"),
        record("d", started_us=4, key_id="k2"),
    )

    page = asyncio.run(Calls(store).recent(wanted))

    assert [each.id for each in page.records] == ids


@pytest.mark.parametrize("cursor", ["a", "1.2", ".", "9999999999999999999", "-1", "²"])
def test_a_made_up_place_is_refused(store: Store, cursor: str):
    with pytest.raises(InvalidRequest):
        asyncio.run(Calls(store).recent(CallFilter(), after=cursor))
