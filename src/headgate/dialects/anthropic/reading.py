"""Reads the JSON of requests and says, in words a caller can act on, what is wrong with it."""

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.dialects.anthropic.wire import Members
from headgate.dialects.bodies import half_character, top_level
from headgate.dialects.depth import check_depth

T = TypeVar("T")

_MISMATCH = re.compile(r"Expected `([^`]*)`, got `([^`]*)`(?: - at `\$([^`]*)`)?$")
_MISSING = re.compile(r"Object missing required field `([^`]*)`(?: - at `\$([^`]*)`)?$")
_ELSEWHERE = re.compile(r" - at `\$([^`]*)`$")

_WORDS: Final = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def check_body(body: bytes) -> None:
    """Refuses what is not text or is nested too deep, before any of it is decoded."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise InvalidRequest("the request body is not valid UTF-8; send it as UTF-8 encoded JSON") from None
    check_depth(body)


def read_top(body: bytes) -> Members:
    """The members of the request body."""
    check_body(body)
    try:
        return top_level(body)
    except msgspec.DecodeError as error:
        raise half_character(body) or refusal(error) from None


def read(decoder: "msgspec.json.Decoder[T]", raw: Raw | bytes, where: str) -> T:
    """What stands at `where`, a path such as `messages[0].content`."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise refusal(error, where) from None


def refusal(error: msgspec.DecodeError, where: str = "") -> InvalidRequest:
    """The refusal for what a decoder met at `where`."""
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return InvalidRequest(f"{where or 'the request body'} is not valid JSON ({text}); send one JSON object")
    if found := _MISSING.search(text):
        path = _path(where, f"{found[2] or ''}.{found[1]}")
        return InvalidRequest(f"{path} is missing; add it", param=path)
    if found := _MISMATCH.search(text):
        path = _path(where, found[3] or "")
        wanted, got = _words(found[1]), _WORDS.get(found[2], found[2])
        return InvalidRequest(f"{path or 'the request body'} must be {wanted}, not {got}", param=path or None)
    found = _ELSEWHERE.search(text)
    path = _path(where, found[1] if found else "")
    reason = text.partition(" - at ")[0]
    return InvalidRequest(
        f"{path or 'the request body'} has a value that is not allowed ({reason})", param=path or None
    )


def _path(where: str, more: str) -> str:
    return f"{where}{more}".removeprefix(".")


def _words(types: str) -> str:
    names = [_WORDS.get(name, name) for name in types.split(" | ") if name != "null"]
    return " or ".join(dict.fromkeys(names))
