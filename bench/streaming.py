"""`python -m bench.streaming`: how long a streamed event takes through a running server, for every pair of client and
upstream dialect, and how soon an upstream is left when its client is gone.

The upstream lives in this process, as the client does, so that one clock tells both times; the server has a process
and a core of its own.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.procs import Command, Running, environment
from headgate.transport.fake import Attempt, FakeSettings, FakeUpstream
from headgate.transport.fake.voice import parse_ask
from headgate.transport.fake.voices import answer_by_default

DELAY_MS_MAX = 20.0
LEAVE_MS_MAX = 100.0
LIKES = {"openai_chat": "openai", "openai_responses": "openai", "anthropic": "anthropic", "gemini": "gemini"}
PAIRS = [(client, upstream) for client in LIKES for upstream in LIKES]
QUICK_PAIRS = [(client, client) for client in ("openai_chat", "anthropic")] + [
    ("openai_chat", "anthropic"),
    ("anthropic", "gemini"),
]
WORDS = [f"word{number:02}" for number in range(12)]
START_S_MAX = 30.0


@dataclass(frozen=True)
class Server:
    """A running gateway."""

    port: int
    key: str


@dataclass(frozen=True)
class Row:
    """One pair."""

    client: str
    upstream: str
    delays_ms: Sequence[float]
    leave_ms: float

    @property
    def holds(self) -> bool:
        return max(self.delays_ms) <= DELAY_MS_MAX and self.leave_ms <= LEAVE_MS_MAX

    def __str__(self) -> str:
        p50, most = statistics.median(self.delays_ms), max(self.delays_ms)
        verdict = "pass" if self.holds else "FAIL"
        return f"{self.client:17} {self.upstream:17} {p50:9.2f} {most:9.2f} {self.leave_ms:11.2f}   {verdict}"


HEADER = f"{'client':17} {'upstream':17} {'p50, ms':>9} {'max, ms':>9} {'leaving, ms':>11}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder: Path, upstream_url: str) -> Iterator[Server]:
    """A gateway with one provider for each dialect, all at one address."""
    port = free_port()
    providers = {
        dialect: {"like": like, "base_url": upstream_url, "speaks": [dialect], "api_key": "none"}
        for dialect, like in LIKES.items()
    }
    file = folder / "headgate.yaml"
    file.write_text(json.dumps({"server": {"port": port, "admin_port": free_port()}, "providers": providers}))
    words = [sys.executable, "-m", "headgate.app.cli"]
    added = {"HEADGATE_CONFIG": str(file), "HEADGATE_DATA_DIR": str(folder / "data")}
    command = Command([*words, "serve"], added, folder)
    with Running(command, core=0, log=folder / "server.log") as running:
        until = time.monotonic() + START_S_MAX
        while not is_ready(port):
            running.check()
            if time.monotonic() > until:
                raise TimeoutError(f"the server did not start: {running.last_words()}")
            time.sleep(0.05)
        made = subprocess.run(
            [*words, "keys", "create", "--name", "bench"], env=environment(added), capture_output=True, check=True
        )
        yield Server(port, made.stdout.decode().strip())


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
            return True
    except OSError:
        return False


def call(client: str, model: str) -> tuple[str, dict[str, object]]:
    """Path and body of a streaming call."""
    messages = [{"role": "user", "content": "Say the words."}]
    match client:
        case "openai_chat":
            return "/v1/chat/completions", {"model": model, "stream": True, "messages": messages}
        case "openai_responses":
            return "/v1/responses", {"model": model, "stream": True, "input": "Say the words."}
        case "anthropic":
            return "/v1/messages", {"model": model, "stream": True, "max_tokens": 64, "messages": messages}
        case _:
            contents = [{"role": "user", "parts": [{"text": "Say the words."}]}]
            return f"/v1beta/models/{model}:streamGenerateContent?alt=sse", {"contents": contents}


def sent(server: Server, client: str, upstream: str) -> socket.socket:
    """A connection on which a call was just made."""
    path, members = call(client, f"{upstream}/m")
    body = json.dumps(members).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {server.key}\r\ncontent-length: {len(body)}"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(head.encode() + b"\r\n\r\n" + body)
    return connection


def arrivals(connection: socket.socket, count: int) -> list[float]:
    """When each of the first words was there."""
    seen, answer = [], b""
    for word in WORDS[:count]:
        while word.encode() not in answer:
            data = connection.recv(65536)
            if not data:
                raise RuntimeError(f"the stream ended before {word}: {answer[-300:]!r}")
            answer += data
        seen.append(time.monotonic())
    return seen


def departures(attempt: Attempt) -> list[float]:
    """When the upstream had written each word."""
    chunks = answer_by_default(parse_ask(attempt.path, attempt.body, " ".join(WORDS)), 0.0).chunks
    places = [next(place for place, chunk in enumerate(chunks) if word.encode() in chunk) for word in WORDS]
    return [attempt.sent[place + 1][0] for place in places]  # the first write is the head


def measured(server: Server, upstream: FakeUpstream, pair: tuple[str, str]) -> Row:
    """One stream read to its last word, and one left after three."""
    with closing(sent(server, *pair)) as connection:
        came = arrivals(connection, len(WORDS))
    went = departures(upstream.log[-1])
    delays = [(seen - written) * 1e3 for seen, written in zip(came, went, strict=True)]
    with closing(sent(server, *pair)) as connection:
        arrivals(connection, 3)
        left = time.monotonic()
    attempt = upstream.log[-1]
    while attempt.closed_s is None and time.monotonic() < left + 5:
        time.sleep(0.001)
    return Row(*pair, delays, ((attempt.closed_s or float("inf")) - left) * 1e3)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.streaming", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four pairs, an event each 50 ms")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    given = parser.parse_args()
    gap_s = 0.05 if given.quick else 0.2
    settings = FakeSettings(text=" ".join(WORDS), gap_s=gap_s)
    print(
        f"An event each {gap_s * 1e3:.0f} ms. Targets: {DELAY_MS_MAX:g} ms per event, {LEAVE_MS_MAX:g} ms to leave.\n"
    )
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as folder, FakeUpstream.threaded(settings) as upstream:
        rows: list[Row] = []
        with serving(Path(folder), upstream.url) as server:
            for pair in QUICK_PAIRS if given.quick else PAIRS:
                row = measured(server, upstream, pair)
                print(row, flush=True)
                rows.append(row)
    held = sum(row.holds for row in rows)
    print(f"\n{held} of {len(rows)} pairs hold both targets.")
    return 1 if given.strict and held < len(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
