"""Compressed answers: their ends, their lies and their bombs."""

import gzip
import zlib

import pytest

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.inflate import Inflater
from headgate.transport.settings import PoolSettings


def inflater(**limits):
    return Inflater(PoolSettings(**limits), "http://test")


def test_members_follow_one_another():
    subject = inflater()
    assert subject.feed(gzip.compress(b"one", mtime=0) + gzip.compress(b"two")) == b"onetwo"
    assert subject.is_whole


def test_nothing_at_all_is_whole_and_half_is_not():
    subject = inflater()
    assert subject.is_whole
    subject.feed(gzip.compress(b"one", mtime=0)[:-1])
    assert not subject.is_whole


@pytest.mark.parametrize("size", [10_000_000, 50_000_000])
def test_a_bomb_is_refused_by_its_ratio_before_it_fills_memory(size):
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packer.flush()
    with pytest.raises(UpstreamError, match="inflated_ratio_max=100") as caught:
        inflater().feed(bomb)
    assert caught.value.problem.outcome is Outcome.PROTOCOL


def test_size_has_a_limit_of_its_own():
    subject = inflater(inflated_bytes_max=1000)
    assert subject.feed(zlib.compress(b"x" * 1000)) == b"x" * 1000
    with pytest.raises(UpstreamError, match="inflated_bytes_max=1000"):
        inflater(inflated_bytes_max=1000).feed(zlib.compress(b"x" * 1001))


def test_a_good_ratio_within_the_first_mebibyte_is_no_bomb():
    assert len(inflater().feed(zlib.compress(bytes(1024 * 1024)))) == 1024 * 1024


@pytest.mark.parametrize(
    "lie", [b"<html>not compressed</html>", gzip.compress(b"one", mtime=0) + b"rest that is no member"]
)
def test_what_is_not_compressed_is_refused(lie):
    with pytest.raises(UpstreamError, match="not compressed as it says"):
        inflater().feed(lie)
