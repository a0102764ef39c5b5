"""A process that is killed at a random moment has lost nothing of what it had reported."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.ledger.crashing import PLACES

from headgate.ledger.applier import CUT_SHORT, Applier
from headgate.ledger.journal import Journal, JournalSettings
from headgate.store.memory import open_memory
from headgate.store.queries.calls import CallFilter, newest

CHILD = """
import sys
from pathlib import Path
from headgate.core.record import AttemptStart, CallRecord, CallStart
from headgate.ledger.journal import Journal, JournalSettings

words = {"key_id": "k", "surface": "openai_chat", "operation": "generate", "model": "m", "is_stream": False}
journal = Journal(JournalSettings(directory=Path(sys.argv[1]), segment_bytes=20_000))
number = 0
while True:
    number += 1
    call_id = f"call-{number}"
    attempt = AttemptStart(
        call_id=call_id, number=1, started_us=number, provider="p", model="m", dialect="d", lane="verbatim"
    )
    journal.call_started(CallStart(id=call_id, started_us=number, attempt=attempt, **words))
    print("started", call_id, flush=True)
    journal.call_ended(CallRecord(id=call_id, started_us=number, status=200, **words))
    print("ended", call_id, flush=True)
"""


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_loses_no_reported_record(tmp_path: Path, seed: int):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.3))
    child.kill()
    lines = (first + child.stdout.read()).splitlines(keepends=True)
    child.stdout.close()
    child.wait()
    reported = [tuple(line.split()) for line in lines if line.endswith("\n")]

    journal, store = Journal(JournalSettings(directory=tmp_path)), open_memory()
    applier = Applier(journal, store)
    assert applier.drain()
    applier.close()
    journal.close()
    with store.read() as connection:
        kept = {each.record.id: each.record for each in newest(connection, CallFilter(), 100_000)}
    store.close()

    ended = {call_id for what, call_id in reported if what == "ended"}
    started = {call_id for what, call_id in reported if what == "started"}
    assert started
    assert started <= kept.keys()
    assert {call_id for call_id in ended if kept[call_id].status != 200} == set()
    assert all(record.status == 200 or record.error == CUT_SHORT for record in kept.values())
    assert len(kept) <= len(started) + 1


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has such a place: a process is killed, not the machine."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="headgate-", dir=memory) as made:
        yield Path(made)


def test_an_end_at_any_point_loses_nothing_and_doubles_nothing(folder: Path):
    """Not by chance: every place, at its every passing, while calls are kept and while what was kept is recovered."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.ledger.crashing", str(folder)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["visited"].keys() == {*PLACES} - {"before a cut"}
    assert told["recovered"].keys() >= {"before a cut", "before a removal", "before a commit", "after a commit"}
    assert sum(told["visited"].values()) > 60
