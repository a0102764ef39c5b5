"""Google's OpenAPI subset as JSON Schema. Must not know where a schema stands in a request.

`parameters` and `responseSchema` are of that subset: types in capitals (or protobuf numbers), `nullable`, limits as
strings (https://ai.google.dev/api/caching#Schema, 2026-11). What is JSON Schema already comes back as it was.
"""

from typing import Final, cast

from msgspec import Raw

from headgate.dialects.gemini.wire import ANY, raw_of

_Schema = dict[str, object]

_TYPES: Final[dict[object, str | None]] = {
    "TYPE_UNSPECIFIED": None,
    "STRING": "string",
    "NUMBER": "number",
    "INTEGER": "integer",
    "BOOLEAN": "boolean",
    "ARRAY": "array",
    "OBJECT": "object",
    "NULL": "null",
    0: None,
    1: "string",
    2: "number",
    3: "integer",
    4: "boolean",
    5: "array",
    6: "object",
    7: "null",
}
_LIMITS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_OF_ONE: Final = ("items", "additionalProperties")
_OF_MANY: Final = ("properties", "$defs", "defs")
_OF_SOME: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def json_schema(raw: Raw) -> Raw:
    """The schema in `raw` as JSON Schema: the same bytes when it is that already."""
    schema = ANY.decode(raw)
    converted = _converted(schema)
    return raw if converted == schema else raw_of(converted)


def _converted(schema: object) -> object:
    if not isinstance(schema, dict):
        return schema
    out = dict(cast(_Schema, schema))
    for name in _OF_ONE:
        if name in out:
            out[name] = _converted(out[name])
    for name in _OF_MANY:
        if isinstance(inner := out.get(name), dict):
            out[name] = {key: _converted(value) for key, value in cast(_Schema, inner).items()}
    for name in _OF_SOME:
        if isinstance(inner := out.get(name), list):
            out[name] = [_converted(value) for value in cast(list[object], inner)]
    _rewrite_words(out)
    return out


def _rewrite_words(out: _Schema) -> None:
    kind = out.get("type")
    if not isinstance(kind, list | dict) and kind in _TYPES:
        word = _TYPES[kind]
        out.pop("type") if word is None else out.update(type=word)
    for name in _LIMITS:
        if isinstance(limit := out.get(name), str) and limit.isdecimal() and len(limit) < 19:
            out[name] = int(limit)
    out.pop("propertyOrdering", None)  # an order of writing, which JSON Schema has no word for
    if out.get("format") == "enum":
        del out["format"]
    if "example" in out:
        out["examples"] = [out.pop("example")]
    if out.pop("nullable", False) is True:
        _let_be_null(out)


def _let_be_null(out: _Schema) -> None:
    if isinstance(kind := out.get("type"), str) and kind != "null":
        out["type"] = [kind, "null"]
    if isinstance(choices := out.get("anyOf"), list):
        out["anyOf"] = [*cast(list[object], choices), {"type": "null"}]
    if isinstance(values := out.get("enum"), list) and None not in values:
        out["enum"] = [*cast(list[object], values), None]
