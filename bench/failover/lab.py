"""Starts what a run needs, each in a process of its own: simulated upstreams and one gateway in front of them."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import msgspec

from bench import procs
from bench.failover.rows import Row
from bench.gateways import Lab
from bench.installs import Installed
from bench.measure import free_ports
from bench.wire import HOST
from headgate.app.drill.calls import Target
from headgate.app.drill.house import FIRST_S, GAP_S, TEXT
from headgate.app.drill.running import Place

UPSTREAMS = 3
START_S_MAX = 120.0


class Cores(msgspec.Struct, frozen=True):
    """The gateway has one, the clients and upstreams share the other."""

    gateway: int
    rest: int


def cores() -> Cores:
    free = sorted(os.sched_getaffinity(0))
    return Cores(free[-1], free[0])


@contextlib.contextmanager
def opened(row: Row, installed: Installed, *, is_stream: bool) -> Generator[Place]:
    """A fresh gateway and fresh upstreams: no run knows anything of the one before."""
    chosen = cores()
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="headgate-failover-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        port, admin_port, *upstream_ports = free_ports(2 + UPSTREAMS)
        for number, upstream_port in enumerate(upstream_ports):
            words = [sys.executable, "-m", "headgate.transport.fake", "--port", str(upstream_port), "--text", TEXT]
            words += ["--gap-s", str(GAP_S), "--first-s", str(FIRST_S), "--seed", str(number)]
            command = procs.Command(words, {}, folder)
            stack.enter_context(procs.Running(command, core=chosen.rest, log=folder / f"upstream-{number}.log"))
        launch = row.launch(Lab(folder, port, admin_port, upstream_ports[0]), installed, upstream_ports)
        running = stack.enter_context(
            procs.Running(launch.command(folder), core=chosen.gateway, log=folder / "gateway.log")
        )
        target = Target(port=port, model=launch.model, headers=launch.headers, text=TEXT, is_stream=is_stream)
        _wait(running, target)
        yield Place(target=target, upstream_ports=upstream_ports, gateway_pid=running.pid)


def _wait(running: procs.Running, target: Target) -> None:
    fault = "nothing"
    while time.perf_counter() - running.started_s < START_S_MAX:
        running.check()
        if not (fault := _answers(target)):
            return
        time.sleep(0.1)
    raise procs.StartFailed(f"no right answer within {START_S_MAX:.0f} s, but {fault}; {running.last_words()}")


def _answers(target: Target) -> str:
    connection = http.client.HTTPConnection(HOST, target.port, timeout=15)
    body = msgspec.json.encode({"model": target.model, "messages": [{"role": "user", "content": "hello"}]})
    try:
        connection.request("POST", target.path, body, {"content-type": "application/json", **target.headers})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as failure:
        return repr(failure)
    finally:
        connection.close()
    return "" if answer.status == 200 and TEXT.encode() in content else f"status {answer.status}: {content[:300]!r}"
