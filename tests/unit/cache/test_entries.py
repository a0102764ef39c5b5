"""Entries: which answers may be kept, and that what comes back is what was put away."""

import pytest

from headgate.cache.entries import Entry, opened, says_twice, sealed, told, why_not_kept
from headgate.core.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartEnded,
    PartStarted,
    Raw,
    Started,
    StopReason,
)
from headgate.core.problems import Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.policies.pepper import Pepper

DIGEST = Pepper(b"a secret of sixteen or more").digest
KEY = bytes(32)


def answer(reason: StopReason = "stop", text: str = "hi", **more: object) -> list[Event]:
    start = PartStarted(index=0, kind="text")
    return [Started(id="x"), start, PartDelta(0, text), PartEnded(index=0), Finished(reason=reason, **more)]  # pyright: ignore[reportArgumentType]


def entry(**more: object) -> Entry:
    usual: dict[str, object] = {
        "key": KEY,
        "key_id": "k",
        "surface": "openai_chat",
        "operation": "generate",
        "model": "r",
        "provider": "a",
        "upstream": "m",
        "source": "req_1",
        "stored_us": 1,
        "expires_us": 2,
        "body": told(answer()),
    }
    return Entry(**{**usual, **more})  # pyright: ignore[reportArgumentType]


CALL: list[Event] = [
    Started(),
    PartStarted(index=0, kind="tool_call", id="c", name="f"),
    PartDelta(0, "{}"),
    PartEnded(index=0),
    Finished(reason="tool_calls"),
]
REFUSAL: list[Event] = [Started(), PartStarted(index=0, kind="refusal"), PartDelta(0, "no"), Finished(reason="stop")]


@pytest.mark.parametrize(
    ("events", "tools", "reason"),
    [
        (answer(), False, ""),
        (answer("stop_sequence"), False, ""),
        (answer("length"), False, "finish reason length"),
        (answer("content_filter"), True, "finish reason content_filter"),
        (answer("refusal"), True, "finish reason refusal"),
        (answer("pause"), True, "finish reason pause"),
        (answer("other"), True, "finish reason other"),
        (answer("stop", more_reasons=("length",)), False, "finish reason length"),
        (answer(text=""), False, "empty"),
        (answer()[:-1], False, "not whole"),
        ([*answer(), Failed(Problem(kind="upstream", message="m"))], False, "not whole"),
        (REFUSAL, True, "refusal"),
        (CALL, False, "finish reason tool_calls"),
        ([*CALL[:-1], Finished(reason="stop")], False, "calls tools"),
        (CALL, True, ""),
    ],
)
def test_which_answers_may_be_kept(events: list[Event], tools: bool, reason: str):
    assert why_not_kept(events, tools=tools) == reason


def test_what_is_told_is_what_was_heard():
    extras = {"logprobs": Raw(b'{"a":[1,2]}')}
    events: list[Event] = [
        Started(id="x", model="m", created=5, dialect="openai_chat", extras=extras),
        PartStarted(index=0, kind="reasoning", extras=extras),
        PartDelta(0, "\u2028 \x00 héllo 🎉"),
        PartEnded(index=0, signature=Signature("anthropic", "s")),
        Opaque(name="citations", raw=Raw(b'{"b":null}'), dialect="anthropic", index=0, slot="s"),
        Finished(reason="stop", usage=Usage(input_tokens=3, output_tokens=4), wire_reason="end_turn"),
    ]
    assert entry(body=told(events)).events == events


@pytest.mark.parametrize(
    ("body", "is_so"),
    [
        (b'{"a":1,"b":{"a":2}}', False),
        (b'{"a":1,"a":1}', True),
        (b'{"m":[{"role":"user","role":"system"}]}', True),
        (b"[" * 100_000, True),
        (b"no json", True),
    ],
)
def test_a_member_that_stands_there_twice(body: bytes, is_so: bool):
    assert says_twice(body) is is_so


def test_it_comes_back_as_it_went():
    kept = entry(tags=("t",), usage=Usage(input_tokens=5), cost_nano_usd=7, dropped=("n",))
    assert opened(sealed(kept, DIGEST), KEY, DIGEST) == kept


def test_nothing_else_comes_back():
    blob = sealed(entry(), DIGEST)
    for place in (0, 31, 32, len(blob) - 1):
        changed = bytearray(blob)
        changed[place] ^= 1
        assert opened(bytes(changed), KEY, DIGEST) is None
    assert opened(blob, b"\1" * 32, DIGEST) is None
    assert opened(blob, KEY, Pepper(b"another secret than that").digest) is None
    assert opened(b"", KEY, DIGEST) is None
    nonsense = b"\xc1nonsense"
    assert opened(DIGEST(b"headgate entry\0" + nonsense) + nonsense, KEY, DIGEST) is None


def test_what_it_saves():
    assert entry(cost_nano_usd=5, usage=Usage(input_tokens=9)).worth == 5.0
    assert entry(usage=Usage(input_tokens=9, output_tokens=1)).worth == 1000.0
    assert entry().worth == 1.0
