"""The keys of a start: made once, kept as hashes."""

import pytest

from headgate.app.first_start import first_keys
from headgate.core.problems import ConfigError
from headgate.policies.issuing import NewKey, create_key, list_keys
from headgate.policies.keys import KeyRing
from headgate.policies.pepper import Pepper
from headgate.store.base import Store
from headgate.store.memory import open_memory
from headgate.store.queries import meta

PEPPER = Pepper(b"pepper of the tests")


@pytest.fixture
def store() -> Store:
    return open_memory()


def test_the_first_start_makes_both_keys_and_the_second_none(store: Store) -> None:
    first = first_keys(store, PEPPER, "")
    second = first_keys(store, PEPPER, "")

    assert first.admin.accepts(first.admin_plain.encode())
    assert second.admin.accepts(first.admin_plain.encode())
    assert not second.admin.accepts(b"x" * 44)
    assert (second.admin_plain, second.client_plain) == ("", "")
    assert [row.name for row in list_keys(store)] == ["first"]
    assert KeyRing(store, PEPPER).check(first.client_plain)


def test_only_a_hash_of_the_admin_key_is_kept(store: Store) -> None:
    plain = first_keys(store, PEPPER, "").admin_plain
    with store.read() as connection:
        assert meta.get(connection, "admin_key") == PEPPER.digest(plain.encode()).hex()


def test_where_there_are_keys_no_other_is_made(store: Store) -> None:
    create_key(store, PEPPER, NewKey(name="mine"), actor="test")
    assert first_keys(store, PEPPER, "").client_plain == ""


def test_the_operators_own_key_needs_no_other(store: Store) -> None:
    keys = first_keys(store, PEPPER, "k" * 32)
    assert (keys.admin.accepts(b"k" * 32), keys.admin.accepts(b"k" * 31), keys.admin_plain) == (True, False, "")
    assert list_keys(store) == []
    with pytest.raises(ConfigError, match="at least 32 characters"):
        first_keys(store, PEPPER, "short")
