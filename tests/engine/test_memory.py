"""What a call held is free as soon as it has ended: a cycle would keep megabytes until the collector comes by."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from headgate.app.inprocess import _Visit
from headgate.engine.answer import Answerer
from headgate.engine.attempt import Attempting
from headgate.transport.fake import CutAfter, Drip, InBandError, SlowFirstByte, StallAfter, Status
from headgate.transport.flight import PooledFlight
from tests.engine.harness import Bench, bench

KEPT = (Answerer, _Visit, Attempting, PooledFlight)
SLOW = SlowFirstByte(s=0.05)
"""So slow that somebody watches whether the client is there."""


async def whole(gateway: Bench) -> None:
    await gateway.post("openai_chat", "r_openai_chat")


async def translated(gateway: Bench) -> None:
    await gateway.post("openai_chat", "r_anthropic")


async def stream(gateway: Bench) -> None:
    async with gateway.stream("anthropic", "r_anthropic") as response:
        await response.aread()


async def translated_stream(gateway: Bench) -> None:
    async with gateway.stream("anthropic", "r_gemini") as response:
        await response.aread()


async def left_stream(gateway: Bench) -> None:
    gateway.upstreams["a"].heal()
    gateway.upstreams["a"].fail(StallAfter(bytes=900))
    async with gateway.stream("openai_chat", "r_openai_chat") as response:
        await anext(response.aiter_raw())


async def unknown_model(gateway: Bench) -> None:
    await gateway.post("openai_chat", "nobody")


async def bad_type(gateway: Bench) -> None:
    await gateway.post("openai_chat", "r_gemini", messages="hi")


async def unrenderable(gateway: Bench) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    await gateway.post("openai_chat", "r_anthropic", messages=[{"role": "user", "content": [sound]}])


WAYS = [whole, translated, stream, translated_stream, left_stream, unknown_model, bad_type, unrenderable]
FAULTS = {
    "none": None,
    "slow": SLOW,
    "dripping": Drip(gap_s=0.01),
    "status": Status(status=500),
    "limited": Status(status=429, retry_after_s=60),
    "cut": CutAfter(bytes=700),
    "error in band": InBandError(index=2),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_call_leaves_no_cycle(tmp_path: Path, way: Callable[[Bench], Awaitable[None]], fault: str):
    async def run() -> list[object]:
        async with bench(tmp_path, "ab") as gateway:
            for upstream in gateway.upstreams.values():
                if (planned := FAULTS[fault]) is not None:
                    upstream.fail(planned)
            gc.disable()
            gc.freeze()  # so that only what comes now is looked through
            try:
                await way(gateway)
                await asyncio.sleep(0.05)
                return [kept for kept in gc.get_objects() if isinstance(kept, KEPT)]
            finally:
                gc.unfreeze()
                gc.enable()

    assert asyncio.run(run()) == []
