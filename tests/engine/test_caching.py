"""Answers that are used again, through the whole gateway: what is asked twice is asked of an upstream once."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.dialects.registry import DIALECTS as TABLE
from headgate.transport.fake import CutAfter, Drip, Status
from headgate.transport.fake.upstream import TEXT
from tests.engine.harness import DIALECTS, Bench, bench, text_of

EXACT = {"mode": "exact"}
PAIRS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]


async def told(gateway: Bench, dialect: str, model: str, *, is_stream: bool, **members: Any) -> tuple[Any, str]:
    """An answer, and its words."""
    if not is_stream:
        response = await gateway.post(dialect, model, **members)
        return response, text_of(dialect, response.content)
    async with gateway.stream(dialect, model, **members) as response:
        parser = TABLE[dialect].stream_parser()
        answer = fold([*parser.feed(await response.aread()), *parser.close()])
        assert answer.problem is None
        return response, answer.text


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_streams_and_wholes_serve_each_other(tmp_path: Path, client: str, upstream: str):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            model = f"r_{upstream}"
            for number, first in enumerate((False, True)):
                namespace = {"cache": {"namespace": str(number)}}
                before = len(gateway.upstreams["a"].log)
                fresh, words = await told(gateway, client, model, is_stream=first, **namespace)
                assert (fresh.status_code, words) == (200, TEXT)
                assert fresh.headers["x-headgate-cache"] == "miss"
                for is_stream in (first, not first, first):
                    again, words = await told(gateway, client, model, is_stream=is_stream, **namespace)
                    assert (again.status_code, words) == (200, TEXT)
                    assert again.headers["x-headgate-cache"] == "hit"
                    assert again.headers["x-headgate-cache-source"] == fresh.headers["x-headgate-request-id"]
                    assert again.headers["x-headgate-cache-key"] == fresh.headers["x-headgate-cache-key"]
                    assert again.headers["age"] == "0"
                    assert again.headers["x-headgate-provider"] == fresh.headers["x-headgate-provider"]
                    assert again.headers["x-headgate-attempts"] == "0"
                assert len(gateway.upstreams["a"].log) == before + 1

    asyncio.run(run())


def test_a_hit_costs_nothing_and_names_the_call_that_paid(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            paid = await gateway.record(await gateway.post("openai_chat", "r_openai_chat"))
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.headers["x-headgate-cost-usd"] == "0.000000000"
            hit = await gateway.record(response)
            assert (hit.status, hit.outcome, hit.attempts, hit.usage) == (200, Outcome.OK, [], None)
            assert (hit.cost_nano_usd, hit.charge_nano_usd, hit.route) == (0, None, "r_openai_chat")
            assert hit.reused is not None
            assert (hit.reused.how, hit.reused.source) == ("hit", paid.id)
            assert (hit.reused.usage, hit.reused.cost_nano_usd) == (paid.usage, paid.attempts[0].cost_nano_usd)
            assert paid.reused is None
            assert paid.usage is not None

    asyncio.run(run())


def test_a_route_without_a_cache_says_nothing_of_one(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            for _ in range(2):
                response = await gateway.post("openai_chat", "r_openai_chat")
                assert [name for name in response.headers if "cache" in name] == []
            assert len(gateway.upstreams["a"].log) == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "why"),
    [(Status(400), "an error"), (CutAfter(bytes=300), "cut")],
)
def test_what_failed_is_not_kept(tmp_path: Path, fault: Any, why: str):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT, retry_same_first=False) as gateway:
            gateway.upstreams["a"].fail(fault, times=1)
            async with gateway.stream("openai_chat", "r_openai_chat") as response:
                first = await response.aread()
            again, words = await told(gateway, "openai_chat", "r_openai_chat", is_stream=True)
            assert (again.headers["x-headgate-cache"], words) == ("miss", TEXT), (why, first)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "members", "status"),
    [
        ({"cache-control": "no-cache"}, {}, "miss"),
        ({"cache-control": "no-store"}, {}, "bypass"),
        ({"x-headgate-cache": "off"}, {}, "bypass"),
        ({"x-headgate-cache-namespace": "other"}, {}, "miss"),
        ({"x-portkey-cache-force-refresh": "true"}, {}, "miss"),
        ({"x-portkey-cache-namespace": "other"}, {}, "miss"),
        ({"x-openrouter-cache": "false"}, {}, "bypass"),
        ({"x-openrouter-cache-clear": "true"}, {}, "miss"),
        ({"x-openrouter-cache": "true"}, {}, "hit"),
        ({"cache-control": "max-age=60"}, {}, "hit"),
        ({}, {"cache": {"no-cache": True}}, "miss"),
        ({}, {"cache": {"use-cache": False}}, "bypass"),
        ({}, {"cache": {"namespace": "other"}}, "miss"),
        ({}, {"cache": {"s-maxage": 60}}, "hit"),
        ({}, {"temperature": 1.5}, "bypass"),
        ({}, {"store": True}, "bypass"),
        ({}, {"user": "somebody", "metadata": {"trace": "1"}}, "hit"),
        ({}, {"temperature": 0.5}, "miss"),
        ({}, {"something_new": 1}, "miss"),
        ({}, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "miss"),
        ({}, {"web_search_options": {"search_context_size": "low"}}, "bypass"),
    ],
)
def test_what_a_caller_says_of_it(tmp_path: Path, headers: dict[str, str], members: dict[str, Any], status: str):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            await gateway.post("openai_chat", "r_openai_chat")
            gateway.client.headers.update(headers)
            response = await gateway.post("openai_chat", "r_openai_chat", **members)
            assert (response.status_code, response.headers["x-headgate-cache"]) == (200, status), response.text
            assert len(gateway.upstreams["a"].log) == (1 if status == "hit" else 2)
            assert b'"cache"' not in gateway.upstreams["a"].log[-1].body

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "members", "param"),
    [
        ({"x-headgate-cache": "semantic?"}, {}, "x-headgate-cache"),
        ({"x-headgate-cache-ttl-s": "0"}, {}, "x-headgate-cache-ttl-s"),
        ({"x-openrouter-cache": "perhaps"}, {}, "x-openrouter-cache"),
        ({}, {"cache": {"ttl": "long"}}, "cache.ttl"),
        ({}, {"cache": {"ttl": 0}}, "cache.ttl"),
        ({}, {"cache": {"tll": 5}}, "cache"),
        ({}, {"cache": {"namespace": "n" * 129}}, "cache.namespace"),
    ],
)
def test_a_wish_that_is_none_is_refused(tmp_path: Path, headers: dict[str, str], members: dict[str, Any], param: str):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            gateway.client.headers.update(headers)
            response = await gateway.post("openai_chat", "r_openai_chat", **members)
            assert (response.status_code, response.json()["error"]["param"]) == (400, param), response.text
            assert gateway.upstreams["a"].log == []

    asyncio.run(run())


def test_only_what_is_kept_if_that_is_wanted(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            gateway.client.headers["cache-control"] = "only-if-cached"
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert (response.status_code, response.json()["error"]["code"]) == (504, "only_if_cached")
            assert gateway.upstreams["a"].log == []
            gateway.client.headers["cache-control"] = "max-age=100"
            await gateway.post("openai_chat", "r_openai_chat")
            gateway.client.headers["cache-control"] = "only-if-cached"
            assert (await gateway.post("openai_chat", "r_openai_chat")).headers["x-headgate-cache"] == "hit"

    asyncio.run(run())


BESIDE = {
    "/v1/embeddings": ({"input": "hi"}, {"input": "ho"}),
    "/v2/rerank": ({"query": "q", "documents": ["a", "b"]}, {"query": "q", "documents": ["b", "a"]}),
}


@pytest.mark.parametrize("path", BESIDE)
def test_vectors_and_ranks_are_used_again(tmp_path: Path, path: str):
    async def run() -> None:
        routes = {"e": {"targets": ["demo/echo"], "cache": "exact"}}
        async with bench(tmp_path, "a", routes=routes) as gateway:
            one, other = ({"model": "e", **body} for body in BESIDE[path])
            fresh = await gateway.client.post(path, json=one)
            assert (fresh.status_code, fresh.headers["x-headgate-cache"]) == (200, "miss"), fresh.text
            again = await gateway.client.post(path, json={**one, "cache": {"s-maxage": 60}})
            assert (again.headers["x-headgate-cache"], again.content) == ("hit", fresh.content)
            assert again.headers["content-type"] == fresh.headers["content-type"]
            record = await gateway.record(again)
            assert (record.attempts, record.usage, record.cost_nano_usd) == ([], None, 0)
            assert record.reused is not None
            assert record.reused.source == fresh.headers["x-headgate-request-id"]
            assert (await gateway.client.post(path, json=other)).headers["x-headgate-cache"] == "miss"
            alone = await gateway.client.post(path, json={**one, "cache": {"use-cache": False}})
            assert (alone.status_code, alone.headers["x-headgate-cache"]) == (200, "bypass")

    asyncio.run(run())


def test_identical_vectors_under_way_share_one_call(tmp_path: Path):
    async def run() -> None:
        routes = {"e": {"targets": ["demo/echo"], "cache": "exact"}}
        async with bench(tmp_path, "a", routes=routes) as gateway:
            calls = [gateway.client.post("/v1/embeddings", json={"model": "e", "input": "hi"}) for _ in range(5)]
            answers = await asyncio.gather(*calls)
            assert len({answer.content for answer in answers}) == 1
            records = [await gateway.record(answer) for answer in answers]
            assert sum(len(record.attempts) for record in records) == 1

    asyncio.run(run())


@pytest.mark.parametrize(("kept", "after"), [("database", "hit"), ("memory", "miss")])
def test_what_a_restart_finds(tmp_path: Path, kept: str, after: str):
    async def run() -> None:
        said: list[str] = []
        for _ in range(2):
            route = {"r": {"targets": ["demo/echo"], "cache": "exact"}}
            async with bench(tmp_path, "a", routes=route, kept=kept) as gateway:
                response, words = await told(gateway, "openai_chat", "r", is_stream=False)
                said.append(response.headers["x-headgate-cache"])
                assert "pong" in words
        assert said == ["miss", after]

    asyncio.run(run())


def test_paced_replay_takes_its_time(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={**EXACT, "replay": "paced"}) as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.05))
            fresh, words = await told(gateway, "openai_chat", "r_openai_chat", is_stream=True)
            record = await gateway.record(fresh)
            begun_s = time.monotonic()
            async with gateway.stream("openai_chat", "r_openai_chat") as response:
                pieces = [piece async for piece in response.aiter_bytes()]
            took_s = time.monotonic() - begun_s
            parser = TABLE["openai_chat"].stream_parser()
            assert fold([*parser.feed(b"".join(pieces)), *parser.close()]).text == words == TEXT
            assert response.headers["x-headgate-cache"] == "hit"
            assert len(pieces) > 3
            assert took_s >= 0.5 * record.duration_ms / 1e3

    asyncio.run(run())
