"""One run of a scenario: calls by chance at a set rate, faults set and taken back by the upstreams' control API, and
everything that both left behind."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, cast

import msgspec
from msgspec import Struct

from headgate.app.drill.calls import Due, Target, make_call
from headgate.app.drill.judge import Run, Seen
from headgate.app.drill.scenarios import Planned, Scenario
from headgate.core.problems import ConfigError
from headgate.transport.fake.control import PATH

_LEAD_S: Final = 0.2
_PROMPT_TOKENS: Final = (100, 4000)
_STALL_EVERY_S: Final = 1.0


class Plan(Struct, frozen=True, kw_only=True):
    """How a scenario is run."""

    rate_per_s: float = 20.0
    warm_s: float = 8.0
    """Before the fault: until there is something to compare with."""
    fault_s: float = 10.0
    after_s: float = 3.0
    patience_s: float = 40.0
    """How long a client waits for the end of its call."""
    seed: int = 1


class Place(Struct, frozen=True, kw_only=True):
    """Where the calls go, and what stands behind: the control port of each target's upstream."""

    target: Target
    upstream_ports: Sequence[int]
    gateway_pid: int = 0
    """To be stopped and let go again by `stall_s`; 0: it cannot be."""


class _Log(Struct):
    attempts: list[Seen]
    dropped: int


class Control:
    """One upstream's control API, on a connection that is held, since a fault may close its port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, stack: AsyncExitStack) -> "Control":
        """To the upstream at a port of this machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=256 * 1024 * 1024)
        stack.callback(writer.close)
        control = cls(reader, writer)
        await control.heal()
        await control.ask("DELETE", f"{PATH}/log")
        return control

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """One request and its answer."""
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: fake\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await self._reader.readexactly(int(length.partition(b":")[2]))
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise ConfigError(f"the simulated upstream refused {method} {path}: {answer.decode()}")
        return answer

    async def fail(self, planned: Planned, times: int | None = None) -> None:
        """Sets a fault: for so many requests, or until it is taken back."""
        members = cast(dict[str, object], msgspec.to_builtins(planned.fault))
        when = {"probability": planned.probability, "times": times}
        await self.ask("POST", PATH, msgspec.json.encode({**members, **when}))

    async def heal(self) -> None:
        """Takes all faults back."""
        await self.ask("DELETE", PATH)


async def run(scenario: Scenario, place: Place, plan: Plan) -> Run:
    """Runs it once."""
    dice = random.Random(plan.seed)  # noqa: S311 - repeatable on purpose
    after_s = plan.after_s if scenario.after_s is None else scenario.after_s
    async with AsyncExitStack() as stack:
        controls = [await Control.open(port, stack) for port in place.upstream_ports]
        begin_s = time.monotonic() + _LEAD_S
        onset_s = begin_s + plan.warm_s
        repair_s = onset_s + plan.fault_s
        phases = (
            (begin_s, onset_s, plan.rate_per_s),
            (onset_s, repair_s, plan.rate_per_s * scenario.surge),
            (repair_s, repair_s + after_s, plan.rate_per_s),
        )
        dues = _dues(phases, scenario.leaving, dice)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(make_call(place.target, due, plan.patience_s)) for due in dues]
            group.create_task(_faults(scenario, controls, onset_s, repair_s))
            if scenario.stall_s and place.gateway_pid:
                group.create_task(_stalls(place.gateway_pid, scenario.stall_s, onset_s, repair_s))
        calls = [task.result() for task in tasks]
        attempts = [seen for number, control in enumerate(controls) for seen in await log_of(control, number)]
    return Run(
        scenario=scenario,
        rate_per_s=plan.rate_per_s,
        onset_s=onset_s,
        repair_s=repair_s,
        calls=calls,
        attempts=attempts,
    )


def _dues(phases: Sequence[tuple[float, float, float]], leaving: float, dice: random.Random) -> list[Due]:
    """Calls that do not wait for each other: the times between them are exponential."""
    dues: list[Due] = []
    for start_s, end_s, rate_per_s in phases:
        at_s = start_s + dice.expovariate(rate_per_s)
        while at_s < end_s:
            dues.append(Due(len(dues), at_s, dice.randint(*_PROMPT_TOKENS), dice.random() < leaving))
            at_s += dice.expovariate(rate_per_s)
    return dues


async def _faults(scenario: Scenario, controls: Sequence[Control], onset_s: float, repair_s: float) -> None:
    """Sets the faults and takes them back; with a beat, again and again."""
    hit: Mapping[int, Control] = {place: controls[place] for place in scenario.places if place < len(controls)}
    await asyncio.sleep(onset_s - time.monotonic())
    while hit:
        for planned in scenario.faults:
            if planned.place in hit:
                await hit[planned.place].fail(planned)
        rest_s = repair_s - time.monotonic()
        await asyncio.sleep(min(rest_s, scenario.beat_s or rest_s))
        for control in hit.values():
            await control.heal()
        rest_s = repair_s - time.monotonic()
        if rest_s <= scenario.beat_s or not scenario.beat_s:
            return
        await asyncio.sleep(scenario.beat_s)


async def _stalls(pid: int, stall_s: float, onset_s: float, repair_s: float) -> None:
    """Lets the gateway stand still now and then."""
    await asyncio.sleep(onset_s - time.monotonic())
    while time.monotonic() < repair_s:
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(stall_s)
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(_STALL_EVERY_S)


async def log_of(control: Control, place: int) -> list[Seen]:
    """What the upstream at a place has written down."""
    log = msgspec.json.decode(await control.ask("GET", f"{PATH}/log"), type=_Log)
    if log.dropped:
        raise ConfigError(f"the log of a simulated upstream was too short by {log.dropped} attempts: run it shorter")
    for seen in log.attempts:
        seen.place = place
    return log.attempts
