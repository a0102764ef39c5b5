"""The tables: made at once or migrated to, they are the same; an older or foreign database is told apart."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from headgate.core.problems import ConfigError
from headgate.store.base import Store
from headgate.store.migrations import REVISION, bring_up_to_date, revision
from headgate.store.migrations.upgrade import upgrade
from headgate.store.sqlite import open_sqlite, sqlite_engine


def schema(store: Store) -> dict[str, str]:
    with store.read() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def test_migrating_makes_what_a_new_database_has(tmp_path: Path):
    made = open_sqlite(tmp_path / "new.db")
    migrated = Store(sqlite_engine(str(tmp_path / "old.db")))
    with migrated.write() as connection:
        upgrade(connection)
        assert revision(connection) == REVISION

    assert schema(migrated) == schema(made)
    made.close()
    migrated.close()


def test_a_database_that_is_behind_is_migrated_when_it_is_opened(tmp_path: Path):
    behind = Store(sqlite_engine(str(tmp_path / "h.db")))
    with behind.write() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    bring_up_to_date(behind)

    with behind.read() as connection:
        assert "calls" in inspect(connection).get_table_names()
    behind.close()


def test_a_database_of_a_later_version_is_refused(tmp_path: Path):
    with open_sqlite(tmp_path / "h.db") as store, store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))

    with pytest.raises(ConfigError, match="another version"):
        open_sqlite(tmp_path / "h.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "h.db").write_bytes(b"not a database, but long enough to be looked at" * 100)

    with pytest.raises(ConfigError, match=r"h\.db"):
        open_sqlite(tmp_path / "h.db")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be opened"):
        open_sqlite(tmp_path / "file" / "h.db")


def test_starting_does_not_load_alembic(tmp_path: Path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom headgate.store.sqlite import open_sqlite\n"
        "open_sqlite(Path(sys.argv[1])).close()\nprint('alembic' in sys.modules)"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "h.db")], capture_output=True, text=True, check=True
        )
        assert done.stdout == "False\n"


def test_the_file_is_for_its_owner_only_and_durable(tmp_path: Path):
    path = tmp_path / "data" / "h.db"
    with open_sqlite(path) as store, store.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
