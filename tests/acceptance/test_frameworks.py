"""Frameworks as clients: LangChain, LlamaIndex and pydantic-ai, in an environment of their own, made once and kept.

moto is none of the upstreams: its Bedrock answers every InvokeModel with `{}` and knows no Converse (5.2, 2026-11).
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.beside import frameworks
from tests.acceptance.running import Gateway

DRIVE = Path(__file__).parents[1] / "frameworks" / "drive.py"
pytestmark = pytest.mark.frameworks


def test_frameworks_call_the_gateway(running: Gateway, tmp_path: Path):
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [frameworks() / "python", DRIVE, running.url, running.key],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
