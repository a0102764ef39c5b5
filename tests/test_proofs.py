"""What counts as a proof: which provider a recorded URL is of, and what one exchange shows."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conformance.traffic import Exchange

ROOT = Path(__file__).parent.parent


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("proofs", ROOT / "tools" / "proofs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROOFS = tool()


@pytest.mark.parametrize(
    ("url", "dialect", "provider"),
    [
        ("https://api.groq.com/openai/v1/chat/completions", "openai_chat", "groq"),
        ("https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=x", "openai_chat", "azure"),
        ("https://r.cognitiveservices.azure.com/openai/deployments/d/chat/completions", "openai_chat", "azure"),
        ("https://api.cohere.ai/v2/chat", "cohere", "cohere"),
        ("https://ollama.com/api/chat", "ollama", "ollama-cloud"),
        ("https://bedrock-mantle.us-east-1.api.aws/v1/responses", "openai_responses", "bedrock-mantle"),
        ("https://bedrock-mantle.us-east-1.api.aws/openai/v1/responses", "openai_responses", "bedrock-mantle-openai"),
        ("https://r.openai.azure.com/openai/v1/chat/completions", "openai_chat", "azure"),
        ("https://r.openai.azure.com/openai/responses?api-version=x", "openai_responses", "azure"),
        ("https://api.z.ai/api/coding/paas/v4/chat/completions", "openai_chat", "zai-coding-plan"),
        ("https://api.z.ai/api/paas/v4/chat/completions", "openai_chat", "zai"),
        (
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/m:rawPredict",
            "anthropic",
            "vertex-anthropic",
        ),
        ("https://unknown.example/v1/chat/completions", "openai_chat", None),
        ("http://localhost:8080/v1/chat/completions", "openai_chat", None),
    ],
)
def test_a_url_is_of_one_provider(url: str, dialect: str, provider: str | None):
    found = (name for address, name, spoken in PROOFS.doors() if spoken == dialect and address.match(PROOFS.plain(url)))
    assert next(found, None) == provider


def exchange(status: int, request: dict[str, Any], answer: dict[str, Any]) -> Exchange:
    return Exchange(
        id="made-by-hand",
        family="openai_chat",
        dialect="openai_chat",
        url="https://api.openai.com/v1/chat/completions",
        request=request,
        status=status,
        headers={},
        body=json.dumps(answer).encode(),
        is_stream=False,
        is_exact=True,
    )


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ANSWER: dict[str, Any] = {
    "id": "a",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": [PICTURE]}]}


def test_an_exchange_shows_what_was_asked_and_answered():
    assert sorted(PROOFS.shown(exchange(200, REQUEST, ANSWER))) == ["cached", "images", "text", "tools"]


def test_an_error_shows_only_that():
    told = {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    assert list(PROOFS.shown(exchange(429, REQUEST, told))) == ["errors"]


def test_an_exchange_that_does_not_hold_shows_nothing():
    assert list(PROOFS.shown(exchange(200, REQUEST, {"choices": "none"}))) == []
