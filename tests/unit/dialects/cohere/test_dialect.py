"""The dialect's table of verbs."""

from headgate.dialects.base import Target
from headgate.dialects.cohere import DIALECT


def test_where_it_lives_and_what_it_sends() -> None:
    target = Target(model="m")
    assert (DIALECT.name, DIALECT.address(target)) == ("cohere", "/v2/chat")
    assert list(DIALECT.headers(target, {"x": "y"})) == []
