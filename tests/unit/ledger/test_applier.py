"""The applier: the journal ends up in the store, each call once, whatever stops in between."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from headgate.core.problems import Outcome
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.usage import Usage
from headgate.ledger import credit
from headgate.ledger.applier import CUT_SHORT, Applier
from headgate.ledger.journal import Journal, JournalSettings
from headgate.store.base import Store
from headgate.store.queries import spend
from headgate.store.queries.calls import CallFilter, newest
from headgate.store.tables import CALLS

WORDS: dict[str, Any] = {
    "key_id": "k",
    "surface": "openai_chat",
    "operation": "generate",
    "model": "m",
    "is_stream": False,
}


def attempt_start(call_id: str, number: int) -> AttemptStart:
    return AttemptStart(
        call_id=call_id,
        number=number,
        started_us=1_000_000 + number * 1000,
        provider=f"p{number}",
        model="m",
        dialect="openai_chat",
        lane="verbatim",
        price_version="v1",
    )


def start(call_id: str) -> CallStart:
    return CallStart(id=call_id, started_us=1_000_000, attempt=attempt_start(call_id, 1), **WORDS)


def record(call_id: str, started_us: int = 1_000_000) -> CallRecord:
    usage = Usage(input_tokens=10, output_tokens=5)
    attempt = Attempt(
        number=1, provider="p1", model="m", dialect="openai_chat", lane="verbatim", usage=usage, cost_nano_usd=7
    )
    return CallRecord(
        id=call_id, started_us=started_us, status=200, attempts=[attempt], usage=usage, cost_nano_usd=7, **WORDS
    )


def open_journal(directory: Path, **more: Any) -> Journal:
    return Journal(JournalSettings(directory=directory, durability="os", **more))


def apply_all(journal: Journal, store: Store) -> Applier:
    applier = Applier(journal, store)
    assert applier.drain()
    applier.close()
    journal.close()
    return applier


def kept(store: Store) -> list[CallRecord]:
    with store.read() as connection:
        return [each.record for each in newest(connection, CallFilter(), 1000)]


def test_ended_calls_reach_the_store(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path)
    journal.call_started(start("a"))
    journal.call_ended(record("a"))
    journal.call_ended(record("b", started_us=2_000_000))

    apply_all(journal, store)

    assert kept(store) == [record("b", started_us=2_000_000), record("a")]


def test_applying_twice_is_applying_once(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path)
    for number in range(500):
        journal.call_ended(record(f"{number:03}"))
    lock = (tmp_path / "lock").read_bytes()
    segment = next(tmp_path.glob("*.journal"))
    written = segment.read_bytes()
    apply_all(journal, store)
    once = kept(store)

    # The same journal again, under the name of another one, so that its place in the store is not known.
    (tmp_path / "lock").write_bytes(lock.replace(lock[-5:-1], b"0000"))
    segment.write_bytes(written)
    again = open_journal(tmp_path)
    apply_all(again, store)

    assert len(once) == 500
    assert kept(store) == once
    with store.read() as connection:
        assert connection.execute(select(func.count(), func.sum(CALLS.c.cost_nano_usd))).one() == (500, 3500)
        assert credit.verify(connection) == []


def test_a_restart_goes_on_where_it_was(tmp_path: Path, store: Store):
    for call_id in ("a", "b", "c"):
        journal = open_journal(tmp_path)
        journal.call_started(start(call_id))
        journal.call_ended(record(call_id))
        applier = apply_all(journal, store)
        assert applier.cut_short == 0

    assert sorted(each.id for each in kept(store)) == ["a", "b", "c"]
    assert len(list(tmp_path.glob("*.journal"))) <= 2


def test_a_call_without_an_end_is_kept_as_cut_short_once_its_process_is_gone(tmp_path: Path, store: Store):
    first = open_journal(tmp_path)
    first.call_started(start("a"))
    first.attempt_started(attempt_start("a", 2))
    apply_all(first, store)
    assert kept(store) == []

    applier = apply_all(open_journal(tmp_path), store)
    apply_all(open_journal(tmp_path), store)

    attempts = [
        Attempt(
            number=number,
            provider=f"p{number}",
            model="m",
            dialect="openai_chat",
            lane="verbatim",
            started_ms=float(number),
            outcome=Outcome.LOCAL,
            message=CUT_SHORT,
            usage_source="crash_recovered",
            price_version="v1",
            is_priced=False,
        )
        for number in (1, 2)
    ]
    assert applier.cut_short == 1
    assert len(list(tmp_path.glob("*.journal"))) == 1
    assert kept(store) == [
        CallRecord(
            id="a",
            started_us=1_000_000,
            outcome=Outcome.LOCAL,
            error=CUT_SHORT,
            attempts=attempts,
            usage_source="crash_recovered",
            is_priced=False,
            **WORDS,
        )
    ]


def test_a_segment_goes_when_everything_in_it_is_kept_and_over(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path, segment_bytes=2000)
    applier = Applier(journal, store)
    journal.call_started(start("long"))
    for number in range(30):
        journal.call_ended(record(str(number)))
    assert applier.drain()
    with_a_call_open = len(list(tmp_path.glob("*.journal")))

    journal.call_ended(record("long"))
    assert applier.drain()

    assert with_a_call_open > 5
    assert len(list(tmp_path.glob("*.journal"))) == 1
    assert applier.lag_bytes == 0
    assert applier.lag_s == 0.0
    applier.close()
    journal.close()


class Moody(Store):
    """A store over another one that can be out of order."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.is_out_of_order = True

    @contextmanager
    def write(self) -> Generator[Connection]:
        if self.is_out_of_order:
            raise OperationalError("COMMIT", None, Exception("disk full"))
        with self._inner.write() as connection:
            yield connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        with self._inner.read() as connection:
            yield connection


class Forgetful(Moody):
    """A store whose answers to every other commit are lost on the way."""

    commits = 0

    @contextmanager
    def write(self) -> Generator[Connection]:
        with self._inner.write() as connection:
            yield connection
        self.commits += 1
        if self.commits % 2:
            raise OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))


def test_a_commit_whose_answer_was_lost_is_not_made_again(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path, segment_bytes=20_000)
    applier = Applier(journal, Forgetful(store))
    for number in range(300):
        journal.call_ended(record(f"{number:03}"))
        if number % 60 == 0:
            time.sleep(0.12)  # batches, the first of which end where later ones do not
    assert applier.drain()
    applier.close()
    journal.close()

    assert len(kept(store)) == 300
    with store.read() as connection:
        assert spend.total(connection, ["k"]) == (300, 3000, 1500, 2100, 2100)
        assert credit.used(connection, ["k"]) == 2100
        assert credit.verify(connection) == []


def test_while_the_store_is_out_of_order_the_journal_keeps_everything(tmp_path: Path, store: Store):
    moody = Moody(store)
    journal = open_journal(tmp_path, segment_bytes=2000)
    for number in range(20):
        journal.call_ended(record(str(number)))
    applier = Applier(journal, moody)

    assert not applier.drain(timeout_s=0.2)
    assert "disk full" in applier.failure
    assert applier.lag_bytes > 2000
    assert applier.lag_s > 0
    moody.is_out_of_order = False
    assert applier.drain()

    assert applier.failure == ""
    assert len(kept(store)) == 20
    applier.close()
    journal.close()


def test_a_record_that_cannot_be_read_is_put_aside_and_counted(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path)
    journal.call_started(start("a"))
    broken = record("a")
    broken.duration_ms = float("nan")
    journal.call_ended(broken)
    journal.call_ended(record("b"))

    applier = apply_all(journal, store)

    assert applier.rejected == 1
    assert b'"duration_ms":null' in (tmp_path / "rejected.jsonl").read_bytes()
    assert [each.id for each in kept(store)] == ["b"]


def test_what_is_put_aside_is_there_once_though_the_commit_fails(tmp_path: Path, store: Store):
    apply_all(open_journal(tmp_path), store)  # a store that is new gets its rollups before anything else
    journal = open_journal(tmp_path)
    for name in "abc":
        broken = record(name)
        broken.duration_ms = float("nan")
        journal.call_ended(broken)
    journal.call_ended(record("d"))
    journal.close()
    journal = open_journal(tmp_path)
    applier = Applier(journal, Moody(store))
    assert not applier.drain(timeout_s=0.3)
    assert "disk full" in applier.failure
    applier.close()
    journal.close()
    aside = tmp_path / "rejected.jsonl"
    told = aside.read_bytes()
    assert told.count(b"\n") == 3

    aside.write_bytes(told[: len(told) // 2])  # as if the process had ended in the midst of it
    journal = open_journal(tmp_path)
    assert apply_all(journal, store).rejected == 3
    assert aside.read_bytes() == told
    journal = open_journal(tmp_path)
    assert apply_all(journal, store).rejected == 0
    assert aside.read_bytes() == told


def test_a_store_that_is_well_again_is_asked_once_more_at_the_end(tmp_path: Path, store: Store):
    moody = Moody(store)
    journal = open_journal(tmp_path)
    applier = Applier(journal, moody)
    journal.call_ended(record("a"))
    assert not applier.drain(timeout_s=0.5)  # by now it waits for longer and longer
    moody.is_out_of_order = False

    applier.close()

    assert [each.id for each in kept(store)] == ["a"]
    journal.close()


def test_numbers_beyond_the_store_are_kept_in_the_record(tmp_path: Path, store: Store):
    huge = record("a")
    huge.usage = Usage(input_tokens=2**70)
    huge.attempts[0].usage = huge.usage
    journal = open_journal(tmp_path)
    journal.call_ended(huge)

    apply_all(journal, store)

    assert kept(store) == [huge]


def test_it_applies_by_itself(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path)
    applier = Applier(journal, store)
    journal.call_ended(record("a"))

    end = time.monotonic() + 5
    while not kept(store) and time.monotonic() < end:
        time.sleep(0.01)

    assert kept(store) == [record("a")]
    applier.close()
    journal.close()


def test_more_than_is_kept_at_hand_is_read_from_the_segments(tmp_path: Path, store: Store):
    moody = Moody(store)
    journal = open_journal(tmp_path, segment_bytes=100_000)
    applier = Applier(journal, moody)
    for number in range(5000):
        journal.call_started(start(str(number)))
        journal.call_ended(record(str(number)))
    assert not applier.drain(timeout_s=0.1)

    moody.is_out_of_order = False
    assert applier.drain(timeout_s=60)
    journal.call_ended(record("last"))
    assert applier.drain(timeout_s=60)

    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(CALLS)) == 5001
    assert len(list(tmp_path.glob("*.journal"))) == 1
    applier.close()
    journal.close()


def test_the_segment_of_a_call_under_way_stays(tmp_path: Path, store: Store):
    journal = open_journal(tmp_path, segment_bytes=2000)
    applier = Applier(journal, store)
    journal.call_started(start("long"))
    for number in range(50):
        journal.call_ended(record(str(number)))
    assert applier.drain()
    first = min(tmp_path.glob("*.journal"))
    assert b'"long"' in first.read_bytes()

    journal.call_ended(record("long"))
    assert applier.drain()

    assert not first.exists()
    applier.close()
    journal.close()
