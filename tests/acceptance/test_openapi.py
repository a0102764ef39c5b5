"""What is served does what its OpenAPI documents say, whatever it is sent: schemathesis looks for a call that is
answered with a 5xx, or otherwise than documented.

One of its checks is left out: that what fits the document is accepted. A key whose end has passed fits, and is refused;
of a call to a model, only what is checked here is described.
"""

import os
import subprocess
from pathlib import Path

import pytest

from headgate.server.admin.application import OPENAPI_PATH
from headgate.transport.fake import FakeUpstream
from tests.acceptance.beside import frameworks
from tests.acceptance.running import gateway

pytestmark = pytest.mark.frameworks
CLIENTS = ("--max-examples", "3", "--workers", "2", "--phases", "coverage,fuzzing")
SPOKEN = ("openai", "anthropic", "gemini", "cohere", "ollama")

TOLD = {
    "/v1/messages/count_tokens": b'{"input_tokens": 3}',
    "/v1beta/models/m:countTokens": b'{"totalTokens": 3}',
    "/v1/responses/input_tokens": b'{"object": "response.input_tokens", "input_tokens": 3}',
    "/v1/responses/compact": b'{"object": "response.compaction", "output": []}',
}
"""What a fake upstream does not say by itself."""


def run(folder: Path, url: str, key: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Schemathesis over a document; the same calls every time."""
    return subprocess.run(
        [
            *(frameworks() / "schemathesis", "run", url, "--header", f"Authorization: Bearer {key}"),
            *("--generation-deterministic", "--no-color", "--exclude-checks", "positive_data_acceptance", *options),
        ],
        env={
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parent),
            "SCHEMATHESIS_HOOKS": "naming",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_administration_keeps_to_its_document(tmp_path: Path):
    with gateway(tmp_path / "gateway", {}) as running:
        key = running.environment["HEADGATE_ADMIN_KEY"]
        done = run(tmp_path, running.admin_url + OPENAPI_PATH, key, "--max-examples", "20")

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_clients_call_keeps_to_its_document(tmp_path: Path):
    with FakeUpstream.threaded() as upstream:
        for path, told in TOLD.items():
            upstream.reply(told, path=path)
        providers = {f"up_{like}": {"like": like, "base_url": upstream.url, "api_key": "none"} for like in SPOKEN}
        routes = {"mini": {"targets": [f"up_{like}/m" for like in SPOKEN]}}
        config = {"providers": providers, "routes": routes, "kept": {"provider": "up_openai"}}
        with gateway(tmp_path / "gateway", config) as running:
            done = run(tmp_path, f"{running.url}/openapi.json", running.key, *CLIENTS)
        asked = {attempt.path for attempt in upstream.log}

    assert done.returncode == 0, done.stdout + done.stderr
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/responses"} <= asked
