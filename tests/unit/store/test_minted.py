"""Ids that upstreams gave: found by their owner alone, and what is said last of one counts."""

from sqlalchemy import func, select

from headgate.core.minted import Minted
from headgate.store.base import Store
from headgate.store.queries import minted
from headgate.store.tables import MINTED

FILE = Minted(id="file-1", owner="key:a", kind="file", provider="openai", created_us=5, model="m")


def put(store: Store, *entries: Minted) -> None:
    with store.write() as connection:
        minted.put(connection, entries)


def find(store: Store, owner: str, id: str) -> Minted | None:
    with store.read() as connection:
        return minted.find(connection, owner, id)


def test_an_id_is_found_by_its_owner_alone(store: Store):
    put(store, FILE)

    assert find(store, "key:a", "file-1") == FILE
    assert find(store, "key:b", "file-1") is None
    assert find(store, "key:a\0f", "ile-1") is None


def test_the_same_id_may_be_two_owners(store: Store):
    other = Minted(id="file-1", owner="key:b", kind="file", provider="local", created_us=5)
    put(store, FILE, other)

    assert find(store, "key:a", "file-1") == FILE
    assert find(store, "key:b", "file-1") == other


def test_what_is_said_last_counts_in_whatever_order_it_comes(store: Store):
    gone = Minted(id="file-1", owner="key:a", kind="file", provider="openai", created_us=6, model="m", expires_us=6)
    put(store, gone)
    put(store, FILE)

    assert find(store, "key:a", "file-1") == gone


def test_the_expired_are_taken_out(store: Store):
    put(store, FILE, Minted(id="b", owner="key:a", kind="batch", provider="openai", created_us=1, expires_us=10))
    with store.write() as connection:
        assert minted.forget(connection, 9) == 0
        assert minted.forget(connection, 10) == 1
        assert connection.execute(select(func.count()).select_from(MINTED)).scalar_one() == 1


def test_nothing_to_keep_is_no_statement(store: Store):
    put(store)

    assert find(store, "key:a", "file-1") is None
