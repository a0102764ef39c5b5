"""The measuring: rounds over all gateways in turn, each started anew, alone on its core, under the same errands."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import procs, wire
from bench.callers import Errand, Outcome
from bench.gateways import GATEWAYS, Gateway, Lab, Launch
from bench.installs import Installed, Unavailable

TREE = Path(__file__).resolve().parent.parent
START_S_MAX = 120.0
POLL_S = 0.002
SETTLE_S_MAX = 10.0
SETTLE_LOOK_S = 0.2
ADDRESS = re.compile(rf"http://{re.escape(wire.HOST)}:(\d+)")
DIRECT = "(upstream alone)"


@dataclass(frozen=True)
class Plan:
    """How long and how much."""

    rounds: int = 5
    seconds: float = 3.0
    warm_s: float = 1.0
    warm_calls: int = 1_000
    patience_s: float = 20.0
    connections: int = 32
    streams: int = 256
    events: int = 100
    rate_per_s: int = 200
    imports: int = 6
    modules: tuple[str, ...] = ("headgate", "litellm")


@dataclass(frozen=True)
class Cores:
    """The gateway is alone on one; upstream, load and this process share the other."""

    load: int
    gateway: int


class Sample(msgspec.Struct):
    """One gateway in one round."""

    outcomes: dict[str, Outcome]
    start_s: float = 0.0
    idle_mb: float = 0.0
    loaded_mb: float = 0.0


class Results(msgspec.Struct):
    samples: dict[str, list[Sample]]
    absent: dict[str, str]
    versions: dict[str, str]
    notes: dict[str, str]
    import_s: dict[str, float]
    cores: Cores


def choose_cores() -> Cores:
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(load=allowed[0], gateway=allowed[-1])


def errands(plan: Plan, target: wire.Target, core: int) -> dict[str, Errand]:
    def errand(kind: str, size: int, connections: int) -> Errand:
        return Errand(
            kind=kind,  # type: ignore[arg-type]
            target=target,
            body_bytes=size,
            connections=connections,
            seconds=plan.seconds,
            warm_s=plan.warm_s,
            warm_calls=plan.warm_calls,
            rate_per_s=plan.rate_per_s,
            events=plan.events,
            core=core,
            patience_s=plan.patience_s,
        )

    small = wire.BODY_BYTES["1.5 kB"]
    closed = {name: errand("closed", size, plan.connections) for name, size in wire.BODY_BYTES.items()}
    return closed | {
        "open": errand("open", small, 2 * plan.connections),
        "stream": errand("stream", small, plan.streams),
    }


def run_errand(errand: Errand, core: int) -> Outcome:
    """In a process of its own on the load's core."""
    seconds_max = 60 + errand.warm_s + errand.seconds + 2 * errand.patience_s
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=msgspec.json.encode(errand),
        stdout=subprocess.PIPE,
        cwd=TREE,
        timeout=seconds_max,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return msgspec.json.decode(done.stdout, type=Outcome)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((wire.HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def answer_fault(target: wire.Target, body: bytes, is_right: Callable[[bytes], bool]) -> str:
    """Empty when a whole call came back right; else what came instead."""
    connection = http.client.HTTPConnection(wire.HOST, target.port, timeout=15)
    try:
        connection.request("POST", target.path, body, {"Content-Type": "application/json", **dict(target.headers)})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as failure:
        return repr(failure)
    finally:
        connection.close()
    return "" if answer.status == 200 and is_right(content) else f"status {answer.status}: {content[:300]!r}"


def _answers_rightly(target: wire.Target) -> str:
    body = wire.chat_body(target.model, wire.BODY_BYTES["1.5 kB"], stream=False)
    return answer_fault(target, body, wire.is_right_answer)


def wait_for(running: procs.Running, ask: Callable[[], str]) -> None:
    fault = "nothing"
    while time.perf_counter() - running.started_s < START_S_MAX:
        running.check()
        if not (fault := ask()):
            return
        time.sleep(POLL_S)
    raise procs.StartFailed(f"no right answer within {START_S_MAX:.0f} s, but {fault}; {running.last_words()}")


def _target(running: procs.Running, launch: Launch) -> wire.Target:
    """Where to call; a gateway that chooses its own port is read until it says which."""
    port = launch.port

    def ask() -> str:
        nonlocal port
        if port is None and (found := ADDRESS.search(running.log.read_text(errors="replace"))):
            port = int(found.group(1))
        return "" if port else "no address yet"

    wait_for(running, ask)
    return wire.Target(port or 0, launch.path, launch.model, tuple(launch.headers.items()), running.pid)


def _settle(root_pid: int) -> None:
    """Waits until a gateway has put away what the last errand left behind."""
    pids = procs.tree(root_pid)
    last_s = time.perf_counter() + SETTLE_S_MAX
    while time.perf_counter() < last_s:
        before = procs.cpu_s(pids)
        time.sleep(SETTLE_LOOK_S)
        if procs.cpu_s(pids) - before < SETTLE_LOOK_S / 10:
            return


class Bench:
    """One run: the upstream is up, gateways come and go."""

    def __init__(self, plan: Plan, cores: Cores, folder: Path) -> None:
        self.plan = plan
        self.cores = cores
        self.folder = folder
        self.upstream_port = free_ports(1)[0]

    @contextlib.contextmanager
    def upstream(self) -> Generator[None]:
        words = [sys.executable, "-m", "bench.upstream", str(self.upstream_port), str(self.plan.events)]
        command = procs.Command(words, {}, TREE)
        with procs.Running(command, core=self.cores.load, log=self.folder / "upstream.log") as running:
            wait_for(running, lambda: _answers_rightly(wire.Target(self.upstream_port)))
            yield

    def direct(self) -> Sample:
        """The upstream without a gateway: what the load itself can do, and what latency is added to."""
        target = wire.Target(self.upstream_port)
        planned = errands(self.plan, target, self.cores.gateway)
        return Sample({name: run_errand(errand, self.cores.load) for name, errand in planned.items()})

    def sample(self, gateway: Gateway, installed: Installed) -> Sample:
        port, admin_port = free_ports(2)
        folder = Path(tempfile.mkdtemp(prefix="gateway-", dir=self.folder))
        try:
            launch = gateway.launch(Lab(folder, port, admin_port, self.upstream_port), installed)
            log = folder / "log"
            with procs.Running(launch.command(folder), core=self.cores.gateway, log=log) as running:
                return self._measure(running, launch)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _measure(self, running: procs.Running, launch: Launch) -> Sample:
        target = _target(running, launch)
        wait_for(running, lambda: _answers_rightly(target))
        start_s = time.perf_counter() - running.started_s
        _settle(running.pid)
        sample = Sample({}, start_s=start_s, idle_mb=procs.resident_mb(running.pid))
        for name, errand in errands(self.plan, target, self.cores.gateway).items():
            sample.outcomes[name] = run_errand(errand, self.cores.load)
            running.check()
            _settle(running.pid)
        sample.loaded_mb = procs.resident_mb(running.pid)
        return sample


def import_seconds(python: Path, module: str, times: int, core: int) -> float:
    """Median of importing it in a fresh interpreter, less a bare interpreter; the first of many is not counted."""

    def once(code: str) -> float:
        began_s = time.perf_counter()
        subprocess.run(
            [str(python), "-c", code],
            check=True,
            capture_output=True,
            cwd=tempfile.gettempdir(),
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        return time.perf_counter() - began_s

    pairs = [(once("pass"), once(f"import {module}")) for _ in range(times)]
    bare, full = (statistics.median(column) for column in zip(*(pairs[1:] or pairs), strict=True))
    return full - bare


def _install(chosen: tuple[Gateway, ...], results: Results) -> dict[str, Installed]:
    ready: dict[str, Installed] = {}
    for gateway in chosen:
        try:
            ready[gateway.name] = gateway.install()
        except Unavailable as reason:
            results.absent[gateway.name] = str(reason)
            continue
        results.versions[gateway.name] = ready[gateway.name].version
        if note := ready[gateway.name].note:
            results.notes[gateway.name] = note
    return ready


def _imports(ready: dict[str, Installed], plan: Plan, core: int, results: Results) -> None:
    for gateway in GATEWAYS:
        if gateway.module in plan.modules and (installed := ready.get(gateway.name)):
            python = Path(installed.program).with_name("python")
            try:
                results.import_s[gateway.module] = import_seconds(python, gateway.module, plan.imports, core)
            except subprocess.CalledProcessError as failure:
                results.notes[gateway.name] = f"`import {gateway.module}` failed: {failure.stderr[-300:]!r}"


def measure(plan: Plan, chosen: tuple[Gateway, ...], say: Callable[[str], None]) -> Results:
    """All rounds; a gateway that fails once is out and its reason is kept."""
    cores = choose_cores()
    results = Results({}, {}, {}, {}, {}, cores)
    ready = _install(chosen, results)
    os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as name:
        bench = Bench(plan, cores, Path(name))
        _imports(ready, plan, cores.gateway, results)
        with bench.upstream():
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}: {DIRECT}")
                results.samples.setdefault(DIRECT, []).append(bench.direct())
                turn = number % len(chosen)
                for gateway in chosen[turn:] + chosen[:turn]:
                    if gateway.name in results.absent:
                        continue
                    say(f"round {number + 1} of {plan.rounds}: {gateway.name}")
                    try:
                        sample = bench.sample(gateway, ready[gateway.name])
                    except (Unavailable, procs.StartFailed, subprocess.SubprocessError, OSError) as failure:
                        results.absent[gateway.name] = str(failure)
                    else:
                        results.samples.setdefault(gateway.name, []).append(sample)
    return results
