"""What is PostgreSQL's own: its address, its tables, what it does not take, its going away."""

import sys
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from sqlalchemy import URL, inspect, make_url, text
from tests.postgres import Server, running_server

from headgate.core.problems import ConfigError
from headgate.core.record import CallRecord
from headgate.store.base import Store, StoreError
from headgate.store.migrations import REVISION, bring_up_to_date, revision
from headgate.store.migrations.upgrade import upgrade
from headgate.store.opening import open_store
from headgate.store.postgresql import postgresql_engine
from headgate.store.queries import calls, meta
from headgate.store.queries.calls import CallFilter, newest


@pytest.fixture
def url(postgres: Server) -> URL:
    return make_url(postgres.new_url())


def schema(store: Store) -> dict[str, object]:
    with store.read() as connection:
        found = inspect(connection)
        tables: dict[str, object] = {
            name: (
                [(each["name"], str(each["type"]), each["nullable"]) for each in found.get_columns(name)],
                found.get_pk_constraint(name)["constrained_columns"],
                sorted((str(each["name"]), each["column_names"], each["unique"]) for each in found.get_indexes(name)),
                found.get_unique_constraints(name),
            )
            for name in found.get_table_names()
            if name != "alembic_version"
        }
        triggers = connection.execute(
            text(
                "SELECT tgrelid::regclass::text, tgname, tgtype FROM pg_trigger "
                "JOIN pg_class ON tgrelid = pg_class.oid "
                "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace ORDER BY 1, 2"
            )
        )
        tables["triggers"] = [tuple(row) for row in triggers]
    return tables


def test_migrating_makes_what_a_new_database_has(postgres: Server):
    with open_store(postgres.new_url()) as made, Store(postgresql_engine(make_url(postgres.new_url()))) as migrated:
        with migrated.write() as connection:
            upgrade(connection)
            assert revision(connection) == REVISION

        assert schema(migrated) == schema(made)
        assert len(schema(made)["triggers"]) >= 2  # type: ignore[arg-type]


def test_gateways_that_start_together_make_the_tables_once(url: URL):
    stores = [Store(postgresql_engine(url)) for _ in range(4)]
    threads = [Thread(target=bring_up_to_date, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for store in stores:
        with store.read() as connection:
            assert revision(connection) == REVISION
        store.close()


def test_writers_of_several_gateways_take_turns(url: URL):
    held, may_end = Event(), Event()
    seen: list[str | None] = []

    def hold(store: Store) -> None:
        with store.write() as connection:
            held.set()
            may_end.wait(5)
            meta.put(connection, "a", "first")

    def follow(store: Store) -> None:
        with store.write() as connection:
            seen.append(meta.get(connection, "a"))

    with open_store(str(url)) as one, open_store(str(url)) as other:
        first, second = Thread(target=hold, args=(one,)), Thread(target=follow, args=(other,))
        first.start()
        assert held.wait(5)
        second.start()
        second.join(0.1)
        assert seen == []
        may_end.set()
        first.join()
        second.join()

    assert seen == ["first"]


def test_who_reads_cannot_write(url: URL):
    with (
        open_store(str(url)) as store,
        pytest.raises(StoreError, match="read-only"),
        store.read() as connection,
    ):
        meta.put(connection, "a", "1")


def test_a_reader_sees_one_state(url: URL):
    with open_store(str(url)) as store:
        with store.read() as reader:
            assert meta.get(reader, "a") is None
            with store.write() as writer:
                meta.put(writer, "a", "1")
            assert meta.get(reader, "a") is None

        with store.read() as reader:
            assert meta.get(reader, "a") == "1"


def record(id: str, **more: str) -> CallRecord:
    words = {"key_id": "k", "surface": "openai_chat", "operation": "generate", "model": "m"}
    return CallRecord(id=id, started_us=1, is_stream=True, **(words | more))  # type: ignore[arg-type]


def test_text_that_it_cannot_hold_is_kept_as_near_as_it_can(url: URL):
    import msgspec

    odd = record("a", user="o\0dd", model="\U0001f600")
    with open_store(str(url)) as store:
        with store.write() as connection:
            assert calls.add(connection, [(odd, msgspec.json.encode(odd))]) == [odd]
        with store.read() as connection:
            assert newest(connection, CallFilter(model="\U0001f600"), 5)[0].record == odd
            assert connection.execute(text('SELECT "user" FROM calls')).scalar_one() == "o\N{REPLACEMENT CHARACTER}dd"


def test_only_calls_that_were_not_there_are_new(store: Store):
    import msgspec

    def add(*ids: str) -> list[str]:
        found = [record(id) for id in ids]
        with store.write() as connection:
            return [each.id for each in calls.add(connection, [(each, msgspec.json.encode(each)) for each in found])]

    assert add("a", "b") == ["a", "b"]
    assert add("c", "b", "d", "d") == ["c", "d"]
    assert add("a") == []
    assert add(*(f"n{number}" for number in range(250))) == [f"n{number}" for number in range(250)]


@pytest.fixture
def own_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


def test_it_is_there_again_after_it_has_been_away(own_server: Server):
    with open_store(own_server.new_url()) as store:
        with store.write() as connection:
            meta.put(connection, "a", "1")
        own_server.stop()
        with pytest.raises(StoreError), store.read() as connection:
            meta.get(connection, "a")
        own_server.start()
        with store.read() as connection:
            assert meta.get(connection, "a") == "1"
        own_server.stop()
        own_server.start()

        with store.read() as connection:  # nobody has noticed
            assert meta.get(connection, "a") == "1"


def test_one_that_cannot_be_reached_is_told_without_its_password():
    with pytest.raises(ConfigError, match="cannot be opened") as caught:
        open_store("postgresql://me:hunter2@127.0.0.1:1/headgate")

    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:1/headgate" in str(caught.value)


def test_an_address_that_is_none_is_told():
    with pytest.raises(ConfigError, match="postgresql://USER@HOST/DATABASE"):
        open_store("postgresql://me:x@host:port/headgate")


def test_without_its_driver_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ConfigError, match=r"pip install 'headgate\[postgresql\]'"):
        open_store("postgresql://me@127.0.0.1:1/headgate")
