"""What becomes of an answer whose caller has left: cut off, or read to its end where its provider bills all of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate.core.problems import Outcome
from headgate.core.record import CallRecord
from headgate.engine.draining import DRAIN_NANO_USD_MAX, DRAINS_MAX, Drains
from headgate.store.queries.calls import CallFilter
from headgate.transport.fake import CutAfter, Drip, FakeSettings, FakeUpstream, SlowFirstByte
from tests.engine.harness import DIALECTS, Bench, bench

pytestmark = pytest.mark.anyio


def billing_on(upstream: FakeUpstream, **more: Any) -> dict[str, Any]:
    """A provider that bills answers to their end."""
    door = {"like": "openai", "base_url": upstream.url, "api_key": "env:UPSTREAM_KEY", "speaks": ["openai_chat"]}
    return {"on": {**door, "bills_on": True, **more}}


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the log of an upstream has nobody to tell
            await asyncio.sleep(0.01)


async def left(gateway: Bench, dialect: str, model: str, **members: Any) -> CallRecord:
    """The record of a stream whose caller leaves after its first piece."""
    async with gateway.stream(dialect, model, **members) as response:
        async for _ in response.aiter_bytes():
            break
    return await gateway.record(response)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_is_read_to_its_end_and_its_usage_is_known(tmp_path: Path, dialect: str):
    async with FakeUpstream() as upstream, bench(tmp_path, "b", providers=billing_on(upstream)) as gateway:
        upstream.fail(Drip(gap_s=0.02))
        record = await left(gateway, dialect, "on/m")
        assert not upstream.log[0].closed_early
        assert (record.outcome, record.status) == (Outcome.CLIENT_GONE, 200)
        assert "bills all of it" in record.error
        assert record.usage is not None
        assert (record.usage_source, record.usage.is_estimated) == ("provider_reported", False)
        assert record.cost_nano_usd > record.extra_nano_usd == 0
        assert record.attempts[0].outcome is Outcome.OK
        assert gateway.engine.drains.under_way == 0


async def test_so_is_a_whole_answer_and_nobody_else_is_asked(tmp_path: Path):
    async with (
        FakeUpstream() as upstream,
        bench(tmp_path, "b", {"both": {"targets": ["on/m", "b_openai_chat/m"]}}, billing_on(upstream)) as gateway,
    ):
        upstream.fail(SlowFirstByte(s=0.5))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await gateway.post("openai_chat", "both")
        await until(lambda: upstream.log[0].closed_s is not None or gateway.engine.drains.under_way == 0)
        assert not upstream.log[0].closed_early
        assert gateway.upstreams["b"].log == []
        record = (await gateway.core.calls.recent(CallFilter())).records[0]
        assert (record.outcome, record.status, record.usage_source) == (Outcome.CLIENT_GONE, 499, "provider_reported")


async def test_only_so_many_at_once_and_only_so_long(tmp_path: Path):
    async with FakeUpstream() as upstream:
        route = {"brief": {"targets": ["on/m"], "timeout_s": 0.6}}
        async with bench(tmp_path, "b", route, billing_on(upstream)) as gateway:
            upstream.fail(Drip(gap_s=0.2))
            record = await left(gateway, "openai_chat", "brief")
            await until(lambda: upstream.log[0].closed_early)
            assert (record.outcome, record.usage_source) == (Outcome.CLIENT_GONE, "counted")
            assert gateway.engine.fleet.member(gateway.engine.route("on/m").targets[0].deployment).health.bad == 0.0
            gateway.engine.drains.under_way = DRAINS_MAX
            record = await left(gateway, "openai_chat", "on/m")
            assert upstream.log[1].closed_early
            assert record.usage_source == "counted"
            assert gateway.engine.drains.under_way == DRAINS_MAX


async def test_one_that_breaks_off_meanwhile_is_blamed_and_the_call_is_still_one_that_was_left(tmp_path: Path):
    pace = FakeSettings(gap_s=0.02)
    async with FakeUpstream(pace) as upstream, bench(tmp_path, "b", providers=billing_on(upstream)) as gateway:
        upstream.fail(CutAfter(bytes=1200))
        record = await left(gateway, "openai_chat", "on/m")
        assert record.outcome is Outcome.CLIENT_GONE
        assert record.attempts[0].outcome is Outcome.CUT
        assert gateway.engine.fleet.member(gateway.engine.route("on/m").targets[0].deployment).health.bad > 0.0


async def test_what_nobody_knows_or_what_is_denied_is_cut_off(tmp_path: Path):
    async with (
        FakeUpstream() as upstream,
        bench(tmp_path, "b", providers=billing_on(upstream, bills_on=False)) as gateway,
    ):
        upstream.fail(Drip(gap_s=0.05))
        record = await left(gateway, "openai_chat", "on/m")
        assert upstream.log[0].closed_early
        assert (record.outcome, record.usage_source) == (Outcome.CLIENT_GONE, "counted")


def test_a_dear_one_is_not_read_on():
    drains = Drains()
    assert not drains.begin(DRAIN_NANO_USD_MAX + 1)
    assert [drains.begin(DRAIN_NANO_USD_MAX) for _ in range(DRAINS_MAX + 1)] == [True] * DRAINS_MAX + [False]
    drains.end()
    assert drains.begin(0)
