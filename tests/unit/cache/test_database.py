"""Answers in the database: what was written is there whatever happens; what is not as it was written is not served."""

import asyncio
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import text
from tests.unit.cache.test_entries import DIGEST, entry

from headgate.cache.answers import Answers, Sealed
from headgate.cache.database import DatabaseKeeper, Purges, Room, note
from headgate.cache.entries import sealed
from headgate.cache.shelf import Purge
from headgate.store.memory import open_memory
from headgate.store.sqlite import open_sqlite

NOW = 1_000
FAR = 10**18
WRITER = """
import sys, time
from pathlib import Path
from headgate.cache.answers import Answers
from headgate.cache.database import DatabaseKeeper
from headgate.store.sqlite import open_sqlite
from tests.unit.cache.test_entries import DIGEST, entry

answers = Answers(DIGEST, keeper=DatabaseKeeper(open_sqlite(Path(sys.argv[1]))))
number = 0
while True:
    for _ in range(5):
        number += 1
        answers.put(entry(key=number.to_bytes(32), source=f"req_{number}", expires_us=10**18))
    assert answers.flush()
    print(number, flush=True)
"""


def row(number: int, **more: object) -> Sealed:
    made = entry(**{"key": number.to_bytes(32), "stored_us": NOW, "expires_us": NOW + 10, **more})
    return Sealed(made, sealed(made, DIGEST))


def has(keeper: DatabaseKeeper, *numbers: int, now_us: int = NOW) -> list[int]:
    return [number for number in numbers if keeper.find(number.to_bytes(32), now_us) is not None]


def test_it_gives_back_what_was_put_there_until_it_is_too_old():
    with open_memory() as store:
        keeper = DatabaseKeeper(store)
        keeper.put([row(1), row(2, source="old")])
        keeper.put([row(2, source="new")])
        assert keeper.find((1).to_bytes(32), NOW + 9) == row(1).blob
        assert keeper.find((2).to_bytes(32), NOW) == row(2, source="new").blob
        assert has(keeper, 1, 2, 3, now_us=NOW + 10) == []
        keeper.drop((1).to_bytes(32))
        assert has(keeper, 1, 2) == [2]
        keeper.put([])
        assert keeper.held() == (1, len(row(2, source="new").blob))


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Purge(), []),
        (Purge(key=(1).to_bytes(32)), [2, 3]),
        (Purge(tenant="b"), [1, 2]),
        (Purge(tenant="o"), [2, 3]),
        (Purge(tag="t"), [1, 3]),
        (Purge(tag="%"), [1, 2, 3]),
        (Purge(model="r"), [2]),
        (Purge(model="other/m"), [1, 3]),
        (Purge(model="m"), []),
        (Purge(namespace="n"), [1, 2]),
        (Purge(namespace=""), [3]),
        (Purge(before_us=NOW), [1, 2]),
    ],
)
def test_a_purge_takes_what_fits_all_of_it(wanted: Purge, left: list[int]):
    with open_memory() as store:
        keeper = DatabaseKeeper(store)
        more = row(2, team="a", tags=("s", "t"), model="q", provider="other")
        keeper.put([row(1, team="a", organisation="o"), more, row(3, team="b", namespace="n", stored_us=NOW - 1)])
        assert keeper.purge(wanted) == 3 - len(left)
        assert has(keeper, 1, 2, 3) == left


def test_what_is_too_much_goes_and_the_least_worth_first():
    with open_memory() as store:
        keeper = DatabaseKeeper(store, Room(entries_max=300, bytes_max=10**9))
        keeper.put([row(number, cost_nano_usd=10_000 + number, expires_us=FAR) for number in range(1, 256)])
        keeper.put([row(300, cost_nano_usd=1, expires_us=FAR), row(301)])
        assert has(keeper, 300, 301) == [300]  # only what is too old has gone
        keeper.put([row(number, cost_nano_usd=20_000, expires_us=FAR) for number in range(400, 700)])
        assert has(keeper, 300, 1, 699) == [699]
        assert keeper.held()[0] <= 300


def test_what_is_too_large_together_goes():
    with open_memory() as store:
        keeper = DatabaseKeeper(store, Room(bytes_max=100_000))
        keeper.put([row(number, body=b"x" * 1000, expires_us=FAR) for number in range(256)])
        count, size = keeper.held()
        assert size <= 100_000
        assert count > 0


def test_every_process_hears_what_is_purged():
    with open_memory() as store:
        note(store, Purge(tag="before"))
        purges = Purges(store)
        assert purges.heard() == []
        purges.note(Purge(tag="one", key=b"\1" * 32))
        note(store, Purge(namespace=""))
        heard = purges.heard()
        assert all(each.before_us > 0 for each in heard)  # what is kept after that stays
        assert [structs.replace(each, before_us=0) for each in heard] == [
            Purge(tag="one", key=b"\1" * 32),
            Purge(namespace=""),
        ]
        assert purges.heard() == []


def test_a_restart_finds_what_was_kept(tmp_path: Path):
    with open_sqlite(tmp_path / "h.db") as store:
        first = Answers(DIGEST, keeper=DatabaseKeeper(store))
        first.put(entry(expires_us=FAR))
        first.close()
        second = Answers(DIGEST, keeper=DatabaseKeeper(store))
        assert second.recall(entry().key) is None
        held = asyncio.run(second.find(entry().key))
        assert held is not None
        assert held.entry == entry(expires_us=FAR)
        assert second.recall(entry().key) is held
        assert asyncio.run(second.find(b"\7" * 32)) is None
        second.close()


def test_a_crash_loses_nothing_that_was_acknowledged(tmp_path: Path):
    path = tmp_path / "h.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(3):
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    writer.wait()
    writer.stdout.close()
    with open_sqlite(path) as store:
        answers = Answers(DIGEST, keeper=DatabaseKeeper(store))
        for number in range(1, acknowledged + 1):
            held = asyncio.run(answers.find(number.to_bytes(32)))
            assert held is not None, number
            assert held.entry.source == f"req_{number}"
        answers.close()
    assert acknowledged >= 15


def test_a_damaged_entry_is_dropped_with_a_line_and_never_served(caplog: pytest.LogCaptureFixture):
    with open_memory() as store:
        answers = Answers(DIGEST, keeper=DatabaseKeeper(store))
        answers.put(entry(expires_us=FAR))
        assert answers.flush()
        with store.write() as connection:
            connection.execute(
                text("UPDATE answers SET blob = CAST(substr(blob, 1, 60) || x'FF' || substr(blob, 62) AS BLOB)")
            )
        again = Answers(DIGEST, keeper=DatabaseKeeper(store))
        with caplog.at_level(logging.ERROR, "headgate"):
            assert asyncio.run(again.find(entry().key)) is None
        assert [record.message for record in caplog.records] == [f"event=cache_entry_damaged key={entry().key.hex()}"]
        assert (again.damaged, DatabaseKeeper(store).held()[0]) == (1, 0)
        answers.close()
        again.close()


class Broken:
    """A database that is away."""

    def find(self, key: bytes, now_us: int) -> bytes | None:
        raise OSError("away")

    def put(self, entries: object) -> None:
        raise OSError("away")

    def drop(self, key: bytes) -> None:
        raise OSError("away")

    def purge(self, wanted: Purge) -> int:
        raise OSError("away")

    def held(self) -> tuple[int, int]:
        raise OSError("away")

    def close(self) -> None:
        pass


def test_a_cache_that_is_out_of_order_has_nothing_but_memory(caplog: pytest.LogCaptureFixture):
    answers = Answers(DIGEST, keeper=Broken())
    with caplog.at_level(logging.ERROR, "headgate"):
        answers.put(entry(expires_us=FAR))
        assert answers.flush()
        assert asyncio.run(answers.find(b"\1" * 32)) is None
    assert answers.recall(entry().key) is not None
    assert answers.unwritten == 1
    assert [record.message.partition(" ")[0] for record in caplog.records] == [
        "event=cache_not_written",
        "event=cache_not_read",
    ]
    answers.close()


def test_memory_alone_is_purged_too():
    answers = Answers(DIGEST)
    answers.put(entry(expires_us=FAR))
    assert asyncio.run(answers.find(entry().key)) is None
    assert answers.purge(Purge()) == 1
    assert answers.recall(entry().key) is None
    answers.close()


def test_a_purge_reaches_what_is_about_to_be_written():
    with open_memory() as store:
        answers = Answers(DIGEST, keeper=DatabaseKeeper(store))
        for number in range(50):
            answers.put(entry(key=number.to_bytes(32), expires_us=FAR))
        assert answers.purge(Purge()) == 50
        assert answers.flush()
        assert DatabaseKeeper(store).held() == (0, 0)
        answers.close()
