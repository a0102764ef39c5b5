"""A guard against JSON nested too deep, at a fraction of the cost of decoding. Must not know what the JSON means."""

import re
from typing import Final

from headgate.core.problems import InvalidRequest

DEPTH_MAX: Final = 64


def _all_but(kept: bytes) -> bytes:
    return bytes(set(range(256)) - set(kept))


_STRING = re.compile(rb'"[^"]*"')
_ALL_BUT_SYNTAX: Final = _all_but(rb'"[]{}\/bfnrtu')  # an escape is a backslash and one of these
_ALL_BUT_BRACKETS: Final = _all_but(b"[]{}")
_ALL_BUT_STRUCTURE: Final = _all_but(b'"[]{}')
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")


def check_depth(body: bytes) -> None:
    """Refuses a body nested deeper than `DEPTH_MAX`; whether it is JSON at all is the decoder's affair.

    Three looks, each dearer than the one before: whether there are enough brackets; whether all of them, those in
    texts too, pair off in few enough levels; how deep those outside of texts go. Texts made to deceive the second
    look gain nothing: there the decoder's own limit stands.
    """
    if _has_few(body) or not _unpaired(body.translate(_ONE_KIND, _ALL_BUT_BRACKETS)):
        return
    left = _unpaired(_outside_of_texts(body))
    if b"[]" in left or left.count(b"[") > DEPTH_MAX:  # deeper still, or never closed
        raise InvalidRequest(f"the request body is nested deeper than {DEPTH_MAX} levels; send a flatter one")


def _has_few(body: bytes) -> bool:
    """Whether there are too few opening brackets for such a depth; stops at the first too many."""
    # 26 µs (counting all) → 4 µs for 30 kB: looking for one byte is almost free
    left = DEPTH_MAX
    for bracket in (b"{", b"["):
        at = body.find(bracket)
        while at >= 0:
            if not left:
                return False
            left -= 1
            at = body.find(bracket, at + 1)
    return True


def _unpaired(brackets: bytes) -> bytes:
    """What is left when `DEPTH_MAX` levels of innermost pairs are taken away, one at a time."""
    for _ in range(DEPTH_MAX):
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return brackets


def _outside_of_texts(body: bytes) -> bytes:
    syntax = body.translate(None, _ALL_BUT_SYNTAX)
    if b"\\" in syntax:
        syntax = syntax.replace(rb"\\", b"").replace(rb"\"", b"")
    return _STRING.sub(b"", syntax.translate(_ONE_KIND, _ALL_BUT_STRUCTURE).replace(b'""', b""))
