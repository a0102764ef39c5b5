"""The dialect's table of verbs."""

import json

from headgate.core.events import PartDelta
from headgate.dialects.base import Target
from headgate.dialects.ollama import DIALECT


def test_where_it_lives_and_what_it_sends() -> None:
    target = Target(model="m")
    assert (DIALECT.name, DIALECT.address(target)) == ("ollama", "/api/chat")
    assert list(DIALECT.headers(target, {"x": "y"})) == []
    assert (DIALECT.stream_type, DIALECT.event_ends) == ("application/x-ndjson", (b"\n",))


def test_what_keeps_a_stream_alive_harms_no_line() -> None:
    line = {"message": {"role": "assistant", "content": "Ho"}, "done": False}
    wire = DIALECT.ping + json.dumps(line).encode() + b"\n" + DIALECT.ping

    assert PartDelta(0, "Ho") in DIALECT.stream_parser().feed(wire)
