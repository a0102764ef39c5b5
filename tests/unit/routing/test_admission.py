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


def ids(entrants: list[Entrant]) -> list[str]:
    return [each.id for each in entrants]


def served(queue: Admission, rounds: int) -> Counter[str]:
    """How many tokens each tenant gets when one slot is given after the other."""
    tokens: Counter[str] = Counter()
    for _ in range(rounds):
        going, _ = queue.next(0.0)
        for each in going:
            tokens[each.tenant] += each.input_tokens
            queue.done(each, each.cost, 1.0)
    return tokens


def test_with_room_nobody_waits():
    queue = Admission(2)
    assert [queue.enter(entrant(name), 0.0) for name in "abc"] == [True, True, False]
    assert (queue.running, queue.waiting) == (2, 1)
    assert queue.next(0.0) == ([], [])
    queue.done(entrant("a"), 100, 1.0)
    assert ids(queue.next(0.0)[0]) == ["c"]


def test_who_comes_after_a_queue_waits_too():
    queue = Admission(1)
    queue.enter(entrant("a"), 0.0)
    queue.enter(entrant("b"), 0.0)
    queue.done(entrant("a"), 100, 1.0)
    assert queue.enter(entrant("c"), 0.0) is False
    assert ids(queue.next(0.0)[0]) == ["b"]


def test_a_flood_of_one_tenant_does_not_keep_another_waiting():
    queue = Admission(1)
    for number in range(90):
        queue.enter(entrant(f"f{number}", "flood"), 0.0)
    for number in range(20):
        queue.enter(entrant(f"q{number}", "quiet"), 0.0)
    queue.done(entrant("f0", "flood"), 100, 1.0)
    tokens = served(queue, 30)
    assert abs(tokens["flood"] - tokens["quiet"]) <= 200


def test_shares_are_of_tokens_and_by_weight():
    queue = Admission(1)
    queue.enter(entrant("first", "x"), 0.0)
    for number in range(80):
        queue.enter(entrant(f"a{number}", "small", tokens=100), 0.0)
        queue.enter(entrant(f"b{number}", "large", tokens=400), 0.0)
        queue.enter(entrant(f"c{number}", "heavy", tokens=100, weight=2.0), 0.0)
    queue.done(entrant("first", "x"), 100, 1.0)
    tokens = served(queue, 100)
    assert tokens["small"] == pytest.approx(tokens["large"], abs=800)
    assert tokens["heavy"] == pytest.approx(2 * tokens["small"], rel=0.2)


def test_a_better_class_goes_first():
    queue = Admission(1)
    queue.enter(entrant("a"), 0.0)
    queue.enter(entrant("slow", priority=5), 0.0)
    queue.enter(entrant("fast", priority=1, tokens=9999), 0.0)
    queue.done(entrant("a"), 100, 1.0)
    assert ids(queue.next(0.0)[0]) == ["fast"]


def test_a_pause_earns_no_credit():
    queue = Admission(1)
    queue.enter(entrant("x", "busy"), 0.0)
    for number in range(50):
        queue.enter(entrant(f"b{number}", "busy"), 0.0)
    queue.done(entrant("x", "busy"), 10_000, 1.0)
    queue.enter(entrant("back", "idle"), 0.0)
    for number in range(20):
        queue.enter(entrant(f"i{number}", "idle"), 0.0)
    tokens = served(queue, 20)
    assert tokens["busy"] >= 800


def test_what_was_estimated_is_put_right():
    queue = Admission(1)
    queue.enter(entrant("a", "one"), 0.0)
    for number in range(3):
        queue.enter(entrant(f"o{number}", "one"), 0.0)
        queue.enter(entrant(f"t{number}", "two"), 0.0)
    queue.done(entrant("a", "one"), 5000, 1.0)
    assert ids([*queue.next(0.0)[0]]) == ["t0"]


def test_who_cannot_be_in_time_is_told_at_once():
    queue = Admission(1)
    queue.enter(entrant("a"), 0.0)
    refused = queue.enter(entrant("b", deadline_s=0.5), 0.0)
    assert isinstance(refused, Refused)
    assert (refused.why, refused.retry_after_s) == ("late", 1.0)
    assert queue.waiting == 0


def test_whose_deadline_passes_is_taken_out():
    queue = Admission(1)
    queue.enter(entrant("a"), 0.0)
    queue.enter(entrant("b", deadline_s=5.0), 0.0)
    queue.enter(entrant("c", deadline_s=50.0), 0.0)
    going, late = queue.next(6.0)
    assert (ids(going), ids(late), queue.waiting) == ([], ["b"], 1)


def test_a_full_queue_refuses():
    queue = Admission(0)
    for number in range(WAITING_MAX):
        assert queue.enter(entrant(str(number), f"t{number % 20}"), 0.0) is False
    refused = queue.enter(entrant("more", "new"), 0.0)
    assert isinstance(refused, Refused)
    assert refused.why == "full"
    alone = Admission(0)
    told = [alone.enter(entrant(str(number)), 0.0) for number in range(TENANT_WAITING_MAX + 1)]
    assert isinstance(told[-1], Refused)
    assert told[-1].why == "tenant_full"


def test_who_gives_up_leaves():
    queue = Admission(1)
    for name in "abc":
        queue.enter(entrant(name), 0.0)
    assert queue.leave("b")
    assert not queue.leave("b")
    queue.done(entrant("a"), 100, 1.0)
    assert ids(queue.next(0.0)[0]) == ["c"]


def test_nothing_is_kept_of_ten_thousand_strangers():
    queue = Admission(1_000_000)
    for number in range(10_005):
        queue.enter(entrant(str(number), f"t{number}"), 0.0)
    assert len(queue._counters) <= 10_000  # pyright: ignore[reportPrivateUsage]


@given(st.lists(st.tuples(st.sampled_from("ednl"), st.integers(0, 3), st.integers(0, 2), st.floats(0, 3)), max_size=80))
def test_nobody_is_lost_and_nobody_goes_twice(events: list[tuple[str, int, int, float]]):
    queue, now_s, running, waiting, gone = Admission(2), 0.0, dict[str, Entrant](), set[str](), set[str]()
    for number, (kind, tenant, priority, pause_s) in enumerate(events):
        now_s += pause_s
        if kind == "e":
            new = entrant(str(number), f"t{tenant}", priority=priority, deadline_s=now_s + 4.0)
            told = queue.enter(new, now_s)
            if told is True:
                running[new.id] = new
            elif told is False:
                waiting.add(new.id)
        elif kind == "d" and running:
            queue.done(running.pop(next(iter(running))), 50.0, pause_s)
        elif kind == "l" and waiting:
            assert queue.leave(waiting.pop())
        going, late = queue.next(now_s)
        for each in going:
            assert each.id in waiting
            assert each.id not in gone
            waiting.remove(each.id)
            gone.add(each.id)
            running[each.id] = each
        waiting -= set(ids(late))
        assert (queue.running, queue.waiting) == (len(running), len(waiting))
        assert len(running) <= 2
        assert not waiting or len(running) == 2
