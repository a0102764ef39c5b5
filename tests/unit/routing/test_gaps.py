"""From when on a pause is a stall."""

from math import inf

import pytest

from headgate.routing.gaps import STALL_LEAST_S, STALL_MOST_S, Gaps


def taught(*longest_s: float) -> Gaps:
    gaps = Gaps()
    for each in longest_s:
        gaps.ended(each)
    return gaps


def test_of_few_streams_nothing_is_known():
    assert taught(*[0.1] * 20).stall_s == inf


def test_quick_streams_may_still_pause_for_five_seconds():
    assert taught(*[0.05] * 40).stall_s == STALL_LEAST_S
    assert taught(*[0.001] * 40).stall_s == STALL_LEAST_S


def test_slow_ones_may_pause_longer_and_none_for_ever():
    assert taught(*[4.0] * 40).stall_s == pytest.approx(12.0, rel=0.25)
    assert taught(*[10_000.0] * 40).stall_s == STALL_MOST_S


def test_one_long_pause_in_three_hundred_changes_nothing_and_one_in_twenty_does():
    rare = [0.1] * 299 + [8.0]
    often = ([0.1] * 19 + [8.0]) * 15
    assert taught(*rare).stall_s == STALL_LEAST_S
    assert taught(*often).stall_s == pytest.approx(24.0, rel=0.3)


def test_what_was_long_ago_is_forgotten():
    assert taught(*[8.0] * 50, *[0.1] * 1500).stall_s == STALL_LEAST_S
