"""Rollups: every call is in its minute, hour and day once, as what it was; wrong ones are found and made anew."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, update
from tests.unit.ledger.test_applier import WORDS, apply_all, open_journal, record

from headgate.core.problems import Outcome
from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.ledger import rolling
from headgate.store.base import Store
from headgate.store.queries import calls, meta, rollups
from headgate.store.queries.rollups import ATTEMPT_ROLLUP, CALL_ROLLUP, DAY_S, HOUR_S, MINUTE_S, Question, Window
from headgate.store.tables import ROLLUPS

SECOND = 1_000_000
DAY = DAY_S * SECOND
NOON = 20_000 * DAY + 12 * HOUR_S * SECOND
SHARED: Any = {"model": "up", "dialect": "openai_chat", "lane": "verbatim"}
ALWAYS = {grain_s: Window(grain_s=grain_s, since_us=0, before_us=2**62) for grain_s in (MINUTE_S, HOUR_S, DAY_S)}


def call(id: str, at_us: int = NOON, **more: Any) -> CallRecord:
    usage = Usage(input_tokens=100, cached_tokens=40, output_tokens=30)
    attempt = Attempt(number=1, provider="p", usage=usage, cost_nano_usd=7, ttft_ms=120.0, duration_ms=400.0, **SHARED)
    words: dict[str, Any] = {"status": 200, "attempts": [attempt], "usage": usage, "cost_nano_usd": 7, "ttft_ms": 120.0}
    words |= {"duration_ms": 420.0, "overhead_ms": 2.0, "route": "model"}
    return CallRecord(id=id, started_us=at_us, **(WORDS | {"is_stream": True} | words | more))


def asked(rollup: rollups.Rollup, grain_s: int, by: tuple[str, ...] = (), **wanted: list[str]) -> Question:
    return Question(rollup=rollup, window=ALWAYS[grain_s], by=by, sums=rollup.sums, wanted=dict(wanted))


def keep(store: Store, *records: CallRecord) -> None:
    with store.write() as connection:
        rolling.add(connection, calls.add(connection, [(each, msgspec.json.encode(each)) for each in records]))


def sums(store: Store, grain_s: int = DAY_S, rollup: rollups.Rollup = CALL_ROLLUP) -> dict[str, int]:
    with store.read() as connection:
        found = rollups.summed(connection, asked(rollup, grain_s))
    return {name: number for name, number in found[0].sums.items() if number} if found else {}


def test_a_call_is_in_its_minute_hour_and_day(store: Store):
    keep(store, call("a", NOON + 90 * SECOND))

    with store.read() as connection:
        found = rollups.summed(connection, asked(CALL_ROLLUP, MINUTE_S, CALL_ROLLUP.place))
        found += rollups.summed(connection, asked(CALL_ROLLUP, HOUR_S, CALL_ROLLUP.place))
        found += rollups.summed(connection, asked(CALL_ROLLUP, DAY_S, CALL_ROLLUP.place))

    who = ("k", "m", "p", "up", "model")
    assert [each.place for each in found] == [
        (60, NOON + 60 * SECOND, *who),
        (3600, NOON, *who),
        (86_400, NOON - NOON % DAY, *who),
    ]
    for each in found:
        assert {name: number for name, number in each.sums.items() if number} == {
            "calls": 1,
            "attempts": 1,
            "input_tokens": 100,
            "cached_tokens": 40,
            "output_tokens": 30,
            "cost_nano_usd": 7,
            "charge_nano_usd": 7,
            "duration_us": 420_000,
            "overhead_us": 2000,
            "ttft_us": 120_000,
            "spoken_tokens": 30,
            "spoken_us": 300_000,
            "d10": 1,
            "t7": 1,
        }


def test_batches_add_up(store: Store):
    keep(store, *(call(f"a{number}", NOON + number * SECOND) for number in range(47)))
    keep(store, *(call(f"b{number}", NOON + number * SECOND, key_id=f"k{number}") for number in range(47)))

    assert sums(store)["calls"] == sums(store, HOUR_S)["calls"] == sums(store, MINUTE_S)["calls"] == 94
    with store.read() as connection:
        by_key = rollups.summed(connection, asked(CALL_ROLLUP, DAY_S, ("key_id",), key_id=["k", "k3"]))
    assert [(each.place, each.sums["calls"]) for each in by_key] == [(("k",), 47), (("k3",), 1)]


def test_more_keys_than_one_query_names_are_asked_for_in_turns(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rollups, "KEYS_MAX", 2)
    keep(store, *(call(f"b{number}", key_id=f"k{number}") for number in range(5)))

    with store.read() as connection:
        kids = [f"k{number}" for number in range(5)]
        (found,) = rollups.summed(connection, asked(CALL_ROLLUP, DAY_S, key_id=kids, model=["m"]))
        nothing = rollups.summed(connection, asked(CALL_ROLLUP, DAY_S, key_id=[]))
    assert (found.place, found.sums["calls"]) == ((), 5)
    assert nothing == []


@dataclass(frozen=True)
class Blame:
    """Who is to blame for an end."""

    outcome: Outcome
    status: int
    counted: str


@pytest.mark.parametrize(
    "blame",
    [
        Blame(Outcome.OK, 200, ""),
        Blame(Outcome.SERVER, 502, "failed"),
        Blame(Outcome.CUT, 200, "failed"),
        Blame(Outcome.RATE, 429, "failed"),
        Blame(Outcome.CLIENT, 400, "refused"),
        Blame(Outcome.LOCAL, 429, "refused"),
        Blame(Outcome.LOCAL, 0, "failed"),
        Blame(Outcome.CLIENT_GONE, 200, "gone"),
    ],
    ids=lambda blame: f"{blame.outcome} {blame.status}",
)
def test_an_end_is_counted_as_what_it_was(store: Store, blame: Blame):
    keep(store, call("a", outcome=blame.outcome, status=blame.status))

    assert {"failed", "refused", "gone"} & sums(store).keys() == {blame.counted} - {""}


def test_attempts_are_counted_by_who_was_tried(store: Store):
    slow = Attempt(number=1, provider="p", outcome=Outcome.SLOW, duration_ms=900.0, cost_nano_usd=1, **SHARED)
    moved = Attempt(number=2, provider="q", why="move", outcome=Outcome.SERVER, duration_ms=10.0, **SHARED)
    beside = Attempt(number=3, provider="q", why="hedge", ttft_ms=50.0, duration_ms=80.0, usage=Usage(), **SHARED)
    keep(store, call("a", attempts=[slow, moved, beside], usage=Usage(), outcome=Outcome.OK))

    found = sums(store)
    assert (found["attempts"], found["failovers"], found["hedges"]) == (3, 1, 1)
    with store.read() as connection:
        tried = rollups.summed(connection, asked(ATTEMPT_ROLLUP, DAY_S, ("provider", "outcome")))
    assert [(each.place, {name: number for name, number in each.sums.items() if number}) for each in tried] == [
        (("p", "slow"), {"attempts": 1, "cost_nano_usd": 1, "duration_us": 900_000}),
        (("q", "ok"), {"attempts": 1, "hedges": 1, "duration_us": 80_000, "ttft_us": 50_000, "t5": 1}),
        (("q", "server"), {"attempts": 1, "duration_us": 10_000}),
    ]


def test_what_an_upstream_claims_does_not_burst_a_sum(store: Store):
    keep(store, call("a", usage=Usage(input_tokens=2**80, output_tokens=2**80), cost_nano_usd=2**80))

    assert sums(store)["input_tokens"] == sums(store)["cost_nano_usd"] == 10**15


def test_the_applier_counts_what_it_keeps(tmp_path: Any, store: Store):
    journal = open_journal(tmp_path)
    for number in range(5):
        journal.call_ended(record(f"c{number}"))
    apply_all(journal, store)

    assert sums(store)["calls"] == 5
    with store.read() as connection:
        assert rolling.verify(connection) == []


def test_a_store_with_calls_that_were_never_counted_gets_its_rollups_at_the_start(tmp_path: Any, store: Store):
    with store.write() as connection:
        calls.add(connection, [(each, msgspec.json.encode(each)) for each in (call("a"), call("b"))])
        assert not rolling.is_current(connection)
    apply_all(open_journal(tmp_path), store)

    assert sums(store)["calls"] == 2
    with store.read() as connection:
        assert rolling.is_current(connection)
        assert rolling.verify(connection) == []


def test_minutes_and_hours_are_forgotten_days_are_not(store: Store):
    keep(store, call("a", NOON), call("b", NOON + 3 * DAY))
    with store.write() as connection:
        rolling.forget(connection, NOON + 3 * DAY + SECOND)
    assert [sums(store, grain_s)["calls"] for grain_s in (MINUTE_S, HOUR_S, DAY_S)] == [1, 2, 2]
    with store.write() as connection:
        rolling.forget(connection, NOON + 200 * DAY)

    assert [sums(store, grain_s).get("calls") for grain_s in (MINUTE_S, HOUR_S, DAY_S)] == [None, None, 2]
    with store.read() as connection:
        assert rolling.verify(connection) == []


def test_wrong_rollups_are_found_and_made_anew(store: Store):
    keep(store, call("a"), call("b", NOON + DAY, key_id="other"))
    with store.write() as connection:
        connection.execute(
            update(ROLLUPS).where(ROLLUPS.c.grain_s == MINUTE_S, ROLLUPS.c.key_id == "k").values(calls=9)
        )
        connection.execute(update(ROLLUPS).where(ROLLUPS.c.grain_s == DAY_S).values(key_id="swapped"))
        off = rolling.verify(connection)

    day = NOON - NOON % DAY
    assert {(each.what, each.rollups, each.calls) for each in off if each.what.endswith(": calls")} == {
        (f"rollups, 60 s from {day}: calls", 9, 1),
        ("rollups, 'k' 'm' 'p' 'up' 'model': calls", 0, 1),
        ("rollups, 'other' 'm' 'p' 'up' 'model': calls", 0, 1),
        ("rollups, 'swapped' 'm' 'p' 'up' 'model': calls", 2, 0),
    }
    with store.write() as connection:
        assert rolling.rebuild(connection, NOON + DAY) == 2
        assert rolling.verify(connection) == []
        assert rolling.rebuild(connection, NOON + 50 * DAY) == 2
        assert rolling.verify(connection) == []
    assert [sums(store, grain_s).get("calls") for grain_s in (MINUTE_S, HOUR_S, DAY_S)] == [None, 2, 2]


def test_lost_rows_are_found(store: Store):
    keep(store, call("a"))
    with store.write() as connection:
        connection.execute(delete(ROLLUPS).where(ROLLUPS.c.grain_s == HOUR_S))
        assert {each.what.partition(":")[0] for each in rolling.verify(connection)} == {
            f"rollups, 3600 s from {NOON - NOON % DAY}"
        }


def test_other_rules_of_counting_count_anew(store: Store):
    with store.write() as connection:
        rolling.rebuild(connection, NOON)
        assert rolling.is_current(connection)
        meta.put(connection, "rollups version", "0")
        assert not rolling.is_current(connection)
