"""The queue: fair by tokens, strict by class, honest about deadlines."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from headgate.routing.admission import TENANT_WAITING_MAX, WAITING_MAX, Admission, Entrant, Refused


def entrant(id: str, tenant: str = "t", tokens: int = 100, **changes: float) -> Entrant:
    plain = Entrant(id=id, tenant=tenant, input_tokens=tokens, output_tokens=0, deadline_s=1e9)
    return structs.replace(plain, **changes)


def goes(queue: Admission, now_s: float = 0.0) -> Entrant:
    """The first in line, which goes."""
    first = queue.first(now_s)
    assert first is not None
    queue.go(first, now_s)
    return first


def line(*entrants: Entrant) -> Admission:
    queue = Admission()
    for each in entrants:
        assert queue.enter(each, 0.0, 0.0) is None
    return queue


def served(queue: Admission, rounds: int) -> Counter[str]:
    """How many tokens each tenant gets when one goes after the other."""
    tokens: Counter[str] = Counter()
    for _ in range(rounds):
        each = goes(queue)
        tokens[each.tenant] += each.input_tokens
    return tokens


def test_who_came_first_goes_first():
    queue = line(*(entrant(name) for name in "abc"))
    assert queue.waiting == 3
    assert [goes(queue).id for _ in range(3)] == ["a", "b", "c"]
    assert queue.first(0.0) is None
    assert queue.soonest_s() == float("inf")


def test_a_flood_of_one_tenant_does_not_keep_another_waiting():
    queue = line(*(entrant(f"f{number}", "flood") for number in range(90)))
    for number in range(20):
        queue.enter(entrant(f"q{number}", "quiet"), 0.0, 0.0)
    tokens = served(queue, 30)
    assert abs(tokens["flood"] - tokens["quiet"]) <= 200


def test_shares_are_of_tokens_and_by_weight():
    queue = Admission()
    for number in range(80):
        queue.enter(entrant(f"a{number}", "small", tokens=100), 0.0, 0.0)
        queue.enter(entrant(f"b{number}", "large", tokens=400), 0.0, 0.0)
        queue.enter(entrant(f"c{number}", "heavy", tokens=100, weight=2.0), 0.0, 0.0)
    tokens = served(queue, 100)
    assert tokens["small"] == pytest.approx(tokens["large"], abs=800)
    assert tokens["heavy"] == pytest.approx(2 * tokens["small"], rel=0.2)


def test_a_better_class_goes_first():
    queue = line(entrant("slow", priority=5), entrant("fast", priority=1, tokens=9999))
    assert goes(queue).id == "fast"


def test_who_waits_long_rises_and_is_not_starved():
    queue = line(entrant("batch", "b", priority=2), entrant("old", "o", priority=1))
    for number in range(3):
        queue.enter(entrant(f"new{number}", f"n{number}", priority=0, since_s=60.0), 0.0, 60.0)
    assert [goes(queue, 29.0).id for _ in range(1)] == ["new0"]
    assert [goes(queue, 60.0).id for _ in range(2)] == ["batch", "old"]


def test_those_who_have_had_as_much_go_as_they_came():
    queue = line(entrant("late", "a", since_s=2.0), entrant("early", "b", since_s=1.0))
    assert goes(queue, 3.0).id == "early"


def test_a_pause_earns_no_credit():
    queue = line(*(entrant(f"b{number}", "busy") for number in range(50)))
    queue.done(goes(queue), 10_000)
    for number in range(20):
        queue.enter(entrant(f"i{number}", "idle"), 0.0, 0.0)
    assert served(queue, 20)["busy"] >= 800


def test_what_was_estimated_is_put_right():
    queue = line(entrant("a", "one"))
    for number in range(3):
        queue.enter(entrant(f"o{number}", "one"), 0.0, 0.0)
        queue.enter(entrant(f"t{number}", "two"), 0.0, 0.0)
    queue.done(goes(queue), 5000)
    assert goes(queue).id == "t0"


def test_who_cannot_be_in_time_is_told_at_once():
    queue = Admission()
    assert queue.enter(entrant("b", deadline_s=0.5), 2.0, 0.0) == Refused("late", 2.0)
    assert queue.waiting == 0


def test_the_pace_tells_when_it_would_be_ones_turn():
    queue = line(*(entrant(str(number)) for number in range(60)))
    for number in range(50):
        goes(queue, 0.5 * number)
    refused = queue.enter(entrant("more", deadline_s=26.0), 0.0, 25.0)
    assert isinstance(refused, Refused)
    assert refused.retry_after_s == pytest.approx(5.0, rel=0.1)
    assert queue.enter(entrant("first", "other", deadline_s=26.0, priority=-1), 0.0, 25.0) is None
    assert isinstance(queue.enter(entrant("last", "other", deadline_s=26.0, priority=1), 0.0, 25.0), Refused)


def test_whose_deadline_passes_is_taken_out():
    queue = line(entrant("b", deadline_s=5.0), entrant("c", deadline_s=50.0), entrant("d", "u", deadline_s=6.0))
    assert queue.soonest_s() == 5.0
    assert ([each.id for each in queue.late(6.0)], queue.waiting) == (["b", "d"], 1)
    assert queue.late(6.0) == []


def test_a_full_queue_refuses():
    queue = line(*(entrant(str(number), f"t{number % 20}") for number in range(WAITING_MAX)))
    refused = queue.enter(entrant("more", "new"), 0.0, 0.0)
    assert isinstance(refused, Refused)
    assert refused.why == "full"
    alone = line(*(entrant(str(number)) for number in range(TENANT_WAITING_MAX)))
    told = alone.enter(entrant("more"), 0.0, 0.0)
    assert isinstance(told, Refused)
    assert told.why == "tenant_full"


def test_who_gives_up_leaves():
    queue = line(*(entrant(name) for name in "abc"))
    assert queue.leave("a")
    assert not queue.leave("a")
    assert goes(queue).id == "b"


def test_nothing_is_kept_of_ten_thousand_strangers():
    queue = Admission()
    for number in range(10_005):
        queue.enter(entrant(str(number), f"t{number}"), 0.0, 0.0)
        goes(queue)
    assert len(queue._counters) <= 10_000  # pyright: ignore[reportPrivateUsage]


@given(st.lists(st.tuples(st.sampled_from("egl"), st.integers(0, 3), st.integers(0, 2), st.floats(0, 3)), max_size=80))
def test_nobody_is_lost_and_nobody_goes_twice(events: list[tuple[str, int, int, float]]):
    queue, now_s, waiting, gone = Admission(), 0.0, set[str](), set[str]()
    for number, (kind, tenant, priority, pause_s) in enumerate(events):
        now_s += pause_s
        if kind == "e":
            new = entrant(str(number), f"t{tenant}", priority=priority, deadline_s=now_s + 4.0)
            if queue.enter(new, 0.0, now_s) is None:
                waiting.add(new.id)
        elif kind == "l" and waiting:
            assert queue.leave(waiting.pop())
        elif kind == "g" and queue.first(now_s) is not None:
            each = goes(queue, now_s)
            assert each.id in waiting
            assert each.id not in gone
            waiting.remove(each.id)
            gone.add(each.id)
        waiting -= {each.id for each in queue.late(now_s)}
        assert queue.waiting == len(waiting)
        assert (queue.first(now_s) is None) == (not waiting)
