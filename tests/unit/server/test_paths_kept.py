"""Paths of what providers keep, and of what passes through."""

import pytest

from headgate.server.paths import Endpoint, WrongMethod, find


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("POST", "/v1/files", Endpoint("keep", "openai_chat", "/files")),
        ("GET", "/openai/v1/files/file-1/content", Endpoint("keep", "openai_chat", "/files/file-1/content")),
        ("POST", "/batches", Endpoint("keep", "openai_chat", "/batches")),
        ("DELETE", "/v1/vector_stores/vs", Endpoint("keep", "openai_chat", "/vector_stores/vs")),
        ("GET", "/v1/messages/batches/b/results", Endpoint("keep", "anthropic", "/messages/batches/b/results")),
        ("PUT", "/v1/messages/batches", WrongMethod(("GET", "POST", "DELETE"), "anthropic")),
        ("GET", "/v1/chat/completions", Endpoint("keep", "openai_chat", "/chat/completions")),
        ("DELETE", "/chat/completions/c", Endpoint("keep", "openai_chat", "/chat/completions/c")),
        ("GET", "/v1/chat/completions/c/messages", Endpoint("keep", "openai_chat", "/chat/completions/c/messages")),
        ("DELETE", "/v1/chat/completions", WrongMethod(("POST", "GET"))),
        ("GET", "/v1/filesystem", None),
        ("GET", "/v1/fine_tuning", None),
    ],
)
def test_paths_of_what_is_kept(method: str, path: str, found: object):
    assert find(method, path) == found
