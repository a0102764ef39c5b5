"""Starts what a run needs, each in a process of its own: simulated upstreams and one gateway in front of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import msgspec

from bench import procs, wire
from bench.failover.rows import Row
from bench.gateways import Lab
from bench.installs import Installed
from bench.measure import answer_fault, free_ports, wait_for
from headgate.app.drill.calls import Target
from headgate.app.drill.house import FIRST_S, GAP_S, TEXT
from headgate.app.drill.running import Place

UPSTREAMS = 3


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
        asked = wire.Target(port, target.path, launch.model, tuple(launch.headers.items()))
        hello = msgspec.json.encode({"model": launch.model, "messages": [{"role": "user", "content": "hello"}]})
        wait_for(running, lambda: answer_fault(asked, hello, lambda content: TEXT.encode() in content))
        yield Place(target=target, upstream_ports=upstream_ports, gateway_pid=running.pid)
