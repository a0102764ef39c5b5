"""What needs Node: the vendors' Node SDKs, Claude Code and Codex, each as its users start it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.running import Gateway

NODE = Path(__file__).parents[1] / "node"
pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def modules() -> Path:
    """The clients, installed from their lock file."""
    if not (NODE / "node_modules" / ".package-lock.json").exists():
        npm = shutil.which("npm")
        assert npm is not None, "npm is needed: install Node 20 or later"
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, timeout=900)
    return NODE / "node_modules"


def run(arguments: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A client in an environment of its own, which knows nothing of this machine's settings."""
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )


def test_the_node_sdks(running: Gateway, modules: Path):
    done = run(["node", str(NODE / "sdk.mjs"), running.url, running.key], NODE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ai_sdk(running: Gateway, modules: Path):
    done = run(["node", str(NODE / "ai.mjs"), running.url, running.key], NODE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("model", ["via-anthropic", "via-openai", "via-gemini", "via-responses"])
def test_claude_code_answers_one_prompt(running: Gateway, modules: Path, tmp_path: Path, model: str):
    done = run(
        [str(modules / ".bin" / "claude"), "-p", "say pong", "--model", model, "--output-format", "json"],
        tmp_path,
        ANTHROPIC_BASE_URL=running.url,
        ANTHROPIC_AUTH_TOKEN=running.key,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["subtype"] == "success"
    # the demo echoes the last user text, which over Gemini is a reminder of Claude Code's own
    assert answer["result"] if model == "via-gemini" else "pong" in answer["result"]


@pytest.mark.parametrize("websockets", ["false", "true"])
@pytest.mark.parametrize("model", ["via-responses", "via-openai", "via-anthropic", "via-gemini"])
def test_codex_answers_one_prompt(running: Gateway, modules: Path, tmp_path: Path, model: str, websockets: str):
    home = tmp_path / ".codex"
    home.mkdir()
    (home / "config.toml").write_text(
        f"""model = "{model}"
model_provider = "headgate"
[model_providers.headgate]
name = "headgate"
base_url = "{running.url}/v1"
env_key = "HEADGATE_KEY"
wire_api = "responses"
supports_websockets = {websockets}
[analytics]
enabled = false
"""
    )
    done = run(
        [str(modules / ".bin" / "codex"), "exec", "--skip-git-repo-check", "say pong"],
        tmp_path,
        HEADGATE_KEY=running.key,
        CODEX_HOME=str(home),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pong" in done.stdout
