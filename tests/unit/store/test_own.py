"""The gateway's own things: an owner's alone, listed newest first, page by page."""

from msgspec import Raw

from headgate.store.base import Store
from headgate.store.queries import own
from headgate.store.queries.own import OwnThing


def thing(id: str, owner: str = "key:a", *, created_us: int = 1, status: str = "new", kind: str = "batch") -> OwnThing:
    return OwnThing(id=id, owner=owner, kind=kind, status=status, created_us=created_us, document=Raw(b'{"a":1}'))


def test_a_thing_is_its_owners(store: Store):
    with store.write() as connection:
        own.add(connection, thing("x"))
        assert own.find(connection, "key:a", "x") == thing("x")
        assert own.find(connection, "key:b", "x") is None
        assert not own.remove(connection, "key:b", "x")
        own.change(connection, "x", "old", b'{"a":2}')
        found = own.find(connection, "key:a", "x")
        assert found is not None
        assert (found.status, bytes(found.document)) == ("old", b'{"a":2}')
        assert own.remove(connection, "key:a", "x")
        assert own.find(connection, "key:a", "x") is None


def test_pages_follow_on_each_other(store: Store):
    things = [thing(f"t{number}", created_us=number // 2) for number in range(5)]
    with store.write() as connection:
        for each in (*things, thing("other", "key:b"), thing("file", kind="file")):
            own.add(connection, each)
        first = own.newest(connection, "key:a", "batch", None, 2)
        second = own.newest(connection, "key:a", "batch", first[-1], 9)

    assert [each.id for each in (*first, *second)] == ["t4", "t3", "t2", "t1", "t0"]


def test_what_is_unfinished_is_found_for_everybody(store: Store):
    with store.write() as connection:
        for each in (thing("a", status="new"), thing("b", "key:b", status="old"), thing("c", "key:b")):
            own.add(connection, each)
        found = own.with_status(connection, "batch", ("new",))

    assert sorted(each.id for each in found) == ["a", "c"]
