"""Processes: started on a core of their own, accounted from /proc with all their children, ended by their own ids."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_END_WAIT_S = 8.0
_KEPT_VARIABLES = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class StartFailed(Exception):
    """A process ended or stayed silent before it answered."""


@dataclass(frozen=True)
class Command:
    """What to start: the words, what is added to the environment, where."""

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


def environment(added: Mapping[str, str]) -> dict[str, str]:
    """A small one, so that no setting of whoever runs this reaches a gateway."""
    kept = {name: value for name in _KEPT_VARIABLES if (value := os.environ.get(name))}
    return {**kept, "NO_PROXY": "*", "no_proxy": "*", **added}


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(root_pid: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    ahead = [root_pid]
    while ahead:
        pid = ahead.pop()
        found.append(pid)
        ahead += children.get(pid, [])
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time of these processes together."""
    ticks = 0
    for pid in pids:
        if fields := _stat(pid):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S


def resident_mb(root_pid: int) -> float:
    """Resident memory of the whole tree; pages that two processes share count in both."""
    pages = sum(int(fields[21]) for pid in tree(root_pid) if (fields := _stat(pid)))
    return pages * _PAGE_BYTES / 1e6


def core_busy_s(core: int) -> float:
    """How long this core has worked for anyone, since the machine started."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S
    return 0.0


class Running:
    """A started process and its log; a context manager that ends the whole tree."""

    def __init__(self, command: Command, *, core: int, log: Path) -> None:
        self.log = log
        self.started_s = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                list(command.words),
                env=environment(command.environment),
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        if (status := self._process.poll()) is not None:
            raise StartFailed(f"it ended with status {status}: {self.last_words()}")

    def last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-400:] or "no output"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        pids = tree(self.pid)
        self._process.terminate()
        try:
            self._process.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in pids[1:]:
            if os.path.exists(f"/proc/{pid}") and _belongs_to(pid, self.pid):
                os.kill(pid, signal.SIGKILL)


def _belongs_to(pid: int, session: int) -> bool:
    """Whether a process is still of the session that we started: ids are used again."""
    fields = _stat(pid)
    return len(fields) > 3 and int(fields[3]) == session
