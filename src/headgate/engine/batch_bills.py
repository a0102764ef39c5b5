"""What a provider's batch used, from its own sum or from the lines of its results: at batch price, and once.

OpenAI sums up in the batch object (https://platform.openai.com/docs/api-reference/batch/object), Anthropic tells it
message by message (https://docs.claude.com/en/api/retrieving-message-batch-results), 2026-11.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.events import Finished, Started
from headgate.core.problems import HeadgateError
from headgate.core.usage import Usage
from headgate.dialects.batched import inlined, is_over
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import GEMINI, OPENAI
from headgate.dialects.side import Asked
from headgate.engine.overhearing import Line

LINE_BYTES_MAX: Final = 64 * 1024 * 1024


class _Result(Struct):
    type: str = ""
    message: Raw = Raw()


class _Response(Struct):
    status_code: int = 0
    body: Raw = Raw()


class _ResultLine(Struct):
    result: _Result | None = None
    response: _Response | None = None


class _Answer(Struct):
    model: str = ""
    object: str = ""
    type: str = ""


_LINE: Final = msgspec.json.Decoder(_ResultLine)
_ANSWER: Final = msgspec.json.Decoder(_Answer)
_COUNTED: Final = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
_DIALECTS: Final = {"chat.completion": "openai_chat", "response": "openai_responses", "message": "anthropic"}
"""Answers of models, by what they say that they are."""
_SIDES: Final = {"list": "embeddings", "text_completion": "completions"}
"""What is beside talking, likewise; all of it OpenAI's."""
_UNASKED: Final = Asked(model="", measured=Usage())


def summed_up(batch: Mapping[str, object]) -> list[Line]:
    """The bill of a batch object that tells its usage and will not change any more; empty: it does not."""
    if is_over(batch) and (answers := inlined(batch)):
        return [line for each in answers if (line := _inline_line(each.get("response"))) is not None]
    usage, model = batch.get("usage"), batch.get("model")
    if not is_over(batch) or not isinstance(usage, dict):
        return []
    counts = cast("dict[str, object]", usage)
    found = Usage(
        input_tokens=_count(counts, "input_tokens"),
        cached_tokens=_count(counts.get("input_tokens_details"), "cached_tokens"),
        output_tokens=_count(counts, "output_tokens"),
        reasoning_tokens=_count(counts.get("output_tokens_details"), "reasoning_tokens"),
        tier="batch",
    )
    if not found.total_tokens:
        return []
    return _shared_out(model if isinstance(model, str) else "", found, _count(batch.get("request_counts"), "completed"))


def _inline_line(answer: object) -> Line | None:
    """What one answer of Google's has used that stands in its batch."""
    try:
        events = DIALECTS[GEMINI].parse_response(msgspec.json.encode(answer))
    except HeadgateError:
        return None
    model = next((event.model for event in events if isinstance(event, Started)), "")
    usage = next((event.usage for event in events if isinstance(event, Finished)), None)
    return None if usage is None else Line(model, structs.replace(usage, tier="batch", extras={}))


def _shared_out(model: str, usage: Usage, answers: int) -> list[Line]:
    """The sum in as many equal parts as there were answers, and a rest: the length of each decides about its price."""
    if answers < 2:
        return [Line(model, usage)]
    parts = {name: getattr(usage, name) // answers for name in _COUNTED}
    rests = {name: getattr(usage, name) - parts[name] * (answers - 1) for name in _COUNTED}
    return [
        Line(model, structs.replace(usage, **parts), answers - 1),
        Line(model, structs.replace(usage, **rests)),
    ]


def _count(counts: object, name: str) -> int:
    value = cast("dict[str, object]", counts).get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and 0 <= value <= 1 << 53 else 0


class ResultLines:
    """Reads the usage in a file of results, line by line, as it passes."""

    def __init__(self) -> None:
        self.is_whole = False
        """Whether the file has come to its end."""
        self._rest = b""
        self._lines: list[Line] = []

    def begin(self, content_type: str) -> None:
        """Whatever it is called, it is read as lines."""

    def feed(self, data: bytes) -> None:
        """More of the file; b"" is its end."""
        if not data:
            self._read(self._rest)
            self._rest, self.is_whole = b"", True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line)
        if len(self._rest) > LINE_BYTES_MAX:
            self._rest = b""

    def bill(self) -> list[Line]:
        """What has been read so far."""
        return self._lines

    def _read(self, line: bytes) -> None:
        try:
            told = _LINE.decode(line)
            raw = bytes(told.result.message if told.result else told.response.body if told.response else b"")
            answer = _ANSWER.decode(raw)
            usage = _usage(answer.object or answer.type, raw)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, HeadgateError):
            return
        if usage is not None:
            self._lines.append(Line(answer.model, structs.replace(usage, tier="batch", extras={})))


def _usage(kind: str, answer: bytes) -> Usage | None:
    """What one answer tells of its usage. Raises `KeyError` for a kind of answer that is not known."""
    if kind in _SIDES:
        return DIALECTS[OPENAI].sides[_SIDES[kind]].read(answer, "application/json", _UNASKED)
    last = DIALECTS[_DIALECTS[kind]].parse_response(answer)[-1]
    return last.usage if isinstance(last, Finished) else None
