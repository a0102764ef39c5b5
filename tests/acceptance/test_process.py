"""The gateway as a process: told to stop, started beside another."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.transport.fake import Drip, FakeUpstream
from tests.acceptance.calling import HI, ask, connect, eventually, post
from tests.acceptance.running import HEADGATE, free_port, gateway, upstreams

MODEL = "gpt-4o-mini"
"""One that has a price."""


def config(upstream: FakeUpstream) -> dict[str, Any]:
    """One route with a price."""
    return {"providers": upstreams(upstream.url), "routes": {"r": {"targets": [f"up_openai_chat/{MODEL}"]}}}


def call_of(mark: str, *, is_stream: bool) -> bytes:
    """A call that can be told from all others in the upstream's log."""
    return json.dumps({"model": "r", "messages": [{"role": "user", "content": mark}], "stream": is_stream}).encode()


# SIGTERM


def test_sigterm_lets_a_stream_end_and_takes_no_new_one(tmp_path: Path):
    with FakeUpstream.threaded() as upstream, gateway(tmp_path, config(upstream)) as running:
        fields = {"authorization": f"Bearer {running.key}"}
        upstream.fail(Drip(gap_s=0.15))
        with connect(running.url) as idle, connect(running.url) as connection:
            idle.sendall(b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            connection.sendall(post("/v1/chat/completions", fields, call_of("last", is_stream=True)))
            answer = connection.recv(65536)
            running.process.send_signal(signal.SIGTERM)
            eventually(lambda: is_refused(running.url))
            assert running.process.poll() is None
            while data := connection.recv(65536):
                answer += data
        assert running.process.wait(timeout=10) == 0
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert answer.count(b'"content":" ') == 8
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log


def test_sigterm_as_soon_as_clients_can_call(tmp_path: Path):
    """The administration is still being imported then; the calls under way end all the same."""
    port = free_port()
    file = tmp_path / "headgate.yaml"
    file.write_text(json.dumps({"server": {"port": port, "admin_port": free_port()}}))
    process = subprocess.Popen(
        [*HEADGATE, "serve", "--config", str(file)],
        env={"PATH": "", "HEADGATE_DATA_DIR": str(tmp_path / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(lambda: not is_refused(f"http://127.0.0.1:{port}"))
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert "Traceback" not in told


def is_refused(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_second_start_finds_what_the_first_wrote(tmp_path: Path):
    with FakeUpstream.threaded() as upstream:
        with gateway(tmp_path, config(upstream)) as running:
            fields = {"authorization": f"Bearer {running.key}"}
            reply = ask(running.url, "POST", "/v1/chat/completions", fields, call_of("kept", is_stream=False))
            before = running.get(f"/v1/generations/{reply.headers['x-headgate-request-id']}")
        with gateway(tmp_path, config(upstream)) as again:
            after = again.get(f"/v1/generations/{reply.headers['x-headgate-request-id']}", running.key)
    assert after == before
    assert after["cost_usd"] == reply.headers["x-headgate-cost-usd"]


# Starts that cannot be


@contextmanager
def occupied() -> Iterator[int]:
    """A port that somebody else listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def failed_start(folder: Path, server: dict[str, Any], data: Path) -> str:
    """The one line with which a start ends."""
    file = folder / "second.yaml"
    file.write_text(json.dumps({"server": server}))
    done = subprocess.run(
        [*HEADGATE, "serve", "--config", str(file)],
        env={"PATH": "", "HEADGATE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("headgate: ")
    return line


@pytest.mark.parametrize("which", ["port", "admin_port"])
def test_a_port_that_is_taken(tmp_path: Path, which: str):
    with occupied() as port:
        server = {"port": free_port(), "admin_port": free_port(), which: port}
        line = failed_start(tmp_path, server, tmp_path / "data")
    assert f"127.0.0.1:{port} cannot be listened on" in line


def test_two_gateways_on_one_data_folder(tmp_path: Path):
    with FakeUpstream.threaded() as upstream, gateway(tmp_path, config(upstream)) as running:
        server = {"port": free_port(), "admin_port": free_port()}
        line = failed_start(tmp_path, server, Path(running.environment["HEADGATE_DATA_DIR"]))
        assert "data" in line
        body = json.dumps({"model": "r", "messages": HI}).encode()
        fields = {"authorization": f"Bearer {running.key}"}
        assert ask(running.url, "POST", "/v1/chat/completions", fields, body).status == 200
