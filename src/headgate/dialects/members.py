"""JSON objects as bags of members: taken out by type, and what nobody takes is left over. Must not know what any member
means.
"""

import re
from typing import Final, TypeVar, cast

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from headgate.core.problems import InvalidRequest
from headgate.core.request import Extras
from headgate.dialects.bodies import half_character, top_level
from headgate.dialects.depth import check_depth

T = TypeVar("T")

_TEXT: Final = Decoder(str)
_FLAG: Final = Decoder(bool)
_NUMBER: Final = Decoder(float)
_INTEGER: Final = Decoder(int | float)
_TEXTS: Final = Decoder(list[str])
_OBJECT: Final = Decoder(dict[str, Raw])
_ARRAY: Final = Decoder(list[Raw])

INTEGER_MAX: Final = 2**53

_ESCAPE = re.compile(rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)
_EMPTY: Final = Raw()

_SHAPES: Final = {
    ord('"'): "a string",
    ord("["): "an array",
    ord("{"): "an object",
    ord("t"): "a boolean",
    ord("f"): "a boolean",
    ord("n"): "null",
}


def shape(raw: Raw) -> str:
    """What kind of JSON value this is, in words."""
    return _SHAPES.get(memoryview(raw)[0], "a number")


class Members:
    """Members of the JSON object at `path`. A member that is null counts as absent and stays among the leftovers."""

    __slots__ = ("path", "rest")

    def __init__(self, rest: Extras, path: str) -> None:
        self.rest = rest
        self.path = path

    def at(self, name: str) -> str:
        """The JSON path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def shape(self, name: str) -> str:
        """The kind of a member in words, "" when there is none."""
        return shape(self.rest[name]) if name in self.rest else ""

    def text(self, name: str) -> str | None:
        """A string."""
        return self._take(name, _TEXT, "a string")

    def word(self, name: str) -> str | None:
        """A string, if it is one; anything else stays among the leftovers."""
        return self.text(name) if self.shape(name) == "a string" else None

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        return self._take(name, _FLAG, "a boolean")

    def number(self, name: str) -> float | None:
        """A number."""
        return self._take(name, _NUMBER, "a number")

    def integer(self, name: str) -> int | None:
        """A whole number, also when written with a fraction of zero."""
        value = self._take(name, _INTEGER, "an integer")
        if value is None or isinstance(value, int):
            return value
        if not value.is_integer():
            raise invalid(self.at(name), "an integer", "a fraction")
        if abs(value) >= INTEGER_MAX:  # more digits than it was read with
            raise invalid(self.at(name), f"an integer below {INTEGER_MAX}", "a number of that size")
        return int(value)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """An array of strings."""
        values = self._take(name, _TEXTS, "an array of strings")
        return None if values is None else tuple(values)

    def object(self, name: str) -> "Members | None":
        """An object."""
        members = self._take(name, _OBJECT, "an object")
        return None if members is None else Members(members, self.at(name))

    def array(self, name: str) -> list[Raw]:
        """An array of anything; empty when there is none. An array that is empty stays among the leftovers."""
        raw = self.rest.get(name, _EMPTY)
        items = self._take(name, _ARRAY, "an array") or []
        if not items and raw != _EMPTY:
            self.rest[name] = raw
        return items

    def objects(self, name: str) -> "list[Members]":
        """An array of objects, likewise."""
        return [opened(raw, f"{self.at(name)}[{i}]") for i, raw in enumerate(self.array(name))]

    def take_empty(self, name: str) -> bool:
        """Whether the member is an empty array, which is then no leftover either."""
        is_empty = self.shape(name) == "an array" and not _ARRAY.decode(self.rest[name])
        if is_empty:
            del self.rest[name]
        return is_empty

    def keep(self, name: str, leftover: "Members") -> None:
        """What is left of a nested object stays here under its name."""
        if leftover.rest:
            self.rest[name] = Raw(msgspec.json.encode(leftover.rest))

    def missing(self, name: str) -> InvalidRequest:
        """The complaint that a member is required."""
        path = self.at(name)
        return InvalidRequest(f"'{path}' is required", param=path)

    def _take(self, name: str, decoder: Decoder[T], expected: str) -> T | None:
        raw = self.rest.get(name)
        if raw is None or memoryview(raw)[0] == 110:  # n of null
            return None
        try:
            value = decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise invalid(self.at(name), expected, shape(raw)) from None
        del self.rest[name]
        return value


def opened(raw: Raw, path: str) -> Members:
    """The members of an object at `path`."""
    try:
        return Members(_OBJECT.decode(raw), path)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid(path, "an object", shape(raw)) from None


def invalid(path: str, expected: str, seen: str) -> InvalidRequest:
    """The complaint that a member is of the wrong type."""
    return InvalidRequest(f"'{path}' must be {expected}, not {seen}", param=path)


def read_body(body: bytes) -> Members:
    """The top level of a request's body, or the reason why there is none."""
    check_depth(body)
    try:
        if not body.isascii():
            body.decode()
        return Members(top_level(body), "")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8 at byte {error.start}; send it encoded as UTF-8") from None
    except msgspec.ValidationError:
        raise InvalidRequest("the body must be a JSON object with `model` and `messages`") from None
    except (msgspec.DecodeError, RecursionError) as error:
        if (half := half_character(body)) is not None:
            raise half from None
        told = str(error).removeprefix("JSON is malformed: ")
        raise InvalidRequest(f"the body is not JSON: {told}; send one JSON object") from None


def merged(wire: dict[str, object], extras: Extras) -> dict[str, object]:
    """`wire` with the leftovers put back; those of a nested object go into it."""
    for name, raw in extras.items():
        inner = wire.get(name)
        is_nested = isinstance(inner, dict) and memoryview(raw)[0] == ord("{")
        wire[name] = merged(cast("dict[str, object]", inner), _OBJECT.decode(raw)) if is_nested else raw
    return wire


def object_of(data: bytes) -> Extras:
    """The members of an answer's object, mended where its server broke characters."""
    try:
        return _OBJECT.decode(readable(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _OBJECT.decode(repaired(data))


def repaired(data: bytes) -> bytes:
    """JSON of servers that cut a text inside a character: half characters become U+FFFD."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], readable(data))


def readable(data: bytes) -> bytes:
    """`data` in UTF-8: what is none becomes U+FFFD, as it does in every reader of text."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data


def arguments_object(text: str, name: str) -> Raw:
    """A call's arguments as the JSON object that an API wants; other text is put into one under `name`, unchanged."""
    if text.strip() in ("", "null"):  # the latter from Groq, for a tool without parameters
        return Raw(b"{}")
    data = text.encode("utf-8", "replace")
    try:
        _OBJECT.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return Raw(msgspec.json.encode({name: data.decode()}))
    return Raw(data)
