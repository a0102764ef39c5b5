"""A file system of a few MiB that nobody else sees: mounted by `unshare` in a namespace, where one may be had."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_HOLD = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat'
"""Mounts, says so, and holds the namespace until its stdin ends."""


class SmallDisk:
    """One that is mounted at `folder`, for commands that `inside` begins."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.inside = ["nsenter", f"--target={holder}", "--user", "--mount", "--preserve-credentials"]
        self.seen = Path(f"/proc/{holder}/root{folder}")
        """Where it is seen from outside."""
        self._ballast = self.seen / "ballast"

    def fill(self, but_bytes: int = 0) -> None:
        """Leaves not one page free, but for so much."""
        told = os.statvfs(self.seen)
        with self._ballast.open("ab", buffering=0) as ballast, suppress(OSError):
            left = told.f_bavail * told.f_frsize - but_bytes
            while left > 0:
                left -= ballast.write(bytes(min(left, 1 << 16)))
            while not but_bytes and ballast.write(bytes(told.f_frsize)):  # what others have freed meanwhile
                pass

    def free(self) -> None:
        """Makes room again."""
        self._ballast.unlink()

    def copy(self, to: Path) -> Path:
        """What is on it. SQLite would look for the file itself where the path leads without the namespace."""
        return shutil.copytree(self.seen, to, dirs_exist_ok=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk | None]:
    """None: this machine gives no namespaces to those who ask."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", _HOLD, "sh", size, str(folder)]
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        yield None
        return
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            is_mounted = holder.stdout.readline() == "mounted\n"
            yield SmallDisk(folder, holder.pid) if is_mounted else None
        finally:
            holder.stdin.close()
