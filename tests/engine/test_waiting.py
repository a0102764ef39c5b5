"""Calls for which nobody may be asked just now: they wait their turn, or are told at once when to come back."""

import asyncio
import time
from pathlib import Path

import pytest

from headgate.core.problems import Outcome
from headgate.transport.fake import SlowFirstByte, Status
from tests.engine.harness import bench

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"


async def test_a_call_waits_as_long_as_its_provider_asks_and_says_so(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        a, b = gateway.upstreams.values()
        for name, upstream in gateway.upstreams.items():
            upstream.fail(Status(status=429, retry_after_s=1), times=1)
            assert (await gateway.post(CHAT, f"{name}_{CHAT}/m", stream=False)).status_code in (200, 429)
        before_s = time.monotonic()
        response = await gateway.post(CHAT, f"r_{CHAT}")
        waited_s = time.monotonic() - before_s
        record = await gateway.record(response)
    assert response.status_code == 200
    assert all(attempt.status != 429 for attempt in [*a.log[1:], *b.log[1:]])
    assert record.queued_ms / 1e3 == pytest.approx(waited_s, abs=0.3)
    assert record.overhead_ms < 500


async def test_who_cannot_wait_so_long_is_refused_at_once_with_the_time(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        a = gateway.upstreams["a"]
        a.fail(Status(status=429, retry_after_s=9))
        assert (await gateway.post(CHAT, f"r_{CHAT}")).status_code == 429
        gateway.client.headers["x-headgate-timeout-ms"] = "3000"
        refused = await gateway.post(CHAT, f"r_{CHAT}")
        record = await gateway.record(refused)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "9"
    assert (record.outcome, record.attempts) == (Outcome.RATE, [])
    assert len(a.log) == 1


async def test_a_route_may_refuse_to_wait(tmp_path: Path):
    async with bench(tmp_path, "a", queue_s=0) as gateway:
        gateway.upstreams["a"].fail(Status(status=429, retry_after_s=3))
        await gateway.post(CHAT, f"r_{CHAT}")
        refused = await gateway.post(CHAT, f"r_{CHAT}")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert len(gateway.upstreams["a"].log) == 1


async def test_a_storm_within_an_announced_quota_sees_no_429(tmp_path: Path):
    """Five calls at once, of which the provider takes three in this second, as it has said."""
    answer = (
        b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":'
        b'"assistant","content":"pong"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,'
        b'"total_tokens":4}}'
    )
    async with bench(tmp_path, "a") as gateway:
        a = gateway.upstreams["a"]
        fields = (
            ("x-ratelimit-limit-requests", "4"),
            ("x-ratelimit-remaining-requests", "3"),
            ("x-ratelimit-reset-requests", "1s"),
        )
        a.reply(answer, headers=fields)
        assert (await gateway.post(CHAT, f"r_{CHAT}")).status_code == 200
        a.reply(answer)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(gateway.post(CHAT, f"r_{CHAT}")) for _ in range(5)]
        arrived = [attempt.arrived_s for attempt in a.log[1:]]
    assert {call.result().status_code for call in calls} == {200}
    assert sum(at < a.log[0].arrived_s + 0.9 for at in arrived) <= 3
    assert max(arrived) > a.log[0].arrived_s + 0.9


async def test_no_more_are_sent_at_a_time_than_a_provider_takes(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        a = gateway.upstreams["a"]
        await gateway.post(CHAT, f"r_{CHAT}")
        member = next(iter(gateway.engine.fleet.members()))
        member.limit.limit = 2.0
        a.fail(SlowFirstByte(s=0.2))
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(gateway.post(CHAT, f"r_{CHAT}")) for _ in range(6)]
        spans = [(attempt.arrived_s, attempt.sent[-1][0]) for attempt in a.log[1:]]
    assert {call.result().status_code for call in calls} == {200}
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) <= 3


async def test_who_leaves_is_not_waited_for(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        a = gateway.upstreams["a"]
        a.fail(Status(status=429, retry_after_s=1), times=2)
        await gateway.post(CHAT, f"r_{CHAT}")
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(gateway.post(CHAT, f"r_{CHAT}"))
            staying = group.create_task(gateway.post(CHAT, f"r_{CHAT}"))
            await asyncio.sleep(0.2)
            leaving.cancel()
        assert staying.result().status_code == 200
        assert len(a.log) == 3
        assert gateway.engine.lines._lines == {}  # pyright: ignore[reportPrivateUsage]
