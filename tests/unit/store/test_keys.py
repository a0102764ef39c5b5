"""What is kept of keys, and of what was done to them."""

import msgspec

from headgate.store.base import Store
from headgate.store.queries import audit, keys
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.keys import KeyRow


def row(kid: str, created_us: int) -> KeyRow:
    return KeyRow(
        kid=kid,
        hmac=b"\x00\xff",
        pepper="p",
        name="n",
        team="t",
        models=("a", "b/c"),
        limits=msgspec.Raw(b'{"requests_per_minute":3}'),
        created_us=created_us,
        expires_us=9,
    )


def plain(found: KeyRow | None) -> object:
    """With its raw member as bytes, which can be compared."""
    return None if found is None else (msgspec.structs.replace(found, limits=msgspec.Raw()), bytes(found.limits))


def test_a_key_comes_back_whole(store: Store):
    with store.write() as connection:
        keys.add(connection, row("k1", 1))
        found, missing = keys.find(connection, "k1"), keys.find(connection, "k2")

    assert plain(found) == plain(row("k1", 1))
    assert missing is None


def test_changes_are_told_by_revision(store: Store):
    with store.write() as connection:
        start = keys.revision(connection)
        keys.add(connection, row("k2", 2))
        keys.add(connection, row("k1", 1))
        both = keys.revision(connection)
        has_ended = keys.revoke(connection, "k2", 7)
        again = keys.revoke(connection, "k2", 8)
        never = keys.revoke(connection, "k3", 8)

        assert (start, both, keys.revision(connection)) == (0, 2, 3)
        assert (has_ended, again, never) == (True, False, False)
        assert [each.kid for each in keys.changed_since(connection, 0)] == ["k1", "k2"]
        assert [(each.kid, each.revoked_us) for each in keys.changed_since(connection, both)] == [("k2", 7)]


def test_the_audit_is_read_newest_first(store: Store):
    entries = [AuditEntry(at_us=at, actor="cli", action="key.create", object="k", detail="{}") for at in (5, 3, 9)]
    with store.write() as connection:
        for entry in entries:
            audit.add(connection, entry)

        assert audit.newest(connection, 2) == [entries[2], entries[1]]
