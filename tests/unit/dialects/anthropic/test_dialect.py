"""The table of verbs itself: where requests go and with which fields of the header."""

from headgate.dialects.anthropic import DIALECT
from headgate.dialects.base import Target


def test_where_requests_go():
    assert DIALECT.address(Target(model="m")) == "/v1/messages"


def test_the_version_is_the_callers_then_the_providers_then_the_oldest():
    target = Target(model="m", version="2026-10-21")
    assert DIALECT.headers(Target(model="m"), {}) == [("anthropic-version", "2023-06-01")]
    assert DIALECT.headers(target, {}) == [("anthropic-version", "2026-10-21")]
    assert DIALECT.headers(target, {"anthropic-version": "2023-06-01"}) == [("anthropic-version", "2023-06-01")]


def test_all_fields_of_anthropic_go_along_unchanged():
    client = {
        "anthropic-beta": "a-2026,b-2026",
        "anthropic-workspace-id": "w",
        "x-api-key": "secret",
        "user-agent": "claude-cli",
    }
    assert DIALECT.headers(Target(model="m"), client) == [
        ("anthropic-beta", "a-2026,b-2026"),
        ("anthropic-workspace-id", "w"),
        ("anthropic-version", "2023-06-01"),
    ]


def test_a_ping_is_an_event_that_means_nothing():
    assert DIALECT.stream_parser().feed(DIALECT.ping) == []
