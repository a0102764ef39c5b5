"""A batch's input, read: one call a line, in the form of OpenAI's batches. Pure: must not know how calls are made.

https://platform.openai.com/docs/guides/batch (2026-11)
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from headgate.server.paths import Endpoint, find

FAULTS_MAX: Final = 100
"""How many faults of a file are told."""
_ACTIONS: Final = frozenset({"generate", "operate"})
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ENCODE: Final = msgspec.json.Encoder().encode
_TRUE: Final = Raw(b"true")


class _Wire(Struct):
    custom_id: str
    url: str
    body: Raw
    method: str = "POST"


_WIRE: Final = msgspec.json.Decoder(_Wire)


class Line(NamedTuple):
    """One call."""

    number: int
    """From 1, as in the file."""
    custom_id: str
    url: str
    body: bytes


class Fault(NamedTuple):
    """Why a line cannot be a call."""

    number: int
    code: str
    message: str


class Lines(NamedTuple):
    """What is in a file."""

    calls: list[Line]
    faults: list[Fault]


def read_lines(content: Iterable[bytes], *, endpoint: str, route: str) -> Lines:
    """Reads a file's lines; empty ones are passed over. `endpoint`: what each must be for, empty: anything that can be
    answered whole. `route`: the model or route to ask in place of what the lines say."""
    found = Lines([], [])
    seen: dict[str, int] = {}
    for number, raw in enumerate(content, 1):
        text = raw.strip()
        if not text or len(found.faults) >= FAULTS_MAX:
            continue
        call = _read(number, text, endpoint, route)
        if isinstance(call, Line) and call.custom_id in seen:
            told = f"custom_id {call.custom_id[:80]!r} is that of line {seen[call.custom_id]} too; give each its own."
            call = Fault(number, "duplicate_custom_id", told)
        if isinstance(call, Fault):
            found.faults.append(call)
        else:
            seen[call.custom_id] = number
            found.calls.append(call)
    if not found.calls and not found.faults:
        found.faults.append(Fault(1, "empty_file", "The file has no line; write one call in each."))
    return found


def _read(number: int, text: bytes, endpoint: str, route: str) -> Line | Fault:
    try:
        wire = _WIRE.decode(text)
        members = _OBJECT.decode(wire.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = f'{error}; a line is {{"custom_id": …, "method": "POST", "url": …, "body": {{…}}}}.'
        return Fault(number, "invalid_json_line", told)
    if not wire.custom_id:
        return Fault(number, "missing_custom_id", "custom_id is empty; give each line a name of its own.")
    if wire.method != "POST":
        return Fault(number, "invalid_method", f"method is {wire.method[:20]!r}; only POST can be batched.")
    if endpoint and wire.url != endpoint:
        return Fault(number, "mismatched_endpoint", f"url is {wire.url[:80]!r}, and the batch is for {endpoint}.")
    if not can_be_batched(wire.url):
        return Fault(number, "invalid_url", f"Nothing that can be batched is at {wire.url[:80]!r}.")
    if members.get("stream") == _TRUE:
        return Fault(number, "invalid_request", "body.stream is true; a batch's answers come whole. Leave it out.")
    if not route:
        return Line(number, wire.custom_id, wire.url, bytes(wire.body))
    members["model"] = Raw(_ENCODE(route))
    return Line(number, wire.custom_id, wire.url, _ENCODE(members))


def can_be_batched(url: str) -> bool:
    """Whether a path is one whose calls take JSON and are answered whole."""
    found = find("POST", url)
    return isinstance(found, Endpoint) and found.action in _ACTIONS and not found.takes_files and not found.is_stream
