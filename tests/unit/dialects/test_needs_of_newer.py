"""What a call needs is read by every dialect's quick look, as its words say it."""

import pytest

from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS

TOOL = b'"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]'
CASES = {
    "cohere, words": ("cohere", b'{"model":"m","messages":[{"role":"user","content":"a"}]}', set()),
    "cohere, a tool": ("cohere", b'{"model":"m","messages":[{"role":"user","content":"a"}],' + TOOL + b"}", {"tools"}),
    "cohere, a schema": (
        "cohere",
        b'{"model":"m","messages":[{"role":"user","content":"a"}],'
        b'"response_format":{"type":"json_object","json_schema":{"type":"object"}}}',
        {"json_schema"},
    ),
    "ollama, words": ("ollama", b'{"model":"m","messages":[{"role":"user","content":"a"}]}', set()),
    "ollama, a tool": ("ollama", b'{"model":"m","messages":[{"role":"user","content":"a"}],' + TOOL + b"}", {"tools"}),
    "ollama, a picture": (
        "ollama",
        b'{"model":"m","messages":[{"role":"user","content":"a","images":["iVBORw0KGgo="]}]}',
        {"image"},
    ),
    "ollama, thinking": (
        "ollama",
        b'{"model":"m","think":true,"messages":[{"role":"user","content":"a"}]}',
        {"reasoning"},
    ),
    "converse, a tool": (
        "bedrock_converse",
        b'{"messages":[{"role":"user","content":[{"text":"a"}]}],'
        b'"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}]}}',
        {"tools"},
    ),
    "invoke, a picture": (
        "bedrock_invoke",
        b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image",'
        b'"source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}',
        {"image"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_call_needs(name: str):
    dialect, body, needed = CASES[name]
    assert DIALECTS[dialect].peek(body, Envelope(model="anthropic.claude-x")).needs.abilities == needed
