"""The key ring: who is let in, who is not, and how soon a change of another process counts."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from headgate.core.principal import Principal
from headgate.core.problems import ConfigError, InvalidRequest, NotFound
from headgate.limits.terms import RateTerm, Terms
from headgate.policies.issuing import NewKey, create_key, let_pass, list_keys, mint, revoke_key
from headgate.policies.key_text import PREFIX, checksum, new_key
from headgate.policies.keys import KeyRing, Refusal
from headgate.policies.organising import NewTenant, create_tenant
from headgate.policies.pepper import Pepper
from headgate.store.base import Store
from headgate.store.memory import open_memory
from headgate.store.queries import audit, keys
from headgate.store.sqlite import open_sqlite

PEPPER = Pepper(b"a pepper for tests")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_memory() as opened:
        yield opened


def resealed(key: str, kid: str = "") -> str:
    """A key with another secret (or another id) and a checksum that fits."""
    body = PREFIX + (kid or key[6:16]).encode() + b"x" * 32
    return (body + checksum(body)).decode()


def test_a_good_key_is_its_caller(store: Store):
    above = create_tenant(store, NewTenant(kind="organisation", name="o"), actor="test")
    team = create_tenant(store, NewTenant(kind="team", name="t", organisation=above.id), actor="test").id
    plain, row = create_key(store, PEPPER, NewKey(name="laptop", team=team, models=("m", "p/m")), actor="test")
    ring = KeyRing(store, PEPPER)

    expected = Principal(key_id=row.kid, name="laptop", team=team, models=("m", "p/m"), organisation=above.id)
    assert ring.check(plain) == expected
    assert ring.check(plain.encode()) == expected
    assert asyncio.run(ring.identify(plain.encode())) == expected


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"), Refusal.MALFORMED),
        (lambda key: key[:20], Refusal.MALFORMED),
        (lambda key: key + "x", Refusal.MALFORMED),
        (lambda key: "", Refusal.MALFORMED),
        (lambda key: "ключ" * 14, Refusal.MALFORMED),
        (lambda key: key[:-1] + "é", Refusal.MALFORMED),
        (lambda key: "\ud800" + key[1:], Refusal.MALFORMED),
        (lambda key: "x" * 10_000, Refusal.MALFORMED),
        (lambda key: key.swapcase(), Refusal.MALFORMED),
        (lambda key: " " + key, Refusal.MALFORMED),
        (resealed, Refusal.UNKNOWN),
        (lambda key: resealed(key, kid="0123456789"), Refusal.UNKNOWN),
        (lambda key: resealed(key, kid="'; DROP --"), Refusal.UNKNOWN),
        (lambda key: new_key().decode(), Refusal.UNKNOWN),
    ],
)
def test_anything_else_is_refused(store: Store, spoil, reason: Refusal):
    plain, _ = create_key(store, PEPPER, NewKey(name="a"), actor="test")
    ring = KeyRing(store, PEPPER)

    assert ring.check(spoil(plain)) is reason
    assert asyncio.run(ring.identify(spoil(plain))) is None


def test_a_revoked_key_is_refused(store: Store):
    plain, row = create_key(store, PEPPER, NewKey(name="a"), actor="test")
    ring = KeyRing(store, PEPPER)
    revoke_key(store, row.kid, actor="test")
    ring.refresh()

    assert ring.check(plain) is Refusal.REVOKED
    assert asyncio.run(ring.identify(plain)) is None
    assert KeyRing(store, PEPPER).check(plain) is Refusal.REVOKED


def test_a_key_ends_at_its_time(store: Store):
    now_us = [time.time_ns() // 1000]
    expires_us = now_us[0] + 60_000_000
    plain, _ = create_key(store, PEPPER, NewKey(name="a", expires_us=expires_us), actor="test")
    ring = KeyRing(store, PEPPER, clock_us=lambda: now_us[0])

    before = ring.check(plain)
    now_us[0] = expires_us - 1
    at_last = ring.check(plain)
    now_us[0] = expires_us
    after = ring.check(plain)

    assert isinstance(before, Principal)
    assert at_last == before
    assert after is Refusal.EXPIRED


def test_a_key_made_by_another_process_works_at_once(tmp_path: Path):
    with open_sqlite(tmp_path / "h.db") as ours, open_sqlite(tmp_path / "h.db") as theirs:
        ring = KeyRing(ours, PEPPER)
        plain, row = create_key(theirs, PEPPER, NewKey(name="new"), actor="cli")

        started_s = time.monotonic()
        found = asyncio.run(ring.identify(plain))

    assert found == Principal(key_id=row.kid, name="new")
    assert time.monotonic() - started_s < 1.0


def test_a_revocation_by_another_process_gets_here_within_two_seconds(tmp_path: Path):
    with open_sqlite(tmp_path / "h.db") as ours, open_sqlite(tmp_path / "h.db") as theirs:
        plain, row = create_key(theirs, PEPPER, NewKey(name="a"), actor="cli")
        ring = KeyRing(ours, PEPPER)

        async def until_refused() -> float:
            started_s = time.monotonic()
            async with asyncio.TaskGroup() as group:
                refresher = group.create_task(ring.keep_fresh())
                while await ring.identify(plain) is not None:
                    assert time.monotonic() - started_s < 5
                    await asyncio.sleep(0.02)
                refresher.cancel()
            return time.monotonic() - started_s

        revoke_key(theirs, row.kid, actor="cli")
        took_s = asyncio.run(until_refused())

    assert took_s < 2.0


class Counting(Store):
    """A store that counts how often it is read, and can be slow or out of order."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.reads = 0
        self.delay_s = 0.0
        self.fault: Exception | None = None

    def read(self):
        self.reads += 1
        time.sleep(self.delay_s)
        if self.fault is not None:
            raise self.fault
        return self._inner.read()


def test_a_flood_of_unknown_keys_does_not_become_a_flood_of_reads(store: Store):
    counting = Counting(store)
    ring = KeyRing(counting, PEPPER)
    before, counting.delay_s = counting.reads, 0.05

    async def flood() -> list[object]:
        return await asyncio.gather(*(ring.identify(new_key()) for _ in range(100)))

    started_s = time.monotonic()
    found = asyncio.run(flood())
    seconds = time.monotonic() - started_s

    assert found == [None] * 100
    assert counting.reads - before <= 1 + 5 * seconds


def test_known_keys_work_while_the_store_is_out_of_order(store: Store):
    plain, _ = create_key(store, PEPPER, NewKey(name="a"), actor="test")
    counting = Counting(store)
    ring = KeyRing(counting, PEPPER)
    from sqlalchemy.exc import OperationalError

    counting.fault = OperationalError("SELECT", None, Exception("disk gone"))

    known, unknown = asyncio.run(ring.identify(plain)), asyncio.run(ring.identify(new_key()))

    assert isinstance(known, Principal)
    assert unknown is None
    assert "disk gone" in ring.failure


def test_garbage_is_refused_without_asking_the_store(store: Store):
    counting = Counting(store)
    ring = KeyRing(counting, PEPPER)
    before = counting.reads

    assert asyncio.run(ring.identify("x" * 54)) is None
    assert counting.reads == before


def test_another_pepper_is_noticed_before_anyone_is_locked_out(store: Store):
    create_key(store, PEPPER, NewKey(name="a"), actor="test")
    other = Pepper(b"another pepper for tests")

    with pytest.raises(ConfigError, match="another pepper"):
        KeyRing(store, other)
    with pytest.raises(ConfigError, match="another pepper"):
        create_key(store, other, NewKey(name="b"), actor="test")

    assert [row.name for row in list_keys(store)] == ["a"]


def test_what_is_kept_does_not_open_anything(store: Store):
    plain, row = create_key(store, PEPPER, NewKey(name="a"), actor="test")

    with store.read() as connection:
        kept = repr(keys.find(connection, row.kid))
        trail = repr(audit.newest(connection, 10))
    assert plain[16:] not in kept + trail
    assert row.hmac == PEPPER.digest(plain.encode())


def test_every_change_leaves_a_line(store: Store):
    _, row = create_key(store, PEPPER, NewKey(name="a"), actor="cli")
    ended = revoke_key(store, row.kid, actor="admin")
    again = revoke_key(store, row.kid, actor="admin")

    with store.read() as connection:
        trail = [(entry.actor, entry.action, entry.object) for entry in audit.newest(connection, 10)]
    assert trail == [("admin", "key.revoke", row.kid), ("cli", "key.create", row.kid)]
    assert ended.revoked_us == again.revoked_us is not None
    assert [each.revoked_us for each in list_keys(store)] == [ended.revoked_us]


def test_a_key_that_is_not_there_cannot_be_revoked(store: Store):
    with pytest.raises(NotFound, match="'nobody'"):
        revoke_key(store, "nobody", actor="cli")


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (NewKey(name=""), "name"),
        (NewKey(name="  "), "name"),
        (NewKey(name="a\nb"), "name"),
        (NewKey(name="x" * 201), "name"),
        (NewKey(name="a", models=("m", "")), "models"),
        (NewKey(name="a", expires_us=1), "expires"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(store: Store, wanted: NewKey, param: str):
    with pytest.raises(InvalidRequest) as refused:
        create_key(store, PEPPER, wanted, actor="cli")

    assert refused.value.problem.param == param
    assert list_keys(store) == []


def test_minting_keeps_nothing(store: Store):
    plain, row = mint(PEPPER, NewKey(name="a"), 5)

    assert row.kid == plain[6:16]
    assert row.created_us == 5
    assert list_keys(store) == []


def test_a_key_is_let_pass_calls_through_and_not_any_more(store: Store):
    terms = Terms(rates=(RateTerm(of="requests", most=5),))
    plain, row = create_key(store, PEPPER, NewKey(name="laptop", terms=terms), actor="test")
    ring = KeyRing(store, PEPPER)

    let_pass(store, row.kid, ("one", "two"), actor="test")
    ring.refresh()
    allowed = ring.check(plain)
    changed = let_pass(store, row.kid, (), actor="test")
    ring.refresh()

    assert allowed.passing == ("one", "two")
    assert ring.check(plain).passing == ()
    assert msgspec.json.decode(changed.limits) == {"rates": [{"of": "requests", "most": 5}], "pass_through": []}
    with store.read() as connection:
        assert audit.newest(connection, 1)[0].action == "key.pass_through"


def test_who_cannot_be_let_pass(store: Store):
    _, held = create_key(store, PEPPER, NewKey(name="laptop", models=("m",)), actor="test")

    with pytest.raises(InvalidRequest, match="held to some models"):
        let_pass(store, held.kid, ("one",), actor="test")
    with pytest.raises(NotFound):
        let_pass(store, "nope", ("one",), actor="test")
