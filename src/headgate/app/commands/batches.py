"""`headgate batch run`: a file of calls, run by this process over any route; told again, it goes on where it was."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import uvloop

from headgate.app import wiring
from headgate.app.config import Setup
from headgate.app.core import open_core
from headgate.app.own.batches import UNFINISHED, Batch, BatchObject, Wanted
from headgate.app.own.desk import Desk
from headgate.app.own.results import RunsElsewhere
from headgate.core.principal import Principal
from headgate.core.problems import ConfigError, UnknownId
from headgate.engine.own import BATCH_PREFIX

CALLER = Principal(key_id="command-line", name="command line")
_TOLD_S = 2.0
Tell = Callable[[str], None]


class Order(NamedTuple):
    """What is to be run."""

    file: Path
    route: str
    concurrency: int
    output: Path


def run(setup: Setup, order: Order, tell: Tell) -> BatchObject:
    """Runs a file to its end and writes the results. Raises `ConfigError` for a file that cannot be run."""
    try:
        content = order.file.read_bytes()
    except OSError as fault:
        raise ConfigError(f"{order.file} cannot be read: {fault.strerror or fault}") from None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        done = runner.run(_run(setup, order, content, tell))
    if isinstance(done, ConfigError):  # raised here: the engine's task group would wrap it
        raise done
    if done.errors is not None:
        faults = [f"line {fault['line']}: {fault['message']}" for fault in done.errors["data"]]
        raise ConfigError("\n".join([f"{order.file} cannot be run; nothing was called:", *faults]))
    return done


async def _run(setup: Setup, order: Order, content: bytes, tell: Tell) -> BatchObject | ConfigError:
    async with open_core(setup, is_library=True) as core, wiring.open_engine(core) as (engine, spawn):
        listener = wiring.client_listener(core, engine, core.keys)
        desk = wiring.open_desk(core, engine, listener, spawn)
        batch = await _batch(desk, order, content)
        id = batch.shown.id
        if batch.shown.status in UNFINISHED:
            tell(f"{id} runs; stop it any time and give the same command to go on")
            telling = spawn(_keep_telling(desk, id, tell))
            try:
                batch = await desk.batches.run(batch)
            except RunsElsewhere as fault:
                return fault
            finally:
                telling.cancel()
        if batch.shown.errors is None:
            await _write(desk, batch.shown, order.output)
        return batch.shown


async def _batch(desk: Desk, order: Order, content: bytes) -> Batch:
    """The batch of this file and route: the one that there is, unless that failed, else a new one."""
    said = order.route if desk.tier == "default" else f"{order.route} {desk.tier}"
    id = BATCH_PREFIX + hashlib.blake2b(said.encode() + b"\0" + content, digest_size=12).hexdigest()
    try:
        found = await desk.batches.kept(CALLER.owner, id)
    except UnknownId:
        made = await desk.files.make(CALLER.owner, order.file.name, "batch", content)
        wanted = Wanted(made.id, endpoint="", route=order.route, concurrency=order.concurrency, tier=desk.tier, id=id)
        return await desk.batches.make(CALLER, wanted)
    return found


async def _keep_telling(desk: Desk, id: str, tell: Tell) -> None:
    while True:
        await asyncio.sleep(_TOLD_S)
        counts = (await desk.batches.find(CALLER.owner, id)).request_counts
        tell(f"{counts.completed + counts.failed} of {counts.total}, {counts.failed} of them failed")


async def _write(desk: Desk, batch: BatchObject, output: Path) -> None:
    """Every result, the good ones first. Replaces the file at once, so that it is never half there."""
    part = output.with_name(f"{output.name}.part")
    with part.open("wb") as file:
        for id in (batch.output_file_id, batch.error_file_id):
            if id is not None:
                async for piece in await desk.files.read(CALLER.owner, id):
                    file.write(piece)
    part.replace(output)
