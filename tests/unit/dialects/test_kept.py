"""Which ids a request refers to, by dialect, and what only looks like one."""

import json
from typing import Any

import pytest

from headgate.dialects.base import Envelope
from headgate.dialects.kept import may_refer, references
from headgate.dialects.registry import DIALECTS

HI = {"type": "text", "text": "hi"}


def chat(*parts: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": [HI, *parts]}], **members}


def responses(*parts: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "input": [{"role": "user", "content": list(parts)}] if parts else "hi", **members}


def anthropic(*blocks: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [HI, *blocks]}], **members}


FILE = {"type": "file", "file_id": "file_1"}
CASES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("openai_chat", chat(), ()),
    ("openai_chat", chat({"type": "file", "file": {"file_id": "file-1"}}), ("file-1",)),
    ("openai_chat", chat({"type": "file", "file": {"file_data": "data:,x", "filename": "a.pdf"}}), ()),
    (
        "openai_chat",
        chat({"type": "file", "file": {"file_id": "file-1"}}, {"type": "x"}, reasoning="high"),
        ("file-1",),
    ),
    ("openai_responses", responses(), ()),
    ("openai_responses", responses(previous_response_id="resp_1"), ("resp_1",)),
    ("openai_responses", responses(previous_response_id=None), ()),
    ("openai_responses", responses(conversation="conv_1"), ("conv_1",)),
    ("openai_responses", responses(conversation={"id": "conv_1"}), ("conv_1",)),
    ("openai_responses", responses({"type": "input_file", "file_id": "file-1"}), ("file-1",)),
    ("openai_responses", responses({"type": "input_image", "file_id": "file-1"}), ("file-1",)),
    ("openai_responses", responses({"type": "input_image", "image_url": "http://x"}), ()),
    (
        "openai_responses",
        responses(
            {"type": "input_file", "file_id": "file-1"},
            {"type": "input_file", "file_id": "file-1"},
            previous_response_id="resp_1",
            tools=[{"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}],
        ),
        ("resp_1", "file-1", "vs_1", "vs_2"),
    ),
    (
        "openai_responses",
        responses(tools=[{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]),
        ("file-1",),
    ),
    (  # a citation, given back
        "openai_responses",
        {
            "model": "m",
            "previous_response_id": "resp_1",
            "input": [
                {"role": "assistant", "content": [{"type": "output_text", "text": "", "annotations": [FILE]}]},
                {"type": "file_search_call", "id": "fs", "results": [FILE]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"file_id": "file-2"}'},
            ],
        },
        ("resp_1",),
    ),
    ("anthropic", anthropic(), ()),
    ("anthropic", anthropic({"type": "document", "source": FILE}), ("file_1",)),
    ("anthropic", anthropic({"type": "image", "source": FILE}), ("file_1",)),
    ("anthropic", anthropic({"type": "container_upload", "file_id": "file_1"}), ("file_1",)),
    (
        "anthropic",
        anthropic({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": FILE}]}),
        ("file_1",),
    ),
    (  # a tool's own arguments
        "anthropic",
        anthropic({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}})
        | {
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": FILE}]},
            ]
        },
        (),
    ),
]


@pytest.mark.parametrize(("dialect", "body", "ids"), CASES, ids=lambda case: str(case)[:60])
def test_what_a_request_refers_to(dialect: str, body: dict[str, Any], ids: tuple[str, ...]):
    assert DIALECTS[dialect].peek(json.dumps(body).encode(), Envelope()).refers == ids


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", chat({"type": "file", "file": {"file_id": "file_1"}})),
        ("openai_responses", responses({"type": "input_file", "file_id": "file_1"})),
        ("anthropic", anthropic({"type": "document", "source": FILE})),
        ("anthropic", anthropic({"type": "container_upload", "file_id": "file_1"})),  # the slow way
    ],
)
def test_a_name_in_disguise_is_read_all_the_same(dialect: str, body: dict[str, Any]):
    disguised = json.dumps(body).replace("file_id", "\\u0066ile_id")

    assert DIALECTS[dialect].peek(disguised.encode(), Envelope()).refers == ("file_1",)


@pytest.mark.parametrize(
    ("body", "is_so"),
    [
        (b'{"file_id": 1}', True),
        (b'{"\\u0066ile_id": 1}', True),
        (b'{"text": "caf\\u00e9 \\u003cb\\u003e"}', False),
        (b"{}", False),
    ],
)
def test_when_it_is_worth_looking(body: bytes, is_so: bool):
    assert may_refer(body, b"file_id") is is_so


@pytest.mark.parametrize("value", [1, None, True, "", [1, None], {"id": 5}, {"id": ""}])
def test_what_is_no_id_is_none(value: object):
    body = {"previous_response_id": value, "tools": [{"type": "file_search", "vector_store_ids": value}]}

    assert references(json.dumps(body).encode()) == ()


def test_what_is_no_object_refers_to_nothing():
    assert references(b"[]") == ()
