"""What the gateway learns of its deployments, over real sockets."""

import asyncio
import time
from pathlib import Path

import pytest

from headgate.transport.fake import BlackHole, Refuse, Status
from tests.engine.harness import Bench, bench

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"


async def test_a_deployment_that_fails_is_not_asked_again_and_the_record_says_why(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        a, b = gateway.upstreams.values()
        a.fail(Status(status=500))
        answers = [await gateway.post(CHAT, "r_openai_chat") for _ in range(8)]
        record = await gateway.record(answers[-1])
    assert {answer.status_code for answer in answers} == {200}
    assert 2 <= len(a.log) <= 5
    assert len(b.log) == 8
    failing, well = record.weighed
    assert (failing.deployment, well.deployment) == ("a_openai_chat/m", "b_openai_chat/m")
    assert failing.why == "open" or failing.weight == 0.05
    assert (well.why, well.weight) == ("chosen", 1.0)


async def test_a_rate_limit_is_respected_and_when_all_have_one_nobody_is_asked(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        a, b = gateway.upstreams.values()
        a.fail(Status(status=429, retry_after_s=60))
        first = [await gateway.post(CHAT, "r_openai_chat") for _ in range(3)]
        b.fail(Status(status=429, retry_after_s=30))
        second = [await gateway.post(CHAT, "r_openai_chat") for _ in range(3)]
    assert [answer.status_code for answer in [*first, *second]] == [200, 200, 200, 429, 429, 429]
    assert [len(upstream.log) for upstream in (a, b)] == [1, 4]
    assert 28 <= int(second[-1].headers["retry-after"]) <= 30


async def test_a_silent_deployment_is_left_before_any_timeout(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        a = gateway.upstreams["a"]

        async def streamed() -> tuple[int, str]:
            async with gateway.stream(CHAT, "r_openai_chat") as response:
                await response.aread()
                return response.status_code, response.headers["x-headgate-provider"]

        for _ in range(60):
            assert await streamed() == (200, "a_openai_chat")
        a.fail(BlackHole())
        began_s = time.monotonic()
        answers = await asyncio.gather(*(streamed() for _ in range(12)))
        taken_s = time.monotonic() - began_s
        after = await streamed()
    assert set(answers) == {(200, "b_openai_chat")}
    assert 0.2 < taken_s < 3.0
    assert after == (200, "b_openai_chat")
    assert len(a.log) > 64


async def counted(gateway: Bench, model: str = "r_anthropic") -> dict[str, str]:
    """The header fields of the answer to a count."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello there"}]}
    answer = await gateway.client.post("/v1/messages/count_tokens", json=body)
    assert (answer.status_code, answer.json()["input_tokens"] > 0) == (200, True)
    return dict(answer.headers)


async def test_a_count_tells_and_is_told_who_is_out_of_order(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        a, b = gateway.upstreams.values()
        a.fail(Refuse())
        await asyncio.sleep(0.1)
        for _ in range(3):
            assert "x-headgate-estimated" in await counted(gateway, "a_anthropic/m")
        answer = await gateway.post("anthropic", "r_anthropic")
        record = await gateway.record(answer)
        assert [(each.deployment, each.why) for each in record.weighed] == [
            ("a_anthropic/m", "open"),
            ("b_anthropic/m", "chosen"),
        ]
        b.reply(b'{"input_tokens":7}', path="/v1/messages/count_tokens")
        assert (await counted(gateway))["x-headgate-provider"] == "b_anthropic"
        b.fail(Status(status=401))
        for _ in range(5):
            assert "x-headgate-estimated" in await counted(gateway)
        assert len(b.log) <= 4


async def test_a_count_that_is_a_providers_mistake_says_nothing_of_its_models(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        gateway.upstreams["a"].fail(Status(status=500))
        for _ in range(6):
            assert "x-headgate-estimated" in await counted(gateway)
        assert all(member.is_plain for member in gateway.engine.fleet.members())
