"""Routes with conditions, and with somewhere to go when a call is too long or refused."""

from pathlib import Path
from typing import Any

import pytest

from headgate.transport.fake import Status
from tests.engine.harness import bench, text_of

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"
TOO_LONG = Status(status=400, body='{"error":{"message":"too long","code":"context_length_exceeded"}}')
REFUSED = Status(status=400, body='{"error":{"message":"no","code":"content_filter"}}')


def target(name: str) -> str:
    return f"{name}_openai_chat/m"


@pytest.mark.parametrize(
    ("members", "provider"),
    [
        ({"metadata": {"plan": "paid"}}, "b"),
        ({"metadata": {"plan": "free"}}, "a"),
        ({}, "a"),
        ({"temperature": 1.5}, "c"),
        ({"metadata": {"plan": "paid"}, "temperature": 1.5}, "b"),
    ],
)
async def test_conditions_choose_the_targets(tmp_path: Path, members: dict[str, Any], provider: str):
    smart = {
        "targets": [target("a")],
        "conditions": [
            {
                "query": {"metadata.plan": {"$eq": "paid"}, "url.pathname": {"$regex": "^/v1/chat"}},
                "then": [target("b")],
            },
            {"query": {"$or": [{"params.temperature": {"$gt": 1}}, {"tenant.key": "nobody"}]}, "then": [target("c")]},
        ],
    }
    async with bench(tmp_path, "abc", routes={"smart": smart}) as gateway:
        answer = await gateway.post(CHAT, "smart", **members)
    assert answer.headers["x-headgate-provider"] == f"{provider}_openai_chat"


@pytest.mark.parametrize(("setting", "fault"), [("on_context", TOO_LONG), ("on_policy", REFUSED)])
async def test_a_call_that_is_too_long_or_refused_goes_where_the_operator_says(
    tmp_path: Path, setting: str, fault: Status
):
    safe = {"targets": [target("a"), target("b")], setting: [target("a"), target("c")], "attempts_max": 1}
    async with bench(tmp_path, "abc", routes={"safe": safe}) as gateway:
        gateway.upstreams["a"].fail(fault)
        answer = await gateway.post(CHAT, "safe")
        record = await gateway.record(answer)
    assert (answer.status_code, answer.headers["x-headgate-provider"]) == (200, "c_openai_chat")
    assert text_of(CHAT, answer.content)
    assert [attempt.provider for attempt in record.attempts] == ["a_openai_chat", "c_openai_chat"]
    assert record.candidates == [target("a"), target("b"), target("c")]


async def test_when_that_fails_too_its_own_words_are_told(tmp_path: Path):
    safe = {"targets": [target("a")], "on_context": [target("b"), target("c")]}
    async with bench(tmp_path, "abc", routes={"safe": safe}) as gateway:
        for upstream in gateway.upstreams.values():
            upstream.fail(TOO_LONG)
        answer = await gateway.post(CHAT, "safe")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert [len(upstream.log) for upstream in gateway.upstreams.values()] == [1, 1, 1]


async def test_another_failure_does_not_go_there(tmp_path: Path):
    safe = {"targets": [target("a")], "on_context": [target("b")]}
    async with bench(tmp_path, "ab", routes={"safe": safe}) as gateway:
        gateway.upstreams["a"].fail(REFUSED)
        answer = await gateway.post(CHAT, "safe")
    assert answer.status_code == 400
    assert len(gateway.upstreams["b"].log) == 0


EU = {"model": target("b"), "tags": ["eu", "fast"]}
MARKED = {"targets": [{"model": target("a"), "tags": ["us"]}, EU], "on_context": [target("c"), {**EU, "tags": ["us"]}]}


@pytest.mark.parametrize(("tags", "provider"), [(None, "a"), ("", "a"), ("eu", "b"), (" eu , fast,", "b"), ("us", "a")])
async def test_a_call_goes_to_targets_with_its_tags_alone(tmp_path: Path, tags: str | None, provider: str):
    async with bench(tmp_path, "abc", routes={"m": MARKED}) as gateway:
        if tags is not None:
            gateway.client.headers["x-headgate-tags"] = tags
        answer = await gateway.post(CHAT, "m")
    assert (answer.status_code, answer.headers["x-headgate-provider"]) == (200, f"{provider}_openai_chat")


async def test_tags_hold_wherever_a_call_goes_on(tmp_path: Path):
    async with bench(tmp_path, "abc", routes={"m": MARKED}) as gateway:
        gateway.client.headers["x-headgate-tags"] = "us"
        gateway.upstreams["a"].fail(TOO_LONG)
        answer = await gateway.post(CHAT, "m")
    assert answer.headers["x-headgate-provider"] == "b_openai_chat"
    assert [len(upstream.log) for upstream in gateway.upstreams.values()] == [1, 1, 0]


@pytest.mark.parametrize(
    ("route", "told"), [("m", "Its targets have: eu, fast, us."), ("r_openai_chat", "None of its targets has a tag.")]
)
async def test_tags_that_no_target_has_are_refused(tmp_path: Path, route: str, told: str):
    async with bench(tmp_path, "abc", routes={"m": MARKED}) as gateway:
        gateway.client.headers["x-headgate-tags"] = "eu,us"
        answer = await gateway.post(CHAT, route)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "x-headgate-tags")
    assert error["message"].endswith(f"(eu, us). {told}")
    assert [len(upstream.log) for upstream in gateway.upstreams.values()] == [0, 0, 0]
