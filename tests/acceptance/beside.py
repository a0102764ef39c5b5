"""An environment beside the tests' own, for what is too large for it: made once, from a lock of its own, and kept."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LOCK = Path(__file__).parents[2] / "requirements" / "frameworks.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headgate"
MAKING_S_MAX = 600


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


def frameworks() -> Path:
    """The folder with the environment's programs. Skips where it cannot be made."""
    folder = CACHE / f"frameworks-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made(folder)
        except (subprocess.SubprocessError, OSError) as error:
            told = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().rpartition("\n")[2]
            pytest.skip(f"the environment of frameworks cannot be made: {told or error}")
        (folder / "made").touch()
    return folder / "bin"
