"""The table of verbs: where calls go and with which header fields."""

from headgate.dialects.base import Target
from headgate.dialects.openai_responses import DIALECT


def test_calls_go_to_responses():
    assert (DIALECT.name, DIALECT.address(Target(model="m"))) == ("openai_responses", "/responses")


def test_only_betas_are_passed_on():
    assert DIALECT.headers(Target(model="m"), {}) == []
    assert DIALECT.headers(Target(model="m"), {"openai-beta": "a=b", "cookie": "c"}) == [("OpenAI-Beta", "a=b")]
