"""Providers' own caches of prompts: what they are told, by whom they are asked, and what they save."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from headgate.core.principal import Principal
from headgate.engine.sticking import shared_prompt_key
from headgate.ledger.saving import grouped, saved
from tests.engine.harness import bench

LONG = [{"role": "user", "content": "word " * 2000}, {"role": "assistant", "content": "yes"}]


@pytest.mark.parametrize("client", ["openai_chat", "anthropic"])
def test_anthropic_is_told_where_a_prompt_may_be_kept(tmp_path: Path, client: str):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={"prompts": "1h"}) as gateway:
            for members in ({"messages": [*LONG, {"role": "user", "content": "go on"}]}, {}):
                response = await gateway.post(client, "r_anthropic", **members)
                assert response.status_code == 200, response.text
            long, short = (json.loads(each.body) for each in gateway.upstreams["a"].log)
            assert long["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
            assert b"cache_control" not in gateway.upstreams["a"].log[1].body
            assert "cache_control" not in short

    asyncio.run(run())


def test_openai_is_told_what_belongs_together(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={"prompts": "5m"}) as gateway:
            first: dict[str, Any] = {"messages": [{"role": "user", "content": "one"}]}
            turns = [*first["messages"], {"role": "assistant", "content": "1"}, {"role": "user", "content": "two"}]
            for members in (first, {"messages": turns}, {"messages": turns[2:]}, {"prompt_cache_key": "mine"}):
                await gateway.post("openai_chat", "r_openai_chat", **members)
            keys = [json.loads(each.body)["prompt_cache_key"] for each in gateway.upstreams["a"].log]
            assert keys[0] == keys[1] != keys[2]
            assert keys[3] == "mine"
            assert len(keys[0]) == 32

    asyncio.run(run())


def test_nobody_is_told_anything_unless_the_operator_says_so(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            await gateway.post("openai_chat", "r_openai_chat")
            await gateway.post("anthropic", "r_anthropic", messages=[*LONG, {"role": "user", "content": "go on"}])
            for asked in gateway.upstreams["a"].log:
                assert b"cache" not in asked.body

    asyncio.run(run())


def test_a_conversation_stays_where_its_beginning_is_known(tmp_path: Path):
    async def run() -> None:
        cache = {"prompts": "5m"}
        async with bench(tmp_path, "ab", cache=cache, strategy="weighted") as gateway:
            used = set[str]()
            for number in range(12):
                turns = [{"role": "user", "content": "one"}] + [{"role": "assistant", "content": "x"}] * number
                response = await gateway.post("openai_chat", "r_openai_chat", messages=turns)
                used.add(response.headers["x-headgate-provider"])
            assert len(used) == 1

    asyncio.run(run())


def test_what_they_save_is_told_apart(tmp_path: Path):
    usage = {"prompt_tokens": 1000, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 800}}
    message = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    told = json.dumps({"id": "c", "object": "chat.completion", "model": "m", "choices": [message], "usage": usage})

    async def run() -> None:
        prices = {"prices": {"m": {"input": 10, "output": 10, "cached": 1}}}
        provider = {"like": "openai", "api_key": "env:UPSTREAM_KEY", "speaks": ["openai_chat"], **prices}
        async with bench(tmp_path, "a") as plain:
            url = plain.upstreams["a"].url
            plain.upstreams["a"].reply(told.encode())
            providers = {"p": {**provider, "base_url": url}}
            async with bench(tmp_path / "other", "b", providers=providers) as gateway:
                record = await gateway.record(await gateway.post("openai_chat", "p/m"))
                [attempt] = record.attempts
                assert attempt.usage is not None
                assert attempt.usage.cached_tokens == 800
                assert attempt.prompt_cache_nano_usd == 800 * 9_000
                [line] = grouped(saved([record]), "model", str)
                assert (line.how, line.calls, line.input_tokens, line.nano_usd) == ("provider", 1, 800, 7_200_000)

    asyncio.run(run())


def test_whose_prompt_it_is_cannot_be_seen():
    class Call:
        body = b'{"messages":[{"role":"user","content":"x"}]}'
        principal = Principal(key_id="k", name="n")

    class Other(Call):
        principal = Principal(key_id="l", name="n")

    assert shared_prompt_key(Call()) != shared_prompt_key(Other())  # pyright: ignore[reportArgumentType]
    Call.body = b"{}"
    assert shared_prompt_key(Call()) == ""  # pyright: ignore[reportArgumentType]
