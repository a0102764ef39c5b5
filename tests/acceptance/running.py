"""A real gateway process in front of fake upstreams, and what a client needs to call it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HEADGATE = [sys.executable, "-m", "headgate.app.cli"]
START_S_MAX = 30


class Gateway:
    """One process."""

    def __init__(self, process: subprocess.Popen[str], url: str, admin_url: str, environment: dict[str, str]) -> None:
        self.process = process
        self.url = url
        self.admin_url = admin_url
        self.environment = environment
        self.key = ""

    def run(self, *arguments: str) -> str:
        """Another headgate command over the same data."""
        done = subprocess.run(
            [*HEADGATE, *arguments], env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def new_key(self, name: str, **more: Any) -> str:
        """Made by the admin API: a command would take a second to start."""
        asked = {
            "authorization": f"Bearer {self.environment['HEADGATE_ADMIN_KEY']}",
            "content-type": "application/json",
        }
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.admin_url}/admin/v1/keys", data=json.dumps({"name": name, **more}).encode(), headers=asked
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)["key"]

    def get(self, path: str, key: str | None = None) -> Any:
        """JSON from the client listener."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.url + path, headers={"authorization": f"Bearer {key or self.key}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def gateway(
    folder: Path, config: Mapping[str, Any], command: Sequence[str] = HEADGATE, **variables: str
) -> Iterator[Gateway]:
    """Starts `headgate serve` with this configuration and data in `folder`, waits until it answers, and stops it."""
    folder.mkdir(parents=True, exist_ok=True)
    port, admin_port = free_port(), free_port()
    server = {"host": "127.0.0.1", "port": port, "admin_port": admin_port, **config.get("server", {})}
    file = folder / "headgate.yaml"
    file.write_text(json.dumps({**config, "server": server}))  # JSON is YAML
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
        "HEADGATE_CONFIG": str(file),
        "HEADGATE_DATA_DIR": str(folder / "data"),
        "HEADGATE_ADMIN_KEY": "an-admin-key-for-tests-of-forty-chars-00",
        **variables,
    }
    log = (folder / "server.log").open("a")
    process = subprocess.Popen([*command, "serve"], env=environment, stdout=log, stderr=log, text=True)
    running = Gateway(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}", environment)
    try:
        _wait_until_ready(running, folder)
        running.key = running.new_key("test")
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        log.close()


def _wait_until_ready(running: Gateway, folder: Path) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{running.url}/readyz", timeout=1):  # noqa: S310
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the gateway did not start:\n{(folder / 'server.log').read_text()}")


def upstreams(url: str) -> dict[str, Any]:
    """Configuration of one fake upstream at `url`: a provider for each dialect, `up_<dialect>`."""
    likes = {"openai_chat": "openai", "openai_responses": "openai", "anthropic": "anthropic", "gemini": "gemini"}
    return {
        f"up_{dialect}": {"like": like, "base_url": url, "speaks": [dialect], "api_key": "none"}
        for dialect, like in likes.items()
    }


def demos() -> dict[str, Any]:
    """The demo provider, made to speak one dialect at a time: `demo_<dialect>`."""
    return {
        f"demo_{dialect}": {"like": "demo", "speaks": [dialect]}
        for dialect in ("openai_chat", "openai_responses", "anthropic", "gemini")
    }


VIAS = {
    "via-openai": "demo_openai_chat",
    "via-responses": "demo_openai_responses",
    "via-anthropic": "demo_anthropic",
    "via-gemini": "demo_gemini",
}


def routes() -> dict[str, Any]:
    """One route for each upstream dialect, and one for each that breaks off in the middle of a stream."""
    made: dict[str, Any] = {name: {"targets": [f"{provider}/echo"]} for name, provider in VIAS.items()}
    for name, provider in (("openai", "openai_chat"), ("anthropic", "anthropic"), ("gemini", "gemini")):
        made[f"cut-{name}"] = {"targets": [f"up_{provider}/m"]}
    return made
