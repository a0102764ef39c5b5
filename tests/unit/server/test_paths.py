"""Which endpoint a method and path mean, slips included."""

import pytest

from headgate.server.paths import Endpoint, WrongMethod, find

CHAT = Endpoint("generate", "openai_chat")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/api/v1/chat/completions",
    ],
)
def test_a_base_url_may_be_spelt_in_the_usual_wrong_ways(path: str):
    assert find("POST", path) == CHAT


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/v1/messages", Endpoint("generate", "anthropic")),
        ("POST", "/messages", Endpoint("generate", "anthropic")),
        ("POST", "/v1/messages/count_tokens", Endpoint("count", "anthropic")),
        ("POST", "/v1/responses", Endpoint("generate", "openai_responses")),
        ("GET", "/v1/responses", Endpoint("converse", "openai_responses")),
        ("POST", "/v2/chat", Endpoint("generate", "cohere")),
        ("POST", "/api/chat", Endpoint("generate", "ollama")),
        ("GET", "/v1/models", Endpoint("models")),
        ("GET", "/v1beta/models", Endpoint("models", "gemini")),
        ("GET", "/v1/models/org/name", Endpoint("model", "openai_chat", "org/name")),
        ("GET", "/v1beta/models/m", Endpoint("model", "gemini", "m")),
        ("GET", "/v1/generations/req_1", Endpoint("generation", "openai_chat", "req_1")),
        ("POST", "/embeddings", Endpoint("operate", operation="embeddings")),
        ("POST", "/openai/v1/images/edits", Endpoint("operate", operation="image_edits", takes_files=True)),
        ("POST", "/v2/rerank", Endpoint("operate", "cohere", operation="ranking")),
        ("POST", "/openai/deployments/a%20b/audio/speech", Endpoint("operate", argument="a b", operation="speech")),
        ("POST", "/openai/deployments/m/messages", None),
        ("POST", "/openai/deployments/m/nothing", None),
        ("POST", "/v1beta/models/m:embedContent", Endpoint("operate", "gemini", "m", operation="embeddings")),
        ("POST", "/v1beta/models/m:generateContent", Endpoint("generate", "gemini", "m", False)),
        ("POST", "/v1/models/m:streamGenerateContent", Endpoint("generate", "gemini", "m", True)),
        ("POST", "/v1beta/models/p/m:free:generateContent", Endpoint("generate", "gemini", "p/m:free", False)),
        ("POST", "/v1beta/models/lab%2Fm:countTokens", Endpoint("count", "gemini", "lab/m")),
        ("POST", "/openai/deployments/gpt/chat/completions", Endpoint("generate", "openai_chat", "gpt")),
        ("HEAD", "/", Endpoint("hello")),
        ("HEAD", "/api/hello", Endpoint("hello")),
        ("GET", "/livez", Endpoint("live")),
        ("GET", "/readyz", Endpoint("ready")),
    ],
)
def test_each_path_has_its_endpoint(method: str, path: str, endpoint: Endpoint):
    assert find(method, path) == endpoint


@pytest.mark.parametrize(
    "path", ["/v1/chat", "/v1", "/admin/v1/keys", "/v1/models/m:deleteEverything", "/v1/messages/x"]
)
def test_what_is_not_in_the_table_does_not_exist(path: str):
    assert find("POST", path) in (None, WrongMethod(("GET",)))


def test_the_right_method_is_told():
    assert find("GET", "/v1/messages") == WrongMethod(("POST",), "anthropic")
    assert find("PUT", "/v1beta/models/m:generateContent") == WrongMethod(("POST",), "gemini")
