"""Probes of hosts and accounts that are out of order: a list of models, which costs nothing, asked for now and then.

A host that answers is back, and an account whose key is taken again is too: both are then tried by real calls, one at a
time, sooner than their time would be over. Whether a model answers, no list can say, so deployments are not probed.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from headgate.core.problems import HeadgateError
from headgate.engine.conduct import Engine
from headgate.routing.fleet import Member
from headgate.transport.base import Timeouts, UpstreamRequest

LISTS: Final[Mapping[str, str]] = {
    "openai_chat": "/models",
    "openai_responses": "/models",
    "anthropic": "/v1/models",
    "gemini": "/v1beta/models",
    "cohere": "/v1/models",
    "ollama": "/api/tags",
}
"""Where each API lists its models; others are not probed."""
PROBES_MAX: Final = 8
"""So many in one round."""
PROBE_TIMEOUT_S: Final = 3.0
_BYTES_MAX: Final = 4 * 1024 * 1024


async def keep_probing(engine: Engine, every_s: float) -> None:
    """Probes what is out of order, round after round, until it is cancelled."""
    while True:
        await asyncio.sleep(every_s)
        await probe(engine)


async def probe(engine: Engine) -> None:
    """One round."""
    for member in engine.fleet.ailing(time.monotonic())[:PROBES_MAX]:
        if status := await _status(engine, member):
            engine.fleet.probed(member, status, time.monotonic())


async def _status(engine: Engine, member: Member) -> int:
    """What the list was answered with; 0: it was not, or there is none."""
    door = next((door for door in member.deployment.doors if door.dialect in LISTS), None)
    if door is None or door.paths is not None:
        return 0
    url = door.url(LISTS[door.dialect])
    transport = engine.transports.get(url.partition(":")[0])
    if transport is None:
        return 0
    timeouts = Timeouts(
        connect_s=PROBE_TIMEOUT_S, head_s=PROBE_TIMEOUT_S, idle_s=PROBE_TIMEOUT_S, whole_s=PROBE_TIMEOUT_S
    )
    try:
        request = UpstreamRequest(method="GET", url=url, headers=door.headers, body=b"")
        flight = transport.start(await engine.signed(request, door.signer, PROBE_TIMEOUT_S), timeouts)
        try:
            await flight.head()
            await flight.read_all(_BYTES_MAX)  # so that the connection is good for a call
            return flight.status
        finally:
            flight.close()
    except HeadgateError:
        return 0
