"""The index finds exactly what is nearest in its own partition, and nothing that was dropped or has expired."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.cache.semantic.embedders import Floats, unit
from headgate.cache.semantic.index import ExactIndex, Near

ONE, OTHER = b"one", b"other"


def vectors(count: int, seed: int = 1, dimensions: int = 8) -> Floats:
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32))


def names(found: list[Near]) -> list[str]:
    return [near.entry for near in found]


def test_the_nearest_are_found_in_order():
    index, rows = ExactIndex(8), vectors(300)
    for place, row in enumerate(rows):
        index.put(ONE, str(place), row, 10.0)
    asked = vectors(1, seed=2)[0]
    wanted = np.argsort(-(rows @ asked))[:4]
    found = index.near(ONE, asked, 4, 0.0)
    assert names(found) == [str(place) for place in wanted]
    assert [near.cosine for near in found] == pytest.approx((rows @ asked)[wanted].tolist())


def test_partitions_never_see_each_other():
    index, row = ExactIndex(8), vectors(1)[0]
    index.put(ONE, "a", row, 10.0)
    index.put(OTHER, "b", row, 10.0)
    assert names(index.near(ONE, row, 4, 0.0)) == ["a"]
    assert index.near(b"none", row, 4, 0.0) == []


def test_what_expired_is_not_found_and_is_swept():
    index, row = ExactIndex(8), vectors(1)[0]
    index.put(ONE, "a", row, 10.0)
    index.put(ONE, "b", row, 11.0)
    assert names(index.near(ONE, row, 4, 10.0)) == ["b"]
    assert index.sweep(10.0) == ["a"]
    assert (len(index), index.sweep(10.0)) == (1, [])


def test_an_entry_put_again_is_replaced_wherever_it_was():
    index, (first, second) = ExactIndex(8), vectors(2)
    index.put(ONE, "a", first, 10.0)
    index.put(OTHER, "a", second, 10.0)
    assert index.near(ONE, first, 1, 0.0) == []
    assert names(index.near(OTHER, second, 1, 0.0)) == ["a"]
    assert len(index) == 1


def test_the_soonest_to_expire_make_room():
    index, rows = ExactIndex(8, entries_max=32), vectors(33)
    for place, row in enumerate(rows):
        index.put(ONE, str(place), row, 100.0 - place)
    assert len(index) == 31
    assert not {"31", "30"} & set(names(index.near(ONE, rows[31], 99, 0.0)))


def test_a_vector_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"a vector of \(3,\) numbers was put where \(8,\) are kept"):
        ExactIndex(8).put(ONE, "a", np.zeros(3, np.float32), 1.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "drop"]), st.integers(0, 90)), max_size=150))
def test_it_is_a_dictionary_that_is_searched(acts: list[tuple[str, int]]):
    index, rows, kept = ExactIndex(8), vectors(91), set[int]()
    for act, place in acts:
        if act == "put":
            index.put(ONE, str(place), rows[place], 10.0)
            kept.add(place)
        else:
            index.drop([str(place), "never there"])
            kept.discard(place)
    assert sorted(names(index.near(ONE, rows[0], 200, 0.0))) == sorted(str(place) for place in kept)
    assert len(index) == len(kept)
    for place in kept:
        assert names(index.near(ONE, rows[place], 1, 0.0)) == [str(place)]
