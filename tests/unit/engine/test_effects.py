"""What must not be asked of two providers at once."""

import json

import pytest

from headgate.engine.effects import has_effects


@pytest.mark.parametrize(
    ("members", "has"),
    [
        ({}, False),
        ({"background": True}, True),
        ({"background": False}, False),
        ({"web_search_options": {"search_context_size": "low"}}, True),
        ({"mcp_servers": [{"url": "https://x.example"}]}, True),
        ({"tools": []}, False),
        ({"tools": "all"}, False),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, False),
        ({"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}, True),
        ({"tools": [{"name": "f", "input_schema": {}}]}, False),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"tools": [{"functionDeclarations": [{"name": "f"}]}]}, False),
        ({"tools": [{"functionDeclarations": [{"name": "f"}], "googleSearch": {}}]}, True),
        ({"tools": [{"codeExecution": {}}]}, True),
        ({"tools": ["f"]}, True),
    ],
)
def test_what_the_provider_does_by_itself_has_effects(members: dict[str, object], has: bool):
    assert has_effects(json.dumps(members).encode()) is has


def test_what_cannot_be_read_is_taken_to_have_some():
    assert has_effects(b"--boundary")
