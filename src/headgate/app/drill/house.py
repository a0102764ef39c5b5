"""What a drill runs against, each in a process of its own, so that none waits for another: the simulated upstreams, and
the gateway as `headgate serve` runs it. All of it ends with the block that opened it."""

import asyncio
import multiprocessing
import socket
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct

from headgate.app.config import load
from headgate.app.drill.calls import Target
from headgate.app.drill.running import Place
from headgate.app.drill.simulating import Stage, simulated
from headgate.core.problems import ConfigError
from headgate.transport.fake import FakeSettings, FakeUpstream

WORDS: Final = 20
TEXT: Final = " ".join(f"word{number:02}" for number in range(WORDS))
GAP_S: Final = 0.045
FIRST_S: Final = 0.4
START_S_MAX: Final = 30.0
_END_S: Final = 10.0
_spawn: Final = multiprocessing.get_context("spawn")


class Hearing(Protocol):
    """The end of a pipe that is read."""

    def poll(self, timeout: float | None = ...) -> bool:
        """Waits for a word."""
        ...

    def recv(self) -> Any:
        """Takes it."""
        ...


class Order(Struct, frozen=True, kw_only=True):
    """Which route of which file is to be drilled."""

    config: Path | None
    route: str
    providers: Sequence[str]
    """Of its targets, in order: one simulated upstream each."""
    is_stream: bool = True


@contextmanager
def opened(order: Order) -> Generator[Place]:
    """Fresh upstreams and a fresh gateway before them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-drill-")))
        ports: dict[str, int] = {}
        for number, provider in enumerate(order.providers):
            heard, told = _spawn.Pipe(duplex=False)
            stack.enter_context(_running(_spawn.Process(target=play_upstream, args=(number, told))))
            ports[provider] = int(_said(heard))
        upstreams = {provider: f"http://127.0.0.1:{port}" for provider, port in ports.items()}
        port, admin_port = _free_ports(2)
        stage = Stage(folder=folder, port=port, admin_port=admin_port, upstreams=upstreams)
        heard, told = _spawn.Pipe(duplex=False)
        gateway = _spawn.Process(target=play_gateway, args=(order.config, stage, told))
        stack.enter_context(_running(gateway))
        key = _said(heard)
        target = Target(
            port=port,
            model=order.route,
            headers={"authorization": f"Bearer {key}"},
            text=TEXT,
            is_stream=order.is_stream,
        )
        yield Place(target=target, upstream_ports=tuple(ports.values()), gateway_pid=gateway.pid or 0)


@contextmanager
def _running(process: SpawnProcess) -> Generator[None]:
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(_END_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _said(heard: Hearing) -> str:
    """The first word of a process; a fault of the operator's is raised here."""
    if not heard.poll(START_S_MAX):
        raise ConfigError(f"a part of the drill did not start within {START_S_MAX:g} s")
    try:
        is_good, word = heard.recv()
    except EOFError:
        raise ConfigError("a part of the drill ended before it had started") from None
    if not is_good:
        raise ConfigError(word)
    return str(word)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


# In the processes


def play_upstream(number: int, told: Connection) -> None:
    """A simulated upstream, until it is ended. Says its port."""
    asyncio.run(_upstream(number, told))


async def _upstream(number: int, told: Connection) -> None:
    async with FakeUpstream(FakeSettings(text=TEXT, gap_s=GAP_S, first_s=FIRST_S, seed=number)) as upstream:
        told.send((True, upstream.port))
        await asyncio.Event().wait()


def play_gateway(config: Path | None, stage: Stage, told: Connection) -> None:
    """The gateway, until it is ended. Says its key once it serves."""
    from headgate.app.commands.keys import create  # noqa: PLC0415 - the server, in its own process alone
    from headgate.app.serving import run_until_stopped  # noqa: PLC0415

    try:
        setup = simulated(load(config), stage)
        key = str(create(setup, "drill", None, None)["key"])
        run_until_stopped(setup, lambda lines: told.send((True, key)))
    except ConfigError as fault:
        told.send((False, str(fault)))
