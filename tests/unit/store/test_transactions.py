"""A store's transactions: all or nothing, and seen by others when they are committed."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.exc import DataError, IntegrityError

from headgate.store.base import Store, StoreError
from headgate.store.memory import open_memory
from headgate.store.opening import open_store
from headgate.store.queries import audit, meta, transfers
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.transfers import Transfer
from headgate.store.sqlite import open_sqlite


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        opened = open_memory()
    elif request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path / 'h.db'}")
    else:
        opened = open_store(request.getfixturevalue("postgres").new_url())
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
    with (
        pytest.raises((IntegrityError, DataError), match=r"cannot store TEXT|invalid input syntax for type bigint"),
        store.write() as connection,
    ):
        connection.exec_driver_sql(
            "INSERT INTO audit (at_us, actor, action, object, detail) VALUES ('soon', '', '', '', '')"
        )
    assert issubclass(IntegrityError, StoreError)
    assert issubclass(DataError, StoreError)


@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
@pytest.mark.parametrize(("table", "column"), [("audit", "actor"), ("transfers", "kind")])
def test_what_is_only_added_to_cannot_be_changed(store: Store, verb: str, table: str, column: str):
    with store.write() as connection:
        audit.add(connection, AuditEntry(at_us=1, actor="a", action="b", object="c"))
        transfers.post(connection, [Transfer(id="x", at_us=1, debit="a", credit="b", nano_usd=5, kind="k")])
    before = everything(store)

    with pytest.raises(StoreError, match=f"{table} are only added to"), store.write() as connection:
        connection.exec_driver_sql(verb.format(table, column, "'other'"))

    assert everything(store) == before


def everything(store: Store) -> list[object]:
    with store.read() as connection:
        return [audit.newest(connection, 10), transfers.of_account(connection, "a")]


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
