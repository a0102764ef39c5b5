"""A guard against JSON nested too deep, at a fraction of the cost of decoding. Must not know what the JSON means."""

import re
from typing import Final

from headgate.core.problems import InvalidRequest

DEPTH_MAX: Final = 64


def _all_but(kept: bytes) -> bytes:
    return bytes(set(range(256)) - set(kept))


_STRING = re.compile(rb'"[^"]*"')
_ALL_BUT_OPENERS: Final = _all_but(b"[{")
_ALL_BUT_SYNTAX: Final = _all_but(rb'"[]{}\/bfnrtu')  # an escape is a backslash and one of these
_ALL_BUT_STRUCTURE: Final = _all_but(b'"[]{}')
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")


def check_depth(body: bytes) -> None:
    """Refuses a body nested deeper than `DEPTH_MAX`; whether it is JSON at all is the decoder's affair."""
    if len(body.translate(None, _ALL_BUT_OPENERS)) > DEPTH_MAX and _is_deeper(body):
        raise InvalidRequest(f"the request body is nested deeper than {DEPTH_MAX} levels; send a flatter one")


def _is_deeper(body: bytes) -> bool:
    """The brackets outside of strings, then one level of innermost pairs taken away at a time."""
    syntax = body.translate(None, _ALL_BUT_SYNTAX)
    if b"\\" in syntax:
        syntax = syntax.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = _STRING.sub(b"", syntax.translate(_ONE_KIND, _ALL_BUT_STRUCTURE).replace(b'""', b""))
    for _ in range(DEPTH_MAX):
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    # what no pass could take away is deeper still, or was never closed
    return b"[]" in brackets or brackets.count(b"[") > DEPTH_MAX
