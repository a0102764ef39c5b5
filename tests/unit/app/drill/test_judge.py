"""The judge: measures out of clients' clocks and upstreams' logs, and whether the bounds held."""

from typing import Any

import pytest

from headgate.app.drill.calls import Call, End
from headgate.app.drill.judge import Run, Seen, judge, measured, numbered, quantile
from headgate.app.drill.scenarios import Around, Bound, Planned, Scenario
from headgate.transport.fake import BlackHole


def seen(number: int, place: int, at_s: float, **members: Any) -> Seen:
    usual: dict[str, Any] = {
        "status": 200,
        "bytes_sent": 100,
        "sent": [(at_s + 0.1, 50), (at_s + 0.1, 10), (at_s + 0.2, 10), (at_s + 0.3, 10)],
        "completed": True,
    }
    body = f"drill-call-{number}. " + "x" * 387
    return Seen(arrived_s=at_s, body=body, place=place, **{**usual, **members})


def lost(number: int, place: int, at_s: float) -> Seen:
    return seen(
        number, place, at_s, status=None, bytes_sent=0, sent=[], completed=False, fault="black_hole", closed_s=at_s + 1
    )


def call(number: int, due_s: float, end: End = End.COMPLETE, **members: Any) -> Call:
    usual: dict[str, Any] = {"first_s": due_s + 0.25, "ended_s": due_s + 1.0}
    return Call(number=number, due_s=due_s, end=end, **{**usual, **members})


BLACK = Scenario(
    id="X",
    title="x",
    faults=(Planned(place=0, fault=BlackHole()),),
    bounds=(
        Bound(measure="complete_pct", least=100),
        Bound(measure="switch_s", most=0.3, calls=7, p95s=1),
        Bound(measure="closed_p99_ms", most=1),
    ),
    settle_s=2,
)


def run(calls: list[Call], attempts: list[Seen], scenario: Scenario = BLACK) -> Run:
    return Run(scenario=scenario, rate_per_s=10, onset_s=100, repair_s=110, calls=calls, attempts=attempts)


MOVED = run(
    [
        call(0, 99.0),
        call(1, 100.5, first_s=102.0),
        call(2, 104.0),
        call(3, 104.5, End.HONEST, first_s=None, ended_s=104.9),
        call(4, 105.0, End.DISHONEST, note="half"),
        call(5, 111.0),
    ],
    [
        seen(0, 0, 99.0),
        lost(1, 0, 100.5),
        seen(1, 1, 101.75),
        seen(2, 1, 104.0),
        seen(3, 1, 104.5, status=500, completed=True),
        seen(4, 1, 105.0, completed=False),
        lost(9, 0, 107.0),
        seen(5, 0, 111.0),
    ],
)


def test_what_clients_and_logs_say_becomes_numbers() -> None:
    assert measured(MOVED) == {
        "complete_pct": 50.0,
        "honest_pct": 75.0,
        "dishonest": 1.0,
        "hanging": 0.0,
        "switch_s": 0.5,  # a probe at 107 comes after a pause
        "share_pct": 0.0,
        "attempts_per_call": 1.0,
        "faulty_attempts": 2.0,
        "throttled": 0.0,
        "strays": None,
        "extra_cost_pct": 0.0,  # a black hole bills nothing
        "beyond_cap_pct": 0.0,
        "first_p99_s": 1.5,
        "added_p50_ms": pytest.approx(1300.0),
        "added_p99_ms": pytest.approx(1300.0),
        "error_p99_s": pytest.approx(0.4),
        "closed_p99_ms": None,
        "return_s": 1.0,
    }


def test_a_verdict_names_bound_and_value() -> None:
    result = judge(MOVED, is_stream=True)
    assert (result.calls, result.lost, result.holds) == (4, 2, False)
    assert [(each.bound, each.value, each.holds) for each in result.findings] == [
        ("complete_pct ≥ 100", 50.0, False),
        ("switch_s ≤ 1.2", 0.5, True),
        ("closed_p99_ms ≤ 1", None, True),
    ]
    assert result.notes == ["honest: ", "dishonest: half"]


def test_attempts_that_did_not_answer_cost_something_where_the_upstream_would_have() -> None:
    slow = lost(0, 0, 101.0)
    slow.fault, slow.status = "slower", 200
    found = measured(run([call(0, 101.0)], [slow, seen(0, 1, 103.0)]))
    # a hundred tokens of prompt for both, two words of four each for the answer; the burst may be thirty prompts
    assert found["extra_cost_pct"] == pytest.approx(100 * slow.prompt_cost / (slow.prompt_cost + 8))
    assert found["beyond_cap_pct"] == 0.0
    many = [each for at in range(40) for each in (lost(at, 0, 101.0), seen(at, 1, 103.0))]
    for each in many[::2]:
        each.fault, each.status = "slower", 200
    assert measured(run([call(at, 101.0) for at in range(40)], many))["beyond_cap_pct"] == pytest.approx(
        100 * 10 * slow.prompt_cost / (40 * (slow.prompt_cost + 8)), rel=0.01
    )


def test_without_a_fault_calls_that_begin_elsewhere_are_strays() -> None:
    calm = Scenario(id="F0", title="calm")
    found = measured(run([call(0, 101.0), call(1, 102.0)], [seen(0, 0, 101.0), seen(1, 1, 102.0)], calm))
    assert (found["strays"], found["return_s"], found["switch_s"]) == (1.0, None, None)


def test_who_hangs_up_is_no_loss_and_is_followed_to_the_upstream() -> None:
    left = call(0, 101.0, End.LEFT, ended_s=102.0)
    found = judge(run([left], [seen(0, 0, 101.0, completed=False, closed_s=102.05)]), is_stream=True)
    assert (found.lost, "complete_pct" in found.measures) == (0, False)
    assert found.measures["closed_p99_ms"] == 50.0


def test_nothing_measured_is_nothing_missed() -> None:
    found = judge(run([], []), is_stream=False)
    assert found.holds
    assert found.measures == {"dishonest": 0.0, "hanging": 0.0, "faulty_attempts": 0.0, "throttled": 0.0}


def test_calls_are_known_again_by_their_mark() -> None:
    stranger = seen(0, 0, 1.0)
    stranger.body = "hello"
    assert {number: len(each) for number, each in numbered([seen(12, 1, 2.0), seen(1, 0, 1.0), stranger]).items()} == {
        1: 1,
        12: 1,
    }


@pytest.mark.parametrize(
    ("bound", "value", "holds", "text"),
    [
        (Bound(measure="complete_pct", least=99.9), 99.9, True, "complete_pct ≥ 99.9"),
        (Bound(measure="complete_pct", least=99.9), 99.8, False, "complete_pct ≥ 99.9"),
        (Bound(measure="switch_s", most=0.5, calls=18, p95s=2), 3.4, True, "switch_s ≤ 3.4"),
        (Bound(measure="switch_s", most=0.5, calls=18, p95s=2), 3.5, False, "switch_s ≤ 3.4"),
    ],
)
def test_a_bound_depends_on_rate_and_usual_times(bound: Bound, value: float, holds: bool, text: str) -> None:
    around = Around(20.0, 1.0)
    assert (bound.holds(value, around), bound.text(around)) == (holds, text)


def test_quantiles_are_of_what_was_seen() -> None:
    assert [quantile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]
    assert quantile([], 0.5) is None


def test_a_hedge_beside_a_slow_upstream_that_is_well_adds_nothing() -> None:
    first = seen(0, 0, 101.0, completed=False, sent=[], bytes_sent=0, status=200)
    hedged = run([call(0, 101.0, first_s=102.25)], [first, seen(0, 1, 102.0)])
    assert measured(hedged)["added_p99_ms"] == pytest.approx(50.0)
    first.fault = "black_hole"
    assert measured(hedged)["added_p99_ms"] == pytest.approx(1050.0)
