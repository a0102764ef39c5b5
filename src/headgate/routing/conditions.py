"""Conditions on a call, in Portkey's words: compiled from the operator's file, asked once per call. Pure.

`{"metadata.plan": {"$eq": "paid"}}` and its kind: the operators of
https://portkey.ai/docs/product/ai-gateway/conditional-routing (2026-08), joined by `$and` and `$or`. A call that does
not say what is asked for meets no condition but `$ne` and `$nin`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Final, cast

from msgspec import Struct

from headgate.core.problems import ConfigError

DEPTH_MAX: Final = 8
TEXT_MAX: Final = 4096
"""A pattern looks at so much of a text."""
ROOTS: Final = ("metadata", "params", "url", "tenant", "prompt")
"""What a condition may ask about: `metadata.x` and `params.x` of the body, `url.pathname`, `tenant.key`, `.name`,
`.team`, `.user` and `.session`, `prompt.tokens` (about)."""


class Subject(Struct, frozen=True, gc=False):
    """What a call says of itself, by root and name."""

    values: Mapping[str, Mapping[str, object]]

    def get(self, root: str, name: str) -> object:
        """None: it does not say."""
        return self.values.get(root, {}).get(name)


Condition = Callable[[Subject], bool]


def compile_condition(query: object, path: str, depth: int = 0) -> Condition:
    """A condition of the operator's. Raises `ConfigError`, which tells the place in the file, `path`."""
    if not isinstance(query, Mapping) or not query:
        raise ConfigError(f"{path}: must be a mapping such as {{metadata.plan: {{$eq: paid}}}}")
    if depth > DEPTH_MAX:
        raise ConfigError(f"{path}: is nested more than {DEPTH_MAX} deep")
    parts = [
        _member(str(name), value, f"{path}.{name}", depth)
        for name, value in cast("Mapping[object, object]", query).items()
    ]
    return parts[0] if len(parts) == 1 else _all(parts)


def _member(name: str, value: object, path: str, depth: int) -> Condition:
    if name in _JOINS:
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise ConfigError(f"{path}: must be a list of conditions")
        entries = cast("Sequence[object]", value)
        return _JOINS[name]([compile_condition(each, f"{path}[{n}]", depth + 1) for n, each in enumerate(entries)])
    root, dot, member = name.partition(".")
    if root not in ROOTS or not dot or not member:
        raise ConfigError(f"{path}: must be $and, $or, or begin with one of {', '.join(f'{each}.' for each in ROOTS)}")
    wanted = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {"$eq": value}
    tests = [_test(str(operator), operand, f"{path}.{operator}") for operator, operand in wanted.items()]
    if not tests:
        raise ConfigError(f"{path}: names no operator; known: {', '.join(_OPERATORS)}")
    return lambda subject: all(test(subject.get(root, member)) for test in tests)


def _all(parts: Sequence[Condition]) -> Condition:
    return lambda subject: all(part(subject) for part in parts)


def _any(parts: Sequence[Condition]) -> Condition:
    return lambda subject: any(part(subject) for part in parts)


_JOINS: Final[dict[str, Callable[[Sequence[Condition]], Condition]]] = {"$and": _all, "$or": _any}

_Test = Callable[[object], bool]


def _test(operator: str, operand: object, path: str) -> _Test:
    make = _OPERATORS.get(operator)
    if make is None:
        raise ConfigError(f"{path}: is not an operator; known: {', '.join(_OPERATORS)}")
    return make(operand, path)


def _plain(value: object, path: str) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    raise ConfigError(f"{path}: must be text, a number, true or false")


def _same(seen: object, wanted: object) -> bool:
    """Equal, and not only because true is 1."""
    return seen == wanted and isinstance(seen, bool) == isinstance(wanted, bool)


def _equal(operand: object, path: str) -> _Test:
    wanted = _plain(operand, path)
    return lambda seen: _same(seen, wanted)


def _unequal(operand: object, path: str) -> _Test:
    wanted = _plain(operand, path)
    return lambda seen: not _same(seen, wanted)


def _choices(operand: object, path: str) -> Sequence[object]:
    if not isinstance(operand, Sequence) or isinstance(operand, str) or not operand:
        raise ConfigError(f"{path}: must be a list of values")
    return [_plain(each, path) for each in cast("Sequence[object]", operand)]


def _among(operand: object, path: str) -> _Test:
    wanted = _choices(operand, path)
    return lambda seen: any(_same(seen, each) for each in wanted)


def _not_among(operand: object, path: str) -> _Test:
    among = _among(operand, path)
    return lambda seen: not among(seen)


def _matching(operand: object, path: str) -> _Test:
    try:
        pattern = re.compile(operand if isinstance(operand, str) else "(")
    except re.error:
        raise ConfigError(f"{path}: must be a regular expression, not {operand!r}") from None
    return lambda seen: isinstance(seen, str) and pattern.search(seen[:TEXT_MAX]) is not None


def _comparing(compare: Callable[[float, float], bool]) -> Callable[[object, str], _Test]:
    def make(operand: object, path: str) -> _Test:
        if isinstance(operand, bool) or not isinstance(operand, int | float):
            raise ConfigError(f"{path}: must be a number")
        return lambda seen: isinstance(seen, int | float) and not isinstance(seen, bool) and compare(seen, operand)

    return make


_OPERATORS: Final[dict[str, Callable[[object, str], _Test]]] = {
    "$eq": _equal,
    "$ne": _unequal,
    "$in": _among,
    "$nin": _not_among,
    "$regex": _matching,
    "$gt": _comparing(gt),
    "$gte": _comparing(ge),
    "$lt": _comparing(lt),
    "$lte": _comparing(le),
}
