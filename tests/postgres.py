"""A real PostgreSQL server for tests, from the machine's own packages; each test has a schema of its own there."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # a test's server is killed, never its machine
    "shared_buffers": "16MB",
    "max_connections": "40",
}


def programs() -> Path | None:
    """Where `initdb` and `pg_ctl` are; None: nowhere."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


class Server:
    """One that runs; a folder holds its data and its socket."""

    def __init__(self, folder: Path, bin: Path) -> None:
        self.folder = folder
        self._bin = bin
        self._user = None
        if os.getuid() == 0:  # PostgreSQL does not run as root
            self._user = "postgres"
            shutil.chown(folder, "postgres")
        self._schemas = itertools.count(1)
        self._run("initdb", "--no-sync", "--auth=trust", "--username=headgate", "--encoding=UTF8", "--locale=C.UTF-8")

    def start(self) -> None:
        """Returns once it takes connections."""
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        options += f" -c unix_socket_directories='{self.folder}'"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={options}")

    def stop(self, mode: str = "immediate") -> None:
        """As if it were killed, unless told otherwise."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def new_url(self) -> str:
        """The address of an empty place."""
        schema = f"test_{next(self._schemas)}"
        with psycopg.connect(f"postgresql:///postgres?host={self.folder}&user=headgate", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")  # pyright: ignore[reportArgumentType]
        return f"postgresql:///postgres?host={self.folder}&user=headgate&options=-csearch_path%3D{schema}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), f"--pgdata={self.folder / 'data'}", *arguments]
        with (self.folder / "tools.log").open("a") as log:  # the server inherits it: a pipe would never end
            done = subprocess.run(command, user=self._user, cwd=self.folder, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {(self.folder / 'tools.log').read_text()}")


@contextmanager
def running_server() -> Iterator[Server]:
    """Skips where there is none to run."""
    bin = programs()
    if bin is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt install postgresql)")
    with tempfile.TemporaryDirectory(prefix="headgate-pg-") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder), bin)
        server.start()
        try:
            yield server
        finally:
            server.stop()
