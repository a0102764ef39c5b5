"""The journal: what is written is found again, whatever happens to the process, the disk or the bytes."""

import errno
import os
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.problems import ConfigError, Outcome
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.usage import Usage
from headgate.ledger.disk import DISK, Disk
from headgate.ledger.journal import Journal, JournalFailed, JournalSettings
from headgate.ledger.segments import CALL_ENDED, CALL_STARTED, FILLER, DamagedJournal, Entry, Follower

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
COUNT = st.integers(0, 2**70)
USAGES = st.builds(
    Usage,
    input_tokens=COUNT,
    output_tokens=COUNT,
    extras=st.dictionaries(TEXT, st.sampled_from([msgspec.Raw(b'{"a":[1,null]}'), msgspec.Raw(b"3")]), max_size=2),
)
ATTEMPTS = st.builds(
    Attempt,
    number=st.integers(1, 9),
    provider=TEXT,
    model=TEXT,
    dialect=TEXT,
    lane=st.sampled_from(["verbatim", "translated"]),
    ttft_ms=st.none() | st.floats(0, 1e9),
    outcome=st.sampled_from(Outcome),
    usage=st.none() | USAGES,
    cost_nano_usd=COUNT,
)
RECORDS = st.builds(
    CallRecord,
    id=TEXT,
    started_us=st.integers(0, 2**60),
    key_id=TEXT,
    surface=TEXT,
    operation=TEXT,
    model=TEXT,
    is_stream=st.booleans(),
    attempts=st.lists(ATTEMPTS, max_size=3),
    error=TEXT,
)
decode = msgspec.json.Decoder(CallRecord).decode
encode = msgspec.json.encode


def start(call_id: str) -> CallStart:
    attempt = AttemptStart(
        call_id=call_id, number=1, started_us=2, provider="p", model="m", dialect="openai_chat", lane="verbatim"
    )
    return CallStart(
        id=call_id,
        started_us=1,
        key_id="k",
        surface="openai_chat",
        operation="generate",
        model="m",
        is_stream=False,
        attempt=attempt,
    )


def record(call_id: str) -> CallRecord:
    return CallRecord(
        id=call_id,
        started_us=1,
        key_id="k",
        surface="openai_chat",
        operation="generate",
        model="m",
        is_stream=False,
    )


def settings_in(directory: Path, **more: Any) -> JournalSettings:
    return JournalSettings(directory=directory / "journal", **more)


def entries(directory: Path) -> list[Entry]:
    follower = Follower(directory / "journal")
    found: list[Entry] = []
    while more := follower.read(2**62):
        found += more
    follower.close()
    return [entry for entry in found if entry.type != FILLER]


def ended_ids(directory: Path) -> list[str]:
    return [decode(entry.payload).id for entry in entries(directory) if entry.type == CALL_ENDED]


def segment(directory: Path) -> Path:
    return sorted((directory / "journal").glob("*.journal"))[0]


def written(directory: Path, *ids: str) -> bytes:
    """The bytes of a journal of these ended calls, written and closed."""
    journal = Journal(settings_in(directory, durability="os"))
    for call_id in ids:
        journal.call_ended(record(call_id))
    journal.close()
    return segment(directory).read_bytes()


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_is_written_is_read_in_order(tmp_path: Path):
    journal = Journal(settings_in(tmp_path))
    journal.call_started(start("a"))
    journal.call_ended(record("a"))
    journal.close()

    found = entries(tmp_path)

    assert [(entry.type, entry.payload) for entry in found] == [
        (CALL_STARTED, encode(start("a"))),
        (CALL_ENDED, encode(record("a"))),
    ]


@given(st.lists(RECORDS, max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_record_survives(tmp_path_factory: pytest.TempPathFactory, records: list[CallRecord]):
    directory = tmp_path_factory.mktemp("any")
    journal = Journal(settings_in(directory, durability="os"))
    for each in records:
        journal.call_ended(each)
    journal.close()

    assert [decode(entry.payload) for entry in entries(directory)] == records


def test_a_cut_anywhere_loses_only_what_it_cuts(tmp_path: Path):
    whole = written(tmp_path, "a", "b", "c")
    path, size = segment(tmp_path), len(whole) // 3
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])

        journal = Journal(settings_in(tmp_path, durability="os"))
        journal.close()

        assert ended_ids(tmp_path) == ["a", "b", "c"][: cut // size]
        assert journal.repaired == (1 if cut % size else 0)
        for empty in sorted((tmp_path / "journal").glob("*.journal"))[1:]:
            empty.unlink()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_is_never_believed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    directory = tmp_path_factory.mktemp("flip")
    whole = bytearray(written(directory, "a", "b", "c"))
    size = len(whole) // 3
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    segment(directory).write_bytes(whole)
    hit = place // size

    if hit < 2:
        with pytest.raises(DamagedJournal, match="--salvage"):
            Journal(settings_in(directory))
    Journal(settings_in(directory), salvage=hit < 2).close()

    assert ended_ids(directory) == [each for number, each in enumerate("abc") if number != hit]
    Journal(settings_in(directory)).close()  # repaired for good


def test_a_good_record_in_the_wrong_place_is_not_believed(tmp_path: Path):
    whole = written(tmp_path, "a", "b")
    segment(tmp_path).write_bytes(whole + whole[: len(whole) // 2])

    Journal(settings_in(tmp_path)).close()

    assert ended_ids(tmp_path) == ["a", "b"]


def test_damage_at_the_end_of_an_older_segment_is_not_a_torn_tail(tmp_path: Path):
    whole = written(tmp_path, "a", "b")
    older = segment(tmp_path)
    older.write_bytes(whole[:-3])
    journal = Journal(settings_in(tmp_path))
    journal.close()
    older.write_bytes(whole[:-3])

    with pytest.raises(DamagedJournal, match="--salvage"):
        Journal(settings_in(tmp_path))
    Journal(settings_in(tmp_path), salvage=True).close()

    assert ended_ids(tmp_path) == ["a"]


def test_a_new_segment_is_begun_when_one_is_full(tmp_path: Path):
    journal = Journal(settings_in(tmp_path, segment_bytes=500))
    ids = [f"call {number}" for number in range(20)]
    for call_id in ids:
        journal.call_ended(record(call_id))
    journal.close()

    assert ended_ids(tmp_path) == ids
    assert len(list((tmp_path / "journal").glob("*.journal"))) > 3


def test_a_directory_has_one_journal_at_a_time(tmp_path: Path):
    first = Journal(settings_in(tmp_path))

    with pytest.raises(ConfigError, match="Another headgate process"):
        Journal(settings_in(tmp_path))

    first.close()
    second = Journal(settings_in(tmp_path))
    second.close()
    assert second.id == first.id


def test_a_journal_of_another_format_is_refused(tmp_path: Path):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "lock").write_text("headgate journal 9 0123456789abcdef\n")

    with pytest.raises(ConfigError, match="headgate journal 1"):
        Journal(settings_in(tmp_path))


def test_several_threads_may_write(tmp_path: Path):
    journal = Journal(settings_in(tmp_path, segment_bytes=2000))
    ids = [[f"{thread}.{number}" for number in range(200)] for thread in range(4)]

    def write(mine: list[str]) -> None:
        for call_id in mine:
            journal.call_ended(record(call_id))

    threads = [Thread(target=write, args=(mine,)) for mine in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()

    assert sorted(ended_ids(tmp_path)) == sorted(call_id for mine in ids for call_id in mine)


class Room:
    """A disk with so many bytes of room; the last write may be a partial one."""

    def __init__(self, free: int) -> None:
        self.free = free

    def write(self, file: int, data: bytes) -> int:
        if self.free <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = os.write(file, data[: self.free])
        self.free -= count
        return count


@pytest.mark.parametrize("free", [0, 5, 300, 301])
def test_a_full_disk_stops_new_calls_and_says_why(tmp_path: Path, free: int):
    room = Room(free)
    journal = Journal(settings_in(tmp_path), disk=Disk(room.write, os.fsync))

    for number in range(free // 115):
        journal.call_started(start(str(number)))
    with pytest.raises(JournalFailed) as refused:
        journal.call_started(start("one too many"))
    with pytest.raises(JournalFailed):
        journal.call_started(start("later"))

    assert refused.value.problem.http_status == 503
    assert "cannot be written" in journal.failure
    room.free = 10**6
    journal.close()
    Journal(settings_in(tmp_path)).close()


def test_calls_that_end_on_a_full_disk_are_written_when_it_has_room_again(tmp_path: Path):
    room = Room(10**6)
    journal = Journal(settings_in(tmp_path), disk=Disk(room.write, os.fsync))
    journal.call_started(start("a"))
    room.free = 20
    journal.call_ended(record("a"))
    time.sleep(0.1)
    assert journal.failure
    assert journal.unwritten == 1

    room.free = 10**6
    wait_for(lambda: not journal.failure)
    journal.call_started(start("b"))
    journal.close()

    assert journal.unwritten == 0
    assert ended_ids(tmp_path) == ["a"]


def test_a_failed_flush_is_final(tmp_path: Path):
    def no_flush(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    journal = Journal(settings_in(tmp_path), disk=Disk(os.write, no_flush))
    journal.call_ended(record("a"))
    wait_for(lambda: journal.failure)
    time.sleep(0.05)

    with pytest.raises(JournalFailed):
        journal.call_started(start("b"))
    assert "flushed" in journal.failure
    journal.close()


def test_durability_decides_when_the_disk_is_flushed(tmp_path: Path):
    flushed: dict[str, list[int]] = {"os": [], "group": [], "sync": []}
    at_once: dict[str, int] = {}
    for level, calls in flushed.items():
        disk = Disk(DISK.write, calls.append)
        journal = Journal(settings_in(tmp_path / level, durability=level), disk=disk)
        for number in range(3):
            journal.call_ended(record(str(number)))
        at_once[level] = len(calls)
        if level == "group":
            wait_for(lambda calls=calls: calls)
        journal.close()

    assert flushed["os"] == []
    assert at_once["sync"] >= 3
    assert 0 < len(flushed["group"]) < 6


def test_what_ended_is_at_hand_until_more_came_than_is_kept(tmp_path: Path):
    with closing(Journal(settings_in(tmp_path, durability="os"))) as journal:
        journal.call_ended(record("a"))
        middle = journal.end
        journal.call_ended(record("b"))

        found = journal.ended_since(middle, 10)
        assert found is not None
        assert [each.record.id for each in found[0]] == ["b"]
        assert found[1] == journal.end
        assert journal.ended_since(journal.end, 10) == ([], journal.end)

        for number in range(3000):
            journal.call_ended(record(str(number)))
        assert journal.ended_since(middle, 10) is None
        assert journal.ended_since(journal.end, 10) == ([], journal.end)
