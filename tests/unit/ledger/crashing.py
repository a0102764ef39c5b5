"""Kills a process that keeps books at every point where that could hurt, and looks whether anything is lost or doubled.

`python -m tests.unit.ledger.crashing FOLDER` runs it: one process that forks for every point, so that each takes a few
hundredths of a second. A point is a place in the code and how many times it has been passed. Every place is visited at
its first, second, … passing, until the work is done before that many; then the same for the recovery. Prints what it
visited as JSON. Between the points SQLite is trusted with its own file.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.usage import Usage
from headgate.ledger import credit
from headgate.ledger.applier import CUT_SHORT, Applier
from headgate.ledger.disk import Disk
from headgate.ledger.journal import Journal, JournalSettings
from headgate.store.base import Store
from headgate.store.queries import calls, spend
from headgate.store.sqlite import open_sqlite, sqlite_engine
from headgate.store.tables import META

KILLED = 137
CALLS = 5
CHARGE = 7
WORDS: dict[str, Any] = {"key_id": "k", "surface": "s", "operation": "generate", "model": "m", "is_stream": False}


class Bomb:
    """Ends the process at one passing of one place."""

    def __init__(self, place: str = "", passing: int = 0) -> None:
        self._place = place
        self._left = passing

    def passes(self, place: str) -> bool:
        """Whether this is where it ends."""
        if place == self._place:
            self._left -= 1
            return self._left == 0
        return False

    def at(self, place: str) -> None:
        """Ends the process if this is where."""
        if self.passes(place):
            os._exit(KILLED)

    def disk(self) -> Disk:
        """A disk during whose work the process may end: before, in the middle of, or after a record."""

        def write(file: int, data: bytes) -> int:
            self.at("before a record")
            if self.passes("within a record"):
                os.write(file, data[: len(data) // 2])
                os._exit(KILLED)
            written = os.write(file, data)
            self.at("after a record")
            return written

        def sync(file: int) -> None:
            self.at("before a flush")
            os.fsync(file)
            self.at("after a flush")

        return Disk(write, sync)

    def watch(self) -> None:
        """Ends the process before files are made, cut or removed, which only the interpreter tells of."""
        places = {"os.remove": "before a removal", "os.truncate": "before a cut"}

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in places:
                self.at(places[event])
            elif event == "open" and str(arguments[0]).endswith(".journal") and arguments[2] & os.O_CREAT:
                self.at("before a segment")

        sys.addaudithook(hook)


PLACES = (
    *("before a record", "within a record", "after a record", "before a flush", "after a flush"),
    *("before a segment", "before a removal", "before a cut", "before a commit", "after a commit"),
)


class Books(Store):
    """A store around whose commits the process may end."""

    def __init__(self, path: Path, bomb: Bomb) -> None:
        super().__init__(sqlite_engine(str(path)))
        self._bomb = bomb

    @contextmanager
    def write(self) -> Generator[Connection]:
        with super().write() as connection:
            yield connection
            self._bomb.at("before a commit")
        self._bomb.at("after a commit")


def start(id: str, number: int) -> CallStart:
    return CallStart(id=id, started_us=1_000_000 + number, attempt=attempt_start(id, 1), **WORDS)


def attempt_start(id: str, number: int) -> AttemptStart:
    return AttemptStart(call_id=id, number=number, started_us=1, provider="p", model="m", dialect="d", lane="verbatim")


def record(id: str, number: int) -> CallRecord:
    usage = Usage(input_tokens=10, output_tokens=5)
    attempt = Attempt(
        number=1, provider="p", model="m", dialect="d", lane="verbatim", usage=usage, cost_nano_usd=CHARGE
    )
    return CallRecord(
        id=id, started_us=1_000_000 + number, status=200, attempts=[attempt], usage=usage, cost_nano_usd=CHARGE, **WORDS
    )


def settings(folder: Path) -> JournalSettings:
    return JournalSettings(directory=folder / "journal", durability="sync", segment_bytes=1500)


def work(folder: Path, bomb: Bomb, told: int) -> None:
    """Calls, each told of when its line is written; the last never ends."""
    bomb.watch()
    journal = Journal(settings(folder), disk=bomb.disk())
    applier = Applier(journal, Books(folder / "h.db", bomb))
    for number in range(CALLS):
        id = f"call-{number}"
        journal.call_started(start(id, number))
        os.write(told, f"started {id}\n".encode())
        if number == 1:
            journal.attempt_started(attempt_start(id, 2))
        ending = {0: None, CALLS - 1: 0}.get(number, number)  # the first goes on while others come and go
        if ending is not None:
            journal.call_ended(record(f"call-{ending}", ending))
            os.write(told, f"ended call-{ending}\n".encode())
        if number in (1, 3):
            applier.drain()
    applier.close()
    journal.close()


def recover(folder: Path, bomb: Bomb, _told: int) -> None:
    """The next start, and an orderly end."""
    bomb.watch()
    journal = Journal(settings(folder), disk=bomb.disk())
    applier = Applier(journal, Books(folder / "h.db", bomb))
    assert applier.drain()
    applier.close()
    journal.close()


def forked(what: Callable[[Path, Bomb, int], None], folder: Path, bomb: Bomb) -> tuple[int, list[str]]:
    """Does it in a process of its own. Returns that one's exit code and what it told."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reading)
            what(folder, bomb, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as told:
        lines = told.read().split("\n")
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), lines[:-1]


def passings(
    what: Callable[[Path, Bomb, int], None], folder: Callable[[], Path]
) -> Iterator[tuple[str, int, Path, list[str]]]:
    """Every point of it, each with a folder that it has left behind."""
    for place in PLACES:
        passing = 0
        while True:
            passing += 1
            there = folder()
            code, told = forked(what, there, Bomb(place, passing))
            if code == 0:
                break
            assert code == KILLED, (place, passing, code)
            yield place, passing, there, told


def check(folder: Path, told: list[str]) -> None:
    """Nothing is lost, nothing is there twice, and the books balance."""
    started = {line.split()[1] for line in told if line.startswith("started ")}
    ended = {line.split()[1] for line in told if line.startswith("ended ")}
    with open_sqlite(folder / "h.db") as store, store.read() as connection:
        kept = list(calls.everything(connection))
        found = {each.id: each for each in kept}
        assert len(found) == len(kept)
        assert started <= found.keys(), started - found.keys()
        assert len(found) <= len(started) + 1  # one may have been written, and its writer not have come to tell
        whole = {id for id, each in found.items() if each.error != CUT_SHORT}
        assert ended <= whole, ended - whole
        assert all(found[id] == record(id, int(id[5:])) for id in whole)
        assert all(
            found[id].usage_source == "crash_recovered" and not found[id].is_priced for id in found.keys() - whole
        )
        total = spend.total(connection, ["k"])
        assert (total.calls, total.charge_nano_usd) == (len(whole), CHARGE * len(whole)), (total, len(whole))
        assert credit.verify(connection) == []
        assert credit.used(connection, ["k"]) == CHARGE * len(whole)


def state(folder: Path) -> list[Any]:
    """All that is kept, but for how far."""
    with open_sqlite(folder / "h.db") as store, store.read() as connection:
        tables = ("calls", "spend", "transfers")
        rows = [connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all() for table in tables]  # noqa: S608
        return [[tuple(row) for row in each] for each in rows]


def again(folder: Path, crashed: Path) -> None:
    """The journal as the crash left it, once more, by a store that does not know how far it had come."""
    before = state(folder)
    for segment in (folder / "journal").glob("*.journal"):
        segment.unlink()
    for segment in (crashed / "journal").glob("*.journal"):
        shutil.copy(segment, folder / "journal")
    with open_sqlite(folder / "h.db") as store, store.write() as connection:
        connection.execute(META.delete().where(META.c.name.like("journal %")))
    code, _ = forked(recover, folder, Bomb())
    assert code == 0
    assert state(folder) == before


def main(base: Path) -> None:
    """Every point of the work, and, from some of what that leaves behind, every point of the recovery."""
    number = 0
    with open_sqlite(base / "empty.db"):
        pass

    def fresh() -> Path:
        nonlocal number
        number += 1
        folder = base / str(number)
        folder.mkdir()
        shutil.copy(base / "empty.db", folder / "h.db")
        return folder

    def copied(crashed: Path) -> Path:
        nonlocal number
        number += 1
        return Path(shutil.copytree(crashed, base / str(number)))

    visited: dict[str, int] = {}
    recovered: dict[str, int] = {}
    for place, passing, crashed, told in passings(work, fresh):
        visited[place] = passing
        folder = copied(crashed)
        assert forked(recover, folder, Bomb())[0] == 0, (place, passing)
        check(folder, told)
        if place.startswith("after"):
            again(folder, crashed)
        if passing == 5 and place in ("within a record", "after a flush"):
            for recovering, when, half, _ in passings(recover, lambda crashed=crashed: copied(crashed)):
                recovered[recovering] = max(when, recovered.get(recovering, 0))
                assert forked(recover, half, Bomb())[0] == 0, (place, passing, recovering, when)
                check(half, told)
        for left in base.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
    print(json.dumps({"visited": visited, "recovered": recovered}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
