"""Environments of the peers: each in a folder of its own outside the tree, made once, on demand, at a set version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

CACHE_VARIABLE = "HEADGATE_BENCH_CACHE"
INSTALL_S_MAX = 1_200


class Unavailable(Exception):
    """A gateway that cannot be had here; the text is the reason and goes into its row."""


class Installed(msgspec.Struct, frozen=True):
    """`program` is what runs it (its Python, its script, its binary); `note` what must be known beside its numbers."""

    program: str
    version: str
    note: str = ""


class PythonPeer(msgspec.Struct, frozen=True):
    """`loose` packages may be taken in another version than the maker pinned, when the exact one is not to be had."""

    package: str
    version: str
    extras: str = ""
    loose: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        return f"{self.package}{self.extras}=={self.version}"


class NodePeer(msgspec.Struct, frozen=True):
    package: str
    version: str
    script: str
    overrides: dict[str, str] = {}
    note: str = ""


def cache_folder() -> Path:
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "headgate-bench")


def _run(words: Sequence[str | Path], folder: Path) -> None:
    """Runs an installer, outside the tree and its settings; what it said is the reason when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise Unavailable(f"{Path(words[0]).name} could not install it: {failure!r}") from failure
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise Unavailable(f"{Path(words[0]).name} could not install it: {said[:300]}")


def _fresh(name: str) -> tuple[Path, Path]:
    folder = cache_folder() / name
    mark = folder / "installed.json"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder, mark


def python_peer(peer: PythonPeer) -> Installed:
    folder, mark = _fresh(f"{peer.package}-{peer.version}")
    if mark.exists():
        return msgspec.json.decode(mark.read_bytes(), type=Installed)
    _say(f"installing {peer.requirement} into {folder} (this may take minutes)")
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv:
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder], folder)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    else:
        _run([sys.executable, "-m", "venv", folder], folder)
        install = [python, "-m", "pip", "install", "--quiet"]
    note = ""
    try:
        _run([*install, peer.requirement], folder)
    except Unavailable:
        if not (uv and peer.loose):
            raise
        overrides = folder / "overrides.txt"
        overrides.write_text("\n".join(peer.loose) + "\n")
        _run([*install, "--override", overrides, peer.requirement], folder)
        note = f"its pins of {', '.join(peer.loose)} could not be met here and were loosened"
    installed = Installed(str(python), peer.version, note)
    mark.write_bytes(msgspec.json.encode(installed))
    return installed


def node_peer(peer: NodePeer) -> Installed:
    npm, node = shutil.which("npm"), shutil.which("node")
    if not (npm and node):
        raise Unavailable("it needs Node.js and npm, and they are not installed here")
    folder, mark = _fresh(f"{peer.package.strip('@').replace('/', '-')}-{peer.version}")
    if mark.exists():
        return msgspec.json.decode(mark.read_bytes(), type=Installed)
    _say(f"installing {peer.package}@{peer.version} into {folder}")
    wanted = {"private": True, "dependencies": {peer.package: peer.version}, "overrides": peer.overrides}
    (folder / "package.json").write_bytes(msgspec.json.encode(wanted))
    _run([npm, "install", "--no-audit", "--no-fund", "--silent"], folder)
    installed = Installed(str(folder / "node_modules" / peer.package / peer.script), peer.version, peer.note)
    mark.write_bytes(msgspec.json.encode(installed))
    return installed


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
