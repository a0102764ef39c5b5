"""Reads a request member by member and says which one is wrong. Must not know what the members mean."""

from typing import Final, TypeVar

import msgspec
from msgspec import Raw, json

from headgate.core.problems import InvalidRequest
from headgate.dialects.bodies import half_character, top_level
from headgate.dialects.depth import check_depth
from headgate.dialects.openai_responses.wire import ELEMENTS, MEMBERS, NULL, TEXT, Members

_Value = TypeVar("_Value")
_NUMBER: Final = json.Decoder(float)
_INTEGER: Final = json.Decoder(int)
_FLAG: Final = json.Decoder(bool)
_TEXTS: Final = json.Decoder(list[str])
_EMPTY: Final = (Raw(b'""'), Raw(b"[]"))
_KINDS: Final = {
    b'"': "a string",
    b"{": "an object",
    b"[": "an array",
    b"t": "a boolean",
    b"f": "a boolean",
    b"n": "null",
}


def fault(path: str, wanted: str, raw: Raw) -> InvalidRequest:
    """The refusal of a member of the wrong type."""
    seen = _KINDS.get(bytes(memoryview(raw)[:1]), "a number")
    if seen == wanted.partition(" of ")[0]:
        return InvalidRequest(f"`{path}` must be {wanted}.", param=path)
    return InvalidRequest(f"`{path}` must be {wanted}, not {seen}.", param=path)


def missing(path: str, remedy: str) -> InvalidRequest:
    """The refusal of an absent member."""
    return InvalidRequest(f"`{path}` is required: {remedy}", param=path)


def check_body(body: bytes) -> None:
    """Refuses what no decoder should see: JSON too deep, bytes that are not UTF-8."""
    check_depth(body)
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"The request body is not valid UTF-8 (byte {error.start}); encode it as UTF-8."
            ) from None


def read_body(body: bytes) -> "Node":
    """The top level of a request."""
    check_body(body)
    try:
        return Node(top_level(body), "")
    except msgspec.ValidationError:
        raise InvalidRequest('The request body must be a JSON object such as {"model": …, "input": …}.') from None
    except (msgspec.DecodeError, ValueError) as error:
        if (half := half_character(body)) is not None:
            raise half from None
        raise InvalidRequest(f"The request body is not valid JSON; send one JSON object. Seen: {error}.") from None


def read_members(raw: Raw, path: str) -> "Node":
    """The object that `raw` must be."""
    return Node(read(MEMBERS, raw, path, "an object"), path)


def read(decoder: json.Decoder[_Value], raw: Raw, path: str, wanted: str) -> _Value:
    """What `raw` says, or the refusal that names `path`."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, ValueError):
        raise fault(path, wanted, raw) from None


class Node:
    """The members of one object, taken out one by one; `rest` is what nobody took, explicit nulls included."""

    __slots__ = ("path", "rest")

    def __init__(self, members: Members, path: str) -> None:
        self.rest = members
        self.path = path

    def at(self, name: str) -> str:
        """The JSON path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str) -> Raw | None:
        """Takes a member; None when absent or null."""
        value = self.rest.get(name)
        if value is None or value == NULL:
            return None
        return self.rest.pop(name)

    def keep(self, *names: str) -> Members:
        """Takes members as they are, nulls too."""
        return {name: self.rest.pop(name) for name in names if name in self.rest}

    def keep_empty(self, *names: str) -> Members:
        """Takes empty strings and arrays: spelling, without a meaning of their own."""
        return self.keep(*(name for name in names if self.rest.get(name) in _EMPTY))

    def text(self, name: str) -> str | None:
        """Takes a string."""
        return None if (raw := self.raw(name)) is None else read(TEXT, raw, self.at(name), "a string")

    def number(self, name: str) -> float | None:
        """Takes a number."""
        return None if (raw := self.raw(name)) is None else read(_NUMBER, raw, self.at(name), "a number")

    def integer(self, name: str) -> int | None:
        """Takes an integer."""
        return None if (raw := self.raw(name)) is None else read(_INTEGER, raw, self.at(name), "an integer")

    def flag(self, name: str) -> bool | None:
        """Takes a boolean."""
        return None if (raw := self.raw(name)) is None else read(_FLAG, raw, self.at(name), "a boolean")

    def texts(self, name: str) -> list[str] | None:
        """Takes an array of strings."""
        return None if (raw := self.raw(name)) is None else read(_TEXTS, raw, self.at(name), "an array of strings")

    def array(self, name: str) -> list[Raw] | None:
        """Takes an array."""
        return None if (raw := self.raw(name)) is None else read(ELEMENTS, raw, self.at(name), "an array")

    def node(self, name: str) -> "Node | None":
        """Takes an object."""
        return None if (raw := self.raw(name)) is None else read_members(raw, self.at(name))
