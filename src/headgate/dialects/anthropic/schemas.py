"""JSON Schemas as Anthropic takes them: closed objects, and without the bounds that its grammars cannot keep.

https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations (2026-11)
"""

from collections.abc import Callable
from typing import Any, Final, cast

from msgspec import Raw

from headgate.dialects.anthropic import wire

Schema = dict[str, Any]

_BOUNDS: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)

_MAPS: Final = ("properties", "$defs", "definitions", "patternProperties")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_ONES: Final = ("items", "not")


def with_type(parameters: Raw | None) -> Raw:
    """A tool's schema, which must say that it is an object's."""
    members = wire.members_in(parameters)
    if parameters is not None and members.get("type") == Raw(b'"object"'):
        return parameters
    return wire.raw_of({**members, "type": "object"})


def narrowed(schema: Raw | None, dropped: set[str], prefix: str) -> Raw:
    """A schema to be kept strictly. Bounds that cannot be kept are taken out and reported under `prefix`."""
    value: Any = wire.ANY.decode(schema) if schema is not None else None
    whole = cast(Schema, value) if isinstance(value, dict) else {"type": "object"}
    return wire.raw_of(_narrowed(whole, lambda name: dropped.add(prefix + name)))


def _narrowed(schema: Schema, report: Callable[[str], None]) -> Schema:
    out: Schema = {}
    for name, value in schema.items():
        if name in _BOUNDS or (name == "minItems" and value not in (0, 1)):
            report(name)
        elif name in _MAPS and isinstance(value, dict):
            out[name] = {key: _deep(inner, report) for key, inner in cast(Schema, value).items()}
        elif name in _LISTS and isinstance(value, list):
            out[name] = [_deep(inner, report) for inner in cast(list[Any], value)]
        elif name in _ONES:
            out[name] = _deep(value, report)
        else:
            out[name] = value
    if out.get("type") == "object" or "properties" in out:
        out.setdefault("additionalProperties", False)
        if out["additionalProperties"] is True:
            out["additionalProperties"] = False
    return out


def _deep(value: Any, report: Callable[[str], None]) -> Any:
    return _narrowed(cast(Schema, value), report) if isinstance(value, dict) else value
