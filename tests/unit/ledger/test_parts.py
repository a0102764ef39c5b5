"""What is left of each credit: by hand, and against one coin at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.parts import Movement, Part, Parts, parts_of

PAID = Movement("paid", 100, 0)
SOON = Movement("soon", 10, 0, is_paid=False, expires_us=5)
LATE = Movement("late", 10, 0, is_paid=False, expires_us=9)
EVER = Movement("ever", 10, 0, is_paid=False)


@pytest.mark.parametrize(
    ("movements", "used", "left", "debt"),
    [
        ([], 0, {}, 0),
        ([], 7, {}, 7),
        ([PAID, LATE, SOON, EVER], 0, {"paid": 100, "late": 10, "soon": 10, "ever": 10}, 0),
        ([PAID, LATE, SOON, EVER], 15, {"paid": 100, "late": 5, "soon": 0, "ever": 10}, 0),
        ([PAID, LATE, SOON, EVER], 31, {"paid": 99, "late": 0, "soon": 0, "ever": 0}, 0),
        ([PAID, LATE, SOON, EVER], 131, {"paid": 0, "late": 0, "soon": 0, "ever": 0}, 1),
        # what was used before a promotion came is not taken from it
        ([PAID, SOON._replace(used=40)], 43, {"paid": 60, "soon": 7}, 0),
        # what was used without credit is made up for first
        ([SOON, PAID._replace(used=25)], 25, {"soon": 0, "paid": 85}, 0),
        ([SOON, EVER._replace(used=25)], 25, {"soon": 0, "ever": 0}, 5),
        # what is paid back comes from what was paid, the latest first
        ([PAID, PAID._replace(id="more"), SOON, Movement("back", -130, 0)], 0, {"paid": 70, "more": 0, "soon": 10}, 0),
        ([PAID, SOON, Movement("end", -4, 6, is_paid=False, of="soon")], 6, {"paid": 100, "soon": 0}, 0),
    ],
)
def test_of_several_credits_the_right_one_is_used_first(movements: list, used: int, left: dict, debt: int):
    parts = parts_of(movements, used)
    assert ({part.id: part.left for part in parts.parts}, parts.debt) == (left, debt)


def test_what_was_paid_and_what_has_ended():
    parts = parts_of([PAID, SOON, LATE, EVER], 0)
    assert parts.paid == 100
    assert Parts(parts.parts, 30).paid == 70
    assert parts.ended(4) == []
    assert parts.ended(5) == [Part("soon", 10, False, 5)]
    assert [part.id for part in parts.ended(9)] == ["soon", "late"]
    assert [part.id for part in parts_of([SOON, LATE], 12).ended(9)] == ["late"]


steps = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 6), st.booleans(), st.integers(0, 3)).map(tuple), max_size=8
)


@given(steps, st.integers(0, 10))
def test_it_is_what_one_coin_at_a_time_comes_to(given: list, more: int):
    movements, used = [], 0
    coins: list[tuple[bool, int, int]] = []
    debt = 0

    def use(count: int) -> None:
        nonlocal debt
        for _ in range(count):
            if coins:
                coins.remove(min(coins))
            else:
                debt += 1

    for at, (amount, since, is_paid, end) in enumerate(given):
        used += since
        use(since)
        expires = 0 if is_paid else end
        movements.append(Movement(str(at), amount, used, is_paid, expires))
        for _ in range(amount):
            if debt:
                debt -= 1
            else:
                coins.append((is_paid, expires or 99, at))
    use(more)

    parts = parts_of(movements, used + more)
    assert parts.debt == debt
    assert {part.id: part.left for part in parts.parts} == {
        str(at): sum(1 for coin in coins if coin[2] == at) for at in range(len(given))
    }
    assert sum(part.left for part in parts.parts) - parts.debt == sum(m.nano_usd for m in movements) - used - more
