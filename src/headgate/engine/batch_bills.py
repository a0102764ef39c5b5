"""What a provider's batch used, from its own sum or from the lines of its results: at batch price, and once.

OpenAI sums up in the batch object (https://platform.openai.com/docs/api-reference/batch/object), Anthropic tells it
message by message (https://docs.claude.com/en/api/retrieving-message-batch-results), 2026-11.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.events import Finished
from headgate.core.problems import HeadgateError
from headgate.core.usage import Usage
from headgate.dialects.registry import DIALECTS
from headgate.engine.overhearing import Line, total_of

FINAL: Final = frozenset({"completed", "cancelled", "expired", "failed"})
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


_LINE: Final = msgspec.json.Decoder(_ResultLine)
_ANSWER: Final = msgspec.json.Decoder(_Answer)
_DIALECTS: Final = {"chat.completion": "openai_chat", "response": "openai_responses"}


def summed_up(batch: Mapping[str, object]) -> list[Line]:
    """The bill of a batch object that tells its usage and will not change any more; empty: it does not."""
    usage, model = batch.get("usage"), batch.get("model")
    if batch.get("status") not in FINAL or not isinstance(usage, dict):
        return []
    counts = cast("dict[str, object]", usage)
    found = Usage(
        input_tokens=_count(counts, "input_tokens"),
        cached_tokens=_count(counts.get("input_tokens_details"), "cached_tokens"),
        output_tokens=_count(counts, "output_tokens"),
        reasoning_tokens=_count(counts.get("output_tokens_details"), "reasoning_tokens"),
        tier="batch",
    )
    return [Line(model if isinstance(model, str) else "", found)] if found.total_tokens else []


def _count(counts: object, name: str) -> int:
    value = cast("dict[str, object]", counts).get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and 0 <= value <= 1 << 53 else 0


class ResultLines:
    """Adds up the usage in a file of results, line by line, as it passes."""

    def __init__(self) -> None:
        self.is_whole = False
        """Whether the file has come to its end."""
        self._rest = b""
        self._usages: dict[str, Usage] = {}

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
        """What has been read so far, by model."""
        return [Line(model, usage) for model, usage in self._usages.items()]

    def _read(self, line: bytes) -> None:
        try:
            told = _LINE.decode(line)
            raw = told.result.message if told.result else told.response.body if told.response else Raw()
            answer = _ANSWER.decode(raw)
            dialect = "anthropic" if told.result else _DIALECTS[answer.object]
            last = DIALECTS[dialect].parse_response(bytes(raw))[-1]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, HeadgateError):
            return
        if isinstance(last, Finished) and last.usage is not None:
            usage = structs.replace(last.usage, tier="batch", extras={})
            so_far = self._usages.get(answer.model)
            self._usages[answer.model] = usage if so_far is None else total_of((so_far, usage))
