"""The gate: who is let in, from where, for what."""

import pytest

from headgate.core.problems import Forbidden
from headgate.limits.gate import Gate
from headgate.limits.terms import networks

NEAR = Gate(addresses=(networks(["192.0.2.0/24", "2001:db8::/32"]), networks(["192.0.2.7", "2001:db8::1"])))


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", ""])
def test_who_is_near_comes_in(address: str):
    NEAR.check("generate", address)


@pytest.mark.parametrize("address", ["192.0.2.8", "198.51.100.7", "::ffff:192.0.2.8", "2001:db8::2", "a socket"])
def test_who_is_not_does_not(address: str):
    with pytest.raises(Forbidden, match="may not be used from") as caught:
        NEAR.check("generate", address)
    assert caught.value.problem.code == "address_not_allowed"


def test_only_what_is_allowed():
    gate = Gate(endpoints=frozenset({"embeddings", "generate"}))
    gate.check("generate", "192.0.2.7")
    with pytest.raises(Forbidden, match="it may use: embeddings, generate"):
        gate.check("keep", "")


def test_nobody_who_is_blocked():
    with pytest.raises(Forbidden, match="blocked"):
        Gate(is_blocked=True).check("generate", "")
