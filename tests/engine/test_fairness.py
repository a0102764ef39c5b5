"""Whose turn it is when calls have to wait: by class, by what their callers have had, by their callers' weights."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from headgate.core.principal import PRIORITIES, Principal
from headgate.core.problems import Outcome
from headgate.transport.fake import SlowFirstByte
from tests.engine.harness import Bench, bench

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"


class Callers:
    """Keys that say themselves whose they are: `name/class/weight`."""

    def recall(self, presented: bytes) -> Principal | None:
        name, priority, weight = presented.decode().split("/")
        return Principal(key_id=name, name=name, priority=PRIORITIES.index(priority), weight=float(weight))

    async def identify(self, presented: bytes) -> Principal | None:
        return self.recall(presented)


async def held_up(gateway: Bench) -> None:
    """The upstream takes one call at a time, and takes its time for it."""
    gateway.client.headers["authorization"] = "Bearer first/standard/1"
    await gateway.post(CHAT, f"r_{CHAT}")
    next(iter(gateway.engine.fleet.members())).limit.limit = 1.0
    gateway.upstreams["a"].fail(SlowFirstByte(s=0.05))


async def served(gateway: Bench, calls: list[tuple[str, str]], path: str = "/v1/chat/completions") -> list[str]:
    """What was served, in order, of calls that come at once: `(key, said)`, where what is said may be a class too."""

    async def one(key: str, said: str) -> None:
        headers = {"authorization": f"Bearer {key}"}
        if said in PRIORITIES:
            headers["x-headgate-priority"] = said
        body: dict[str, Any] = {"model": f"r_{CHAT}"}
        body |= {"input": said} if path.endswith("embeddings") else {"messages": [{"role": "user", "content": said}]}
        answer = await gateway.client.post(path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    async with asyncio.TaskGroup() as group:
        for key, said in calls:
            group.create_task(one(key, said))
            await asyncio.sleep(0)
    told = [json.loads(attempt.body) for attempt in gateway.upstreams["a"].log[1:]]
    return [body.get("input") or body["messages"][0]["content"] for body in told]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
async def test_better_classes_go_first_by_key_or_as_the_call_says(tmp_path: Path, path: str):
    async with bench(tmp_path, "a", keys=Callers()) as gateway:
        await held_up(gateway)
        by_key = [(f"{name}/{name}/1", name) for name in reversed(PRIORITIES) for _ in range(2)]
        order = await served(gateway, [("x/batch/1", "at once"), *by_key, ("y/interactive/1", "batch")], path)
    assert order[0] == "at once"
    assert order[1:] == ["interactive", "interactive", "standard", "standard", "batch", "batch", "batch"]


async def test_a_caller_of_more_weight_gets_more(tmp_path: Path):
    async with bench(tmp_path, "a", keys=Callers()) as gateway:
        await held_up(gateway)
        calls = [("light/standard/1", "light"), *[("heavy/standard/3", "heavy"), ("light/standard/1", "light")] * 8]
        order = await served(gateway, calls)
    assert 5 <= order[1:9].count("heavy") <= 7


async def test_a_class_above_the_keys_is_refused_and_so_is_what_is_none(tmp_path: Path):
    async with bench(tmp_path, "a", keys=Callers()) as gateway:
        told: list[tuple[int, str, str]] = []
        for said in ("interactive", "urgent"):
            headers = {"authorization": "Bearer k/standard/1", "x-headgate-priority": said}
            body = {"model": f"r_{CHAT}", "messages": [{"role": "user", "content": "hi"}]}
            answer = await gateway.client.post("/v1/chat/completions", json=body, headers=headers)
            told.append((answer.status_code, answer.json()["error"]["param"], answer.json()["error"]["message"]))
        assert gateway.upstreams["a"].log == []
    assert [each[:2] for each in told] == [(400, "x-headgate-priority")] * 2
    assert "may be standard or batch" in told[0][2]
    assert "it takes interactive, standard, batch" in told[1][2]


def wants_rest(gateway: Bench, model: str, for_s: float) -> None:
    """A provider of that model has said so."""
    deployment = gateway.engine.route(model).targets[0].deployment
    gateway.engine.fleet.member(deployment).quota.limited(for_s, time.monotonic())


async def test_a_list_of_models_waits_for_the_first_that_is_free(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        wants_rest(gateway, f"a_{CHAT}/m", 15.0)
        wants_rest(gateway, f"b_{CHAT}/m", 0.6)
        answer = await gateway.post(CHAT, f"a_{CHAT}/m", models=[f"b_{CHAT}/m"])
        record = await gateway.record(answer)
        a, b = gateway.upstreams.values()
    assert answer.status_code == 200
    assert record.queued_ms > 400
    assert record.attempts[0].provider == f"b_{CHAT}"
    assert [len(a.log), len(b.log)] == [0, 1]


async def test_who_waits_for_one_model_alone_is_not_waited_for_by_a_list(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway, asyncio.TaskGroup() as group:
        wants_rest(gateway, f"a_{CHAT}/m", 1.5)
        waiting = group.create_task(gateway.post(CHAT, f"a_{CHAT}/m"))
        while not gateway.engine.lines._lines:  # pyright: ignore[reportPrivateUsage]  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
        answer = await gateway.post(CHAT, f"a_{CHAT}/m", models=[f"b_{CHAT}/m"])
        assert (answer.status_code, waiting.done()) == (200, False)
        assert (await gateway.record(answer)).queued_ms == 0.0
        assert (await waiting).status_code == 200


async def test_an_operation_beside_talking_is_told_when_it_cannot_be_in_time(tmp_path: Path):
    async with bench(tmp_path, "a", queue_s=2) as gateway:
        wants_rest(gateway, f"a_{CHAT}/m", 30.0)
        answer = await gateway.client.post("/v1/embeddings", json={"model": f"r_{CHAT}", "input": "hi"})
        record = await gateway.record(answer)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert (record.outcome, record.attempts) == (Outcome.RATE, [])
    assert gateway.upstreams["a"].log == []
