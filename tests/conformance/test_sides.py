"""Endpoints beside chat over real recorded exchanges: requests are read and patched, answers tell what they took."""

import base64
import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from headgate.core.usage import Usage
from headgate.dialects.base import Dialect, Envelope, Target
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import Asked, Sent, SideOperation, Streaming, is_form
from tests.conformance.traffic import FOLDER, families, records

SIDES = {
    side.name: (dialect, side)
    for dialect in DIALECTS.values()
    for side in dialect.sides.values()
    if side.paths and side.halves is None
}
"""What only one dialect has."""
_PATHS = {
    re.compile(rf"(?<!chat)(?<!agents)(?<!fim){re.escape(path.removeprefix('/v1'))}$"): side.name
    for _, side in SIDES.values()
    for path in side.paths
}


class Call(NamedTuple):
    """One recorded exchange."""

    id: str
    name: str
    content_type: str
    request: bytes | None
    status: int
    answer_type: str
    answer: bytes
    is_stream: bool


@cache
def recorded() -> tuple[Call, ...]:
    """Every exchange of an operation that one dialect alone has."""
    return tuple(call for family in families() for call in _read(family))


def side_of(record: dict[str, Any]) -> str | None:
    """The operation that is asked for."""
    path = record["url"].partition("?")[0]
    name = next((name for rule, name in _PATHS.items() if rule.search(path)), None)
    return name if record["method"] == "POST" else None


def _read(family: str) -> Iterator[Call]:
    for record in records(family):
        name = side_of(record)
        if name is not None:
            yield _call_of(record, name)


def _call_of(record: dict[str, Any], name: str) -> Call:
    asked = {key.lower(): value for key, value in (record["request_headers"] or {}).items()}
    told = {key.lower(): value for key, value in (record["response_headers"] or {}).items()}
    return Call(
        record["id"],
        name,
        asked.get("content-type", ""),
        _bytes(record["request_body"], record.get("request_encoding")),
        record["status"],
        told.get("content-type", ""),
        _framed(record),
        bool(record.get("streaming")),
    )


def holds(record: dict[str, Any], name: str) -> bool:
    """Whether every check of one exchange is passed."""
    try:
        _check(_call_of(record, name), *SIDES[name])
    except Exception:
        return False
    return True


def _framed(record: dict[str, Any]) -> bytes:
    """The answer; of a stream of which only the events' data were kept, each as an event again."""
    body = _bytes(record["response_body"], record.get("response_encoding")) or b""
    if record.get("body_format", "").startswith("json-lines"):
        return b"".join(b"data: %b\n\n" % line for line in body.splitlines() if line.strip())
    return body


def _bytes(body: Any, encoding: str | None) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if encoding == "base64":
        return base64.b64decode(body)
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def asked_of(call: Call, side: SideOperation) -> Asked | None:
    """The request, if it has been recorded as it was."""
    is_whole = call.request is not None and (
        call.request[:1] == b"{" if not is_form(call.content_type) else call.request.rstrip().endswith(b"--")
    )
    if not is_whole or call.status >= 400 or call.request is None:
        return None
    sent = Sent(body=call.request, envelope=Envelope(model="in the path"), content_type=call.content_type)
    asked = side.peek(sent)
    there = side.patch(sent, asked, Target(model="another/model"))
    at = asked.model_at
    if is_form(call.content_type) and at is None:
        assert there.endswith(call.request)
        assert side.peek(Sent(body=there, envelope=Envelope(), content_type=call.content_type)).model == "another/model"
    elif at is None:
        there_told = json.loads(there)
        there_told.pop("stream_options", None)
        name = asked.format if asked.format == "agent" else "model"
        wanted = {**json.loads(call.request), name: "another/model"}
        wanted.pop("stream_options", None)
        assert there_told == wanted
    else:
        assert there == call.request[: at[0]] + b"another/model" + call.request[at[1] :]
    return asked


UNKNOWN = Asked(model="m", measured=Usage(input_tokens=1, is_estimated=True))


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_there_is_traffic():
    assert {call.name for call in recorded()} == set(SIDES)


@pytest.mark.parametrize("name", sorted({call.name for call in recorded()}))
def test_every_exchange(name: str, record_property: Callable[[str, object], None]):
    faults: list[str] = []
    calls = [call for call in recorded() if call.name == name]
    record_property("conformance", [name, len(calls), 0])
    for call in calls:
        try:
            _check(call, *SIDES[name])
        except Exception as error:
            faults.append(f"{call.id}: {type(error).__name__}: {str(error)[:200]}")
    assert faults == []


def _check(call: Call, dialect: Dialect, side: SideOperation) -> None:
    asked = asked_of(call, side) or UNKNOWN
    if call.status >= 400:
        problem = dialect.parse_error(call.status, {}, call.answer)
        assert problem.message
    elif call.is_stream and side.streaming is not None:
        usage = _streamed(call, side.streaming, asked)
        if call.name == "interactions":
            assert _counts(usage) == _reported(call.answer)
    elif not side.is_binary or call.answer[:1] == b"{":
        usage = side.read(call.answer, call.answer_type or "application/json", asked)
        if call.name == "interactions":
            is_pending = b'"in_progress"' in call.answer
            assert _counts(usage) == (_reported(call.answer) or ((0, 0, 0) if is_pending else None))
        told = re.search(rb'"(?:input|prompt)_tokens": *(\d+)', call.answer)
        if told and usage is not None and b"prompt_audio_seconds" not in call.answer:
            assert usage.input_tokens == int(told[1])


def _streamed(call: Call, streaming: Streaming, asked: Asked) -> Usage | None:
    """What a stream tells, which is the same however it is cut; the client gets every byte of it."""
    dice = random.Random(call.id)
    told: list[tuple[object, ...]] = []
    for count in (0, 1, 3, 9):
        cuts = sorted(dice.sample(range(1, len(call.answer)), min(count, len(call.answer) - 1)))
        tap, passage = streaming.tap(), streaming.filter(asked)
        out = b""
        for start, end in itertools.pairwise([0, *cuts, len(call.answer)]):
            tap.feed(call.answer[start:end])
            out += passage.feed(call.answer[start:end])
        tap.feed(b"")
        assert tap.is_finished
        assert tap.failed is None
        assert out + passage.close() == call.answer or not asked.shows_usage
        told.append((tap.usage, tap.chars, tap.kept))
    assert told == [told[0]] * len(told)
    if call.name == "interactions":
        assert (tap.kept is None) == (b'"id":""' in call.answer)  # of what is not stored
    return tap.usage


def _counts(usage: Usage | None) -> tuple[int, int, int] | None:
    return None if usage is None else (usage.input_tokens, usage.output_tokens, usage.cached_tokens)


def _reported(answer: bytes) -> tuple[int, int, int] | None:
    """Input, output and cached as the last usage object of an interaction tells them."""
    usages = [json.loads(found) for found in re.findall(rb'"usage": *(\{(?:[^{}]|\{[^{}]*\})*\})', answer)]
    if not usages:
        return None
    last = usages[-1]
    output = sum(last.get(f"total_{kind}_tokens", 0) for kind in ("output", "thought", "reasoning"))
    return last["total_tokens"] - output, output, last.get("total_cached_tokens", 0)
