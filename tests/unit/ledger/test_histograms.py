"""Times in bins: each in one, and percentiles that are as near as the bins are narrow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.histograms import BINS, bin_of, percentile
from headgate.store.tables import BOUNDS_MS


def bins_of(times_ms: list[float]) -> list[int]:
    bins = [0] * BINS
    for ms in times_ms:
        bins[bin_of(ms)] += 1
    return bins


@pytest.mark.parametrize(("ms", "bin"), [(0, 0), (9.99, 0), (10, 1), (14.9, 1), (15, 2), (67_999, 23), (68_000, 24)])
def test_a_bound_belongs_to_the_bin_above(ms: float, bin: int):
    assert bin_of(ms) == bin


def test_nothing_has_no_percentile():
    assert percentile([0] * BINS, 0.5) is None


def test_what_is_beyond_all_bounds_is_told_as_the_last():
    assert percentile(bins_of([5.0, 900_000.0]), 0.99) == BOUNDS_MS[-1]


@given(st.lists(st.floats(5, 67_000), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_a_bin_of_the_true_one(times_ms: list[float], share: float):
    ranked = sorted(times_ms)
    true = next(ms for at, ms in enumerate(ranked, 1) if at >= share * len(ranked))

    told = percentile(bins_of(times_ms), share)

    assert told is not None
    assert true / 2 <= told <= true * 2
