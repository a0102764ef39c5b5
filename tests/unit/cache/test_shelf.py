"""The shelf: bounds that hold, and what goes first."""

import pytest
from tests.unit.cache.test_entries import entry

from headgate.cache.entries import Entry
from headgate.cache.shelf import Purge, Shelf

NOW = 1_000


def named(number: int, **more: object) -> Entry:
    return entry(**{"key": number.to_bytes(32), "stored_us": NOW, "expires_us": NOW + 10, **more})


def has(shelf: Shelf, *numbers: int) -> list[bool]:
    return [shelf.find(number.to_bytes(32), NOW) is not None for number in numbers]


def test_it_gives_back_what_was_put_there_until_it_is_too_old():
    shelf = Shelf(10, 1_000_000)
    shelf.put(named(1))
    held = shelf.find((1).to_bytes(32), NOW + 9)
    assert held is not None
    assert held.entry == named(1)
    assert shelf.find((1).to_bytes(32), NOW + 10) is None
    assert (len(shelf), shelf.bytes) == (0, 0)


def test_a_newer_one_takes_its_place():
    shelf = Shelf(10, 1_000_000)
    shelf.put(named(1, source="old"))
    shelf.put(named(1, source="new"))
    held = shelf.find((1).to_bytes(32), NOW)
    assert held is not None
    assert held.entry.source == "new"
    assert shelf.bytes == held.size


def test_no_more_entries_than_allowed_and_the_least_worth_goes_first():
    shelf = Shelf(2, 1_000_000)
    for number, cost in ((1, 500), (2, 5), (3, 50)):
        shelf.put(named(number, cost_nano_usd=cost))
    assert has(shelf, 1, 2, 3) == [True, False, True]
    assert shelf.evicted == 1


def test_no_more_bytes_than_allowed():
    shelf = Shelf(100, 3 * 612)
    for number in range(5):
        shelf.put(named(number, body=b"x" * 100))
    assert (len(shelf), shelf.bytes) == (3, 3 * 612)
    assert shelf.put(named(9, body=b"x" * 4000)) is None
    assert len(shelf) == 3


def test_what_was_asked_for_lately_stays():
    shelf = Shelf(2, 1_000_000)
    shelf.put(named(1))
    shelf.put(named(2))
    shelf.put(named(3))  # one has gone, which raises the floor
    left = 1 if has(shelf, 1) == [True] else 2
    assert has(shelf, left) == [True]
    shelf.put(named(4))
    assert has(shelf, left, 4) == [True, True]


def test_what_was_worth_much_long_ago_goes_at_last():
    shelf = Shelf(3, 1_000_000)
    shelf.put(named(0, cost_nano_usd=100))
    for number in range(1, 400):
        shelf.put(named(number, cost_nano_usd=2))
    assert has(shelf, 0) == [False]


def test_a_form_is_made_once_and_counted():
    shelf = Shelf(10, 1_000_000)
    held = shelf.put(named(1))
    assert held is not None
    before, made = shelf.bytes, []

    def make() -> bytes:
        made.append(1)
        return b"form"

    assert [shelf.tell(held, (True,), make) for _ in range(2)] == [b"form"] * 2
    assert (made, shelf.bytes) == ([1], before + 4)
    shelf.purge(Purge())
    assert shelf.tell(held, (False,), make) == b"form"
    assert shelf.bytes == 0


def test_use_does_not_fill_the_queue():
    shelf = Shelf(10, 1_000_000)
    for round in range(300):
        shelf.put(named(round % 7, cost_nano_usd=round))
        has(shelf, *range(7))
    assert len(shelf) == 7
    assert len(shelf._queue) <= 4 * 7 + 65  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Purge(), []),
        (Purge(key=(1).to_bytes(32)), [2, 3]),
        (Purge(tenant="b"), [1, 2]),
        (Purge(tenant="k"), []),
        (Purge(tenant="o"), [2, 3]),
        (Purge(tag="t"), [1, 3]),
        (Purge(model="r"), [2]),
        (Purge(model="other/m"), [1, 3]),
        (Purge(model="m"), []),
        (Purge(namespace="n"), [1, 2]),
        (Purge(namespace=""), [3]),
        (Purge(before_us=NOW), [1, 2]),
        (Purge(tenant="a", tag="t"), [1, 3]),
    ],
)
def test_a_purge_takes_what_fits_all_of_it(wanted: Purge, left: list[int]):
    shelf = Shelf(10, 1_000_000)
    shelf.put(named(1, team="a", organisation="o"))
    shelf.put(named(2, team="a", tags=("t",), model="q", provider="other"))
    shelf.put(named(3, team="b", namespace="n", stored_us=NOW - 1))
    assert shelf.purge(wanted) == 3 - len(left)
    assert [number for number in (1, 2, 3) if has(shelf, number) == [True]] == left
