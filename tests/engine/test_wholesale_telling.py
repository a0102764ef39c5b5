"""The gateway's own batches at providers that speak another API than their lines."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.transport.fake import FakeUpstream
from tests.engine.test_keeping import answer
from tests.engine.test_wholesale import CHAT, Shop, asked, completion, lines, serves, shop, told

pytestmark = pytest.mark.anyio
MADE = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress"}
ENDED = MADE | {"processing_status": "ended", "results_url": "https://x/y", "request_counts": {"succeeded": 1}}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "batched"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1_000_000, "output_tokens": 7},
}
ERROR = {"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}


@asynccontextmanager
async def claude(folder: Path) -> AsyncIterator[tuple[Shop, FakeUpstream]]:
    async with FakeUpstream() as upstream:
        providers = {"claude": {"like": "anthropic", "base_url": upstream.url, "api_key": "none"}}
        async with shop(folder, providers=providers, routes={"smart": {"targets": ["claude/claude-sonnet-4-5"]}}) as at:
            upstream.reply(answer(MADE), path="/v1/messages/batches")
            upstream.reply(answer(ENDED), path="/v1/messages/batches/msgbatch_1")
            yield at, upstream


async def test_chats_are_batched_where_messages_are(tmp_path: Path):
    async with claude(tmp_path) as (at, upstream):
        good = {"custom_id": "line-1", "result": {"type": "succeeded", "message": MESSAGE}}
        bad = {"custom_id": "line-2", "result": {"type": "errored", "error": ERROR}}
        upstream.reply(answer(good) + b"\n" + answer(bad), path="/v1/messages/batches/msgbatch_1/results")
        batch = await at.desk.batches.run(await at.batch(lines("smart", "smart", max_completion_tokens=8)))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (2, 0)
        sent = json.loads(upstream.log[0].body)["requests"]
        assert [each["params"]["max_tokens"] for each in sent] == [8, 8]
        assert sent[0]["params"]["messages"][0]["role"] == "user"
        results = await at.results(batch)
        status, body = results["c1"]
        assert (status, body["object"], body["model"]) == (200, "chat.completion", "claude-sonnet-4-5")
        assert body["choices"][0]["message"]["content"] == "batched"
        assert body["usage"]["prompt_tokens"] == 1_000_000
        status, body = results["c2"]
        assert (status, body["error"]["message"]) == (400, "too odd")
        usages = [record.usage for record in await at.records() if record.usage is not None]
        assert [(usage.input_tokens, usage.tier) for usage in usages] == [(1_000_000, "batch")]


async def test_a_line_of_which_something_would_be_lost_is_called(tmp_path: Path):
    async with claude(tmp_path) as (at, upstream):
        upstream.reply(answer(MESSAGE), path="/v1/messages")
        batch = await at.desk.batches.run(await at.batch(lines("smart", logit_bias={"50256": -100})))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (0, 1)
        assert asked(upstream) == ["POST /v1/messages"]


async def test_an_answer_that_is_none_is_called_for(tmp_path: Path):
    async with claude(tmp_path) as (at, upstream):
        odd = {"custom_id": "line-1", "result": {"type": "succeeded", "message": {"hello": "there"}}}
        upstream.reply(answer(odd), path="/v1/messages/batches/msgbatch_1/results")
        upstream.reply(answer(MESSAGE), path="/v1/messages")
        batch = await at.desk.batches.run(await at.batch(lines("smart")))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (0, 1)


async def test_messages_are_batched_where_chats_are(tmp_path: Path):
    async with shop(tmp_path) as at:
        serves(at.one, told(1, body=completion("batched")))
        batch = await at.desk.batches.run(await at.batch(lines("smart", url="/v1/messages", max_tokens=8)))

        assert batch.shown.headgate.batched == 1
        assert json.loads(at.one.log[1].body)["endpoint"] == CHAT
        status, body = (await at.results(batch))["c1"]
        assert (status, body["type"], body["content"][0]["text"]) == (200, "message", "batched")
