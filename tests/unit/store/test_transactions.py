"""A store's transactions: all or nothing, and seen by others when they are committed."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.exc import IntegrityError

from headgate.store.base import Store, StoreError
from headgate.store.memory import open_memory
from headgate.store.queries import meta
from headgate.store.sqlite import open_sqlite


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_sqlite(tmp_path / "h.db") if request.param == "sqlite" else open_memory()
    with opened:
        yield opened


def value(store: Store, name: str) -> str | None:
    with store.read() as connection:
        return meta.get(connection, name)


def test_a_value_is_put_and_got(store: Store):
    with store.write() as connection:
        meta.put(connection, "a", "1")
        meta.put(connection, "a", "2")

    assert value(store, "a") == "2"
    assert value(store, "b") is None
    with store.read() as connection:
        assert (meta.get_number(connection, "a"), meta.get_number(connection, "b")) == (2, 0)


def test_an_exception_undoes_everything(store: Store):
    def spoil() -> None:
        with store.write() as connection:
            meta.put(connection, "a", "1")
            raise KeyError

    with pytest.raises(KeyError):
        spoil()

    assert value(store, "a") is None


def test_tables_are_strict(store: Store):
    with pytest.raises(IntegrityError, match="cannot store TEXT"), store.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO audit (at_us, actor, action, object, detail) VALUES ('soon', '', '', '', '')"
        )
    assert issubclass(IntegrityError, StoreError)


def test_writers_of_several_threads_take_turns(store: Store):
    def count() -> None:
        for _ in range(25):
            with store.write() as connection:
                meta.put(connection, "n", str(meta.get_number(connection, "n") + 1))

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert value(store, "n") == "100"


def test_two_stores_share_a_file(tmp_path: Path):
    with open_sqlite(tmp_path / "h.db") as first, open_sqlite(tmp_path / "h.db") as second:
        with first.write() as connection:
            meta.put(connection, "a", "1")

        assert value(second, "a") == "1"
