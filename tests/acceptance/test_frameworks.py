"""Frameworks as clients: LangChain, LlamaIndex and pydantic-ai, in an environment of their own, made once and kept.

moto is none of the upstreams: its Bedrock answers every InvokeModel with `{}` and knows no Converse (5.2, 2026-11).
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import Gateway

LOCK = Path(__file__).parents[2] / "requirements" / "frameworks.txt"
DRIVE = Path(__file__).parents[1] / "frameworks" / "drive.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headgate"
MAKING_S_MAX = 600
pytestmark = pytest.mark.frameworks


def made(folder: Path) -> None:
    """Installs what is locked, wheels with their hashes alone: with uv where there is one, else with pip."""
    python = str(folder / "bin" / "python")
    locked = ["--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
    if uv := shutil.which("uv"):
        steps = [[uv, "venv", "--python", sys.executable, str(folder)]]
        steps += [[uv, "pip", "install", "--python", python, *locked]]
    else:
        steps = [[sys.executable, "-m", "venv", str(folder)], [python, "-m", "pip", "install", "--no-deps", *locked]]
    for step in steps:
        subprocess.run(step, check=True, capture_output=True, timeout=MAKING_S_MAX)


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter that has the frameworks."""
    folder = CACHE / f"frameworks-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made(folder)
        except (subprocess.SubprocessError, OSError) as error:
            told = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().rpartition("\n")[2]
            pytest.skip(f"the environment of frameworks cannot be made: {told or error}")
        (folder / "made").touch()
    return folder / "bin" / "python"


def test_frameworks_call_the_gateway(running: Gateway, python: Path, tmp_path: Path):
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [python, DRIVE, running.url, running.key], env=environment, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout + done.stderr
