"""What an upstream cannot be told, what a key may not ask for, and the less travelled ways through the engine."""

import asyncio
import json
from pathlib import Path

import pytest

from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.core.record import CallRecord
from headgate.dialects.registry import DIALECTS
from headgate.transport.fake import Refuse, Status
from headgate.transport.fake.upstream import TEXT
from tests.engine.harness import Bench, bench, text_of

TWICE = [{"model": "a_openai_chat/m"}, {"model": "a_openai_chat/n"}]
AUDIO = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}


def test_a_dropped_parameter_is_reported(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            response = await gateway.post("openai_chat", "a_anthropic/m", logit_bias={"1": 5}, seed=3)
            assert response.status_code == 200
            assert {"logit_bias", "seed"} <= set(response.headers["x-headgate-dropped"].split(", "))
            assert (await gateway.record(response)).dropped == response.headers["x-headgate-dropped"].split(", ")

    asyncio.run(run())


def test_a_route_may_refuse_loss(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", {"strict": {"targets": ["a_anthropic/m"], "on_loss": "refuse"}}) as gateway:
            response = await gateway.post("openai_chat", "strict", logit_bias={"1": 5})
            assert response.status_code == 400
            assert "logit_bias" in response.json()["error"]["message"]
            assert gateway.upstreams["a"].log == []

    asyncio.run(run())


def test_a_candidate_that_cannot_be_told_is_passed_over(tmp_path: Path):
    async def run() -> None:
        routes = {"mixed": {"targets": ["a_anthropic/m", "a_openai_chat/m"]}}
        async with bench(tmp_path, "a", routes) as gateway:
            response = await gateway.post("openai_chat", "mixed", messages=[AUDIO])
            assert response.status_code == 200
            assert response.headers["x-headgate-provider"] == "a_openai_chat"
            alone = await gateway.post("openai_chat", "a_anthropic/m", messages=[AUDIO])
            assert alone.status_code == 400
            assert alone.json()["error"]["code"] == "unsupported_feature"
            assert len(gateway.upstreams["a"].log) == 1

    asyncio.run(run())


def test_an_upstream_that_answers_whole_is_told_as_the_stream_that_was_asked_for(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            whole = await gateway.post("openai_chat", "a_openai_chat/m")
            gateway.upstreams["a"].reply(whole.content)
            async with gateway.stream("openai_chat", "a_openai_chat/m") as response:
                parser = DIALECTS["openai_chat"].stream_parser()
                answer = fold(parser.feed(await response.aread()) + parser.close())
            assert (answer.text, answer.reason) == (TEXT, "stop")

    asyncio.run(run())


def test_a_gemini_stream_may_be_an_array(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            response = await gateway.client.post("/v1beta/models/a_gemini%2Fm:streamGenerateContent", json=body)
            assert response.headers["content-type"] == "application/json"
            parts = [item["candidates"][0].get("content", {}).get("parts", ()) for item in response.json()]
            assert "".join(part["text"] for pieces in parts for part in pieces) == TEXT

    asyncio.run(run())


@pytest.mark.parametrize("upstream", ["anthropic", "gemini", "openai_chat"])
@pytest.mark.parametrize("client", ["anthropic", "gemini"])
def test_tokens_are_counted_by_whoever_can(tmp_path: Path, client: str, upstream: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].reply(b'{"input_tokens": 42, "totalTokens": 42}')
            response = await _count(gateway, client, f"a_{upstream}/m")
            counted = response.json()["input_tokens" if client == "anthropic" else "totalTokens"]
            if upstream == "openai_chat":
                assert response.headers["x-headgate-estimated"] == "input_tokens"
                assert counted > 1
            else:
                assert counted == 42
                assert response.headers["x-headgate-provider"] == f"a_{upstream}"

    asyncio.run(run())


def test_a_count_moves_on_and_is_estimated_at_last(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(Status(status=500))
            response = await _count(gateway, "anthropic", "a_anthropic/m")
            assert response.headers["x-headgate-estimated"] == "input_tokens"
            gateway.upstreams["a"].heal()
            gateway.upstreams["a"].reply(
                b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}', status=400
            )
            refused = await _count(gateway, "anthropic", "a_anthropic/m")
            assert (refused.status_code, refused.json()["error"]["message"]) == (400, "no")

    asyncio.run(run())


def test_a_bug_is_told_as_ours_and_booked(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", {"spread": {"strategy": "weighted", "targets": TWICE}}) as gateway:
            gateway.engine.dice = lambda: int("a bug")
            response = await gateway.post("openai_chat", "spread")
            assert response.status_code == 500
            assert response.json()["error"]["message"] == "Headgate failed on this call."

    asyncio.run(run())


def test_attempts_are_bounded(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "abcd", attempts_max=2) as gateway:
            for upstream in gateway.upstreams.values():
                upstream.fail(Refuse())
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.status_code == 502
            assert response.headers["x-headgate-attempts"] == "2"

    asyncio.run(run())


def test_what_a_call_used_and_cost_is_in_its_record(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            response = await gateway.post("openai_chat", "demo/echo")
            record = await gateway.record(response)
            assert text_of("openai_chat", response.content) == "say pong"
            assert record.usage is not None
            assert record.cost_nano_usd > 0
            assert response.headers["x-headgate-cost-usd"] == f"0.{record.cost_nano_usd:09d}"
            unpriced = await gateway.post("openai_chat", "a_openai_chat/no-such-model")
            assert "x-headgate-cost-usd" not in unpriced.headers
            assert not (await gateway.record(unpriced)).is_priced
            told = (await gateway.client.get(f"/v1/generations/{record.id}")).json()
            assert told["cost_usd"] == response.headers["x-headgate-cost-usd"]

    asyncio.run(run())


def test_a_refused_call_leaves_a_record_without_attempts(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            response = await gateway.post("openai_chat", "nothing-of-that-name")
            record: CallRecord = await gateway.record(response)
            assert (record.status, record.outcome, record.attempts) == (404, Outcome.CLIENT, [])

    asyncio.run(run())


async def _count(gateway: Bench, client: str, model: str):
    if client == "anthropic":
        body = {"model": model, "messages": [{"role": "user", "content": "hello there"}]}
        return await gateway.client.post("/v1/messages/count_tokens", content=json.dumps(body))
    body = {"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]}
    return await gateway.client.post(f"/v1beta/models/{model}:countTokens", json=body)
