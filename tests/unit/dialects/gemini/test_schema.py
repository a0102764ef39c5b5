"""Google's schemas as JSON Schema."""

import json

import pytest
from msgspec import Raw

from headgate.dialects.gemini.schema import json_schema


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"type": "STRING", "format": "enum", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": 5, "items": {"type": "TYPE_UNSPECIFIED"}}, {"type": "array", "items": {}}),
        ({"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
        ({"type": "STRING", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"anyOf": [{"type": "NUMBER"}], "nullable": True}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ({"type": "OBJECT", "nullable": False, "minProperties": "2"}, {"type": "object", "minProperties": 2}),
        (
            {"properties": {"type": {"type": "BOOLEAN", "example": True}}, "propertyOrdering": ["type"]},
            {"properties": {"type": {"type": "boolean", "examples": [True]}}},
        ),
    ],
)
def test_words_are_changed(told: object, expected: object):
    assert json.loads(bytes(json_schema(Raw(json.dumps(told).encode())))) == expected


@pytest.mark.parametrize("told", [b'{ "type":"object" , "minimum": 1.50 }', b"true", b'{"type": {"type": []}}'])
def test_json_schema_stays_as_it_is(told: bytes):
    raw = Raw(told)

    assert json_schema(raw) is raw
