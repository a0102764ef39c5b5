"""A batch's lines as orders at providers that have batches of their own, and what comes back of them. Must not know how
anything is sent, nor how it is asked for: that is in `shapes`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

import msgspec
from msgspec import Raw, Struct

from headgate.app.own.lines import Line
from headgate.app.own.results import Result
from headgate.app.own.shapes import PREFIX, SHAPES, Bodies, Shape
from headgate.dialects.batched import inlined
from headgate.dialects.resources import Members
from headgate.providers.spec import BatchApi

ORDER_LINES_MAX: Final = 50_000
"""What OpenAI takes in one batch; Anthropic takes twice as many."""
_AGAIN: Final = frozenset({0, 408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses of a line that is worth a call at the usual price: nothing was wrong with the line."""
_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
}
"""What Anthropic's kinds of errors have as status where they stand alone."""


class Order(Struct, frozen=True, kw_only=True):
    """Some lines of a batch, to be run or being run by one provider."""

    provider: str
    model: str
    """The provider's own name of it: an order is for one model."""
    url: str
    """The path at the provider whose calls they are."""
    api: BatchApi = "openai"
    """In whose shape it is asked for."""
    dialect: str = ""
    """What its lines are told in; empty: the words in which they were written."""
    session: str
    """By which the books find what has been made for it."""
    spans: list[tuple[int, int]]
    """The numbers of its lines: first and last of each run of them."""
    lines: int
    id: str = ""
    """The provider's batch; empty: nobody knows whether there is one yet."""
    is_refused: bool = False
    """Whether the provider did not take it."""

    @property
    def path(self) -> str:
        """Where the provider's batch is."""
        return f"{self.shape.path}/{self.id}"

    @property
    def shape(self) -> Shape:
        """How its provider is asked."""
        return SHAPES[self.api]

    def has(self, number: int) -> bool:
        """Whether a line is in it."""
        return any(first <= number <= last for first, last in self.spans)


def spans_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs."""
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    return spans


def cut(bodies: Bodies, bytes_max: int) -> Iterator[Bodies]:
    """The lines of one provider and model in orders that it takes."""
    part: Bodies = []
    size = 0
    for line, body in bodies:
        if part and (len(part) >= ORDER_LINES_MAX or size + len(body) > bytes_max):
            yield part
            part, size = [], 0
        part.append((line, body))
        size += len(body)
    if part:
        yield part


_STATUSES_OF_CODES: Final = {3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 14: 503, 16: 401}
"""https://cloud.google.com/apis/design/errors#handling_errors (2026-11)"""


def results_in(batch: Members) -> Iterator[bytes]:
    """The results that stand in a batch itself, each as a line of a file of results."""
    for each in inlined(batch):
        key = cast("Members", each.get("metadata") or {}).get("key")
        status, body = 200, each.get("response")
        error = each.get("error")
        if isinstance(error, dict):
            told = cast("Members", error)
            status = _STATUSES_OF_CODES.get(cast("int", told.get("code")), 500)
            body = {"error": {**told, "code": status}}
        yield msgspec.json.encode({"custom_id": key, "response": {"status_code": status, "body": body}})


class _Answer(Struct):
    status_code: int = 0
    request_id: str | None = None
    body: Raw = Raw(b"null")


class _Outcome(Struct):
    type: str = ""
    message: Raw = Raw(b"null")
    error: Raw = Raw(b"null")


class _Wire(Struct):
    custom_id: str = ""
    response: _Answer | None = None
    result: _Outcome | None = None


class _Kind(Struct):
    type: str = ""
    error: "_Kind | None" = None


_WIRE: Final = msgspec.json.Decoder(_Wire)
_KIND: Final = msgspec.json.Decoder(_Kind)


def result_of(told: bytes, lines: Mapping[int, Line]) -> Result | None:
    """What came of one line, as a provider's file of results tells it. `lines`: the order's own, by number.
    None: it is no line of ours, or one that is worth another call."""
    try:
        wire = _WIRE.decode(told)
        number = int(wire.custom_id.removeprefix(PREFIX))
        status, body, id = _read(wire)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None
    if number not in lines or status in _AGAIN:
        return None
    return Result(
        number=number, custom_id=lines[number].custom_id, status=status, request_id=id, body=body, is_batched=True
    )


def _read(wire: _Wire) -> tuple[int, Raw, str]:
    """Status, body and the provider's id of an answer; status 0: there is none."""
    if wire.response is not None:
        return wire.response.status_code, wire.response.body, wire.response.request_id or ""
    outcome = wire.result
    if outcome is None:
        return 0, Raw(b"null"), ""
    if outcome.type == "succeeded":
        return 200, outcome.message, ""
    if outcome.type != "errored":  # cancelled, expired
        return 0, Raw(b"null"), ""
    kind = _KIND.decode(outcome.error)
    return _STATUSES.get((kind.error or kind).type, 0), outcome.error, ""
