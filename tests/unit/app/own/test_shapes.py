"""How each API for batches is asked."""

import json
from typing import Any

import pytest

from headgate.app.own.lines import Line
from headgate.app.own.shapes import BOUNDARY, SHAPES, Made, batch_body, input_file
from headgate.dialects.multipart import parts_of
from headgate.providers.spec import BatchApi

BODIES = [(Line(1, "a", "/v1/x", b""), b'{"model":"m"}'), (Line(7, "b", "/v1/x", b""), b"{}")]
MADE = Made(url="/v1/x", model="m", bodies=BODIES, file_id="file-1")


@pytest.mark.parametrize(
    ("api", "fields"),
    [
        ("openai", {"purpose": b"batch"}),
        ("mistral", {"purpose": b"batch"}),
        ("together", {"purpose": b"batch-api", "file_name": b"headgate.jsonl", "file_type": b"jsonl"}),
    ],
)
def test_a_file_of_lines_in_a_form(api: BatchApi, fields: dict[str, bytes]):
    form = input_file(SHAPES[api], MADE)

    *plain, file = parts_of(form, f"multipart/form-data; boundary={BOUNDARY}")
    assert {part.name: form[part.start : part.end] for part in plain} == fields
    assert file.name == "file"
    where = {"method": "POST", "url": "/v1/x"} if api == "openai" else {}
    assert [json.loads(each) for each in form[file.start : file.end].splitlines()] == [
        {"custom_id": "line-1", **where, "body": {"model": "m"}},
        {"custom_id": "line-7", **where, "body": {}},
    ]


FIRST: dict[str, Any] = {"custom_id": "line-1", "params": {"model": "m"}}
SECOND: dict[str, Any] = {"custom_id": "line-7", "params": {}}
FROM_FILE = {"input_file_id": "file-1", "endpoint": "/v1/x", "completion_window": "24h"}


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("openai", FROM_FILE),
        ("together", FROM_FILE),
        ("mistral", {"input_files": ["file-1"], "endpoint": "/v1/x", "model": "m"}),
        ("anthropic", {"requests": [FIRST, SECOND]}),
        (
            "gemini",
            {
                "batch": {
                    "displayName": BOUNDARY,
                    "inputConfig": {
                        "requests": {
                            "requests": [
                                {"request": {"model": "m"}, "metadata": {"key": "line-1"}},
                                {"request": {}, "metadata": {"key": "line-7"}},
                            ]
                        }
                    },
                }
            },
        ),
    ],
)
def test_what_makes_a_batch(api: BatchApi, body: dict[str, Any]):
    assert json.loads(batch_body(SHAPES[api], MADE)) == body
