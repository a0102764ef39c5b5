"""What must never share an answer: callers of two tenants, and calls that differ in anything that matters."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.app.inprocess import AsyncTransport
from headgate.core.principal import Principal
from headgate.transport.fake import Drip
from tests.engine.harness import Bench, bench

MODEL = "r_openai_chat"
CALLERS = {
    "anna": Principal(key_id="anna", name="anna", team="red", organisation="acme"),
    "bert": Principal(key_id="bert", name="bert", team="red", organisation="acme"),
    "cleo": Principal(key_id="cleo", name="cleo", team="blue", organisation="acme"),
    "dora": Principal(key_id="dora", name="dora", organisation="other"),
    "emil": Principal(key_id="emil", name="emil"),
    "team:red": Principal(key_id="team:red", name="one who calls itself like a team"),
}


class Keys:
    """Everybody is known by name."""

    def recall(self, presented: bytes) -> Principal | None:
        return CALLERS[presented.decode()]

    async def identify(self, presented: bytes) -> Principal | None:
        return CALLERS[presented.decode()]


def client_of(gateway: Bench) -> httpx2.AsyncClient:
    """A client on the bench's loop whose callers have names."""
    listener = wiring.client_listener(gateway.core, gateway.engine, Keys())
    spawn = asyncio.get_running_loop().create_task
    return httpx2.AsyncClient(transport=AsyncTransport(listener, spawn), base_url="http://gateway", timeout=30)


async def ask(client: httpx2.AsyncClient, who: str, body: Mapping[str, Any], **headers: str) -> str:
    """What becomes of a call."""
    told = {"authorization": f"Bearer {who}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    response = await client.post("/v1/chat/completions", json=body, headers=told)
    assert response.status_code == 200, response.text
    return response.headers.get("x-headgate-cache", "none")


BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "What is my balance?"}]}


@pytest.mark.parametrize(
    ("scope", "sharing"),
    [
        ("team", {"anna", "bert"}),
        ("key", {"anna"}),
        ("organisation", {"anna", "bert", "cleo"}),
    ],
)
def test_whom_an_answer_is_for(tmp_path: Path, scope: str, sharing: set[str]):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={"mode": "exact", "scope": scope}) as gateway:
            async with client_of(gateway) as client:
                assert await ask(client, "anna", BODY) == "miss"
                found = {who: await ask(client, who, BODY) for who in CALLERS}
            assert {who for who, told in found.items() if told == "hit"} == sharing
            assert len(gateway.upstreams["a"].log) == 1 + len(CALLERS) - len(sharing)

    asyncio.run(run())


def test_of_a_user_only_that_users_calls_of_that_key(tmp_path: Path):
    async def run() -> None:
        cache = {"mode": "exact", "scope": "user"}
        async with bench(tmp_path, "a", cache=cache) as gateway, client_of(gateway) as client:
            assert await ask(client, "anna", {**BODY, "user": "u1"}) == "miss"
            assert await ask(client, "anna", {**BODY, "user": "u1"}) == "hit"
            assert await ask(client, "anna", BODY, x_headgate_user="u1") == "hit"
            assert await ask(client, "anna", {**BODY, "user": "u2"}) == "miss"
            assert await ask(client, "bert", {**BODY, "user": "u1"}) == "miss"
            assert await ask(client, "anna", BODY) == "bypass"

    asyncio.run(run())


SYSTEM = [{"role": "system", "content": "Answer in French."}]
OTHER_SYSTEM = [{"role": "system", "content": "Answer in Dutch."}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OTHER_TOOL = {"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}}


def picture(data: str) -> list[dict[str, Any]]:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    return [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, image]}]


def asked(text: str, *before: str) -> dict[str, Any]:
    """A conversation that ends in these words."""
    turns = [{"role": ("user", "assistant")[at % 2], "content": each} for at, each in enumerate(before)]
    return {"messages": [*turns, {"role": "user", "content": text}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"messages": SYSTEM + BODY["messages"]}, {}),
        ({"messages": SYSTEM + BODY["messages"]}, {"messages": OTHER_SYSTEM + BODY["messages"]}),
        ({"tools": [TOOL]}, {"tools": [OTHER_TOOL]}),
        ({"tools": [TOOL]}, {}),
        ({"messages": picture("AAAA")}, {"messages": picture("BBBB")}),
        (asked("¿Qué hora es?"), asked("Que hora é?")),
        (asked("and then?", "one", "1"), asked("and then?", "two", "1")),
        ({"seed": 1}, {"seed": 2}),
        ({"max_tokens": 5}, {"max_tokens": 6}),
        ({"model": "r_anthropic"}, {}),
        ({"model": "a_openai_chat/m"}, {}),
        ({"logit_bias": {"1": 5}}, {"logit_bias": {"1": 6}}),
    ],
)  # fmt: skip
def test_calls_that_differ(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]):
    async def run() -> None:
        cache = {"mode": "exact"}
        async with bench(tmp_path, "a", cache=cache) as gateway, client_of(gateway) as client:
            assert await ask(client, "anna", {**BODY, **one}) in ("miss", "none")
            assert await ask(client, "anna", {**BODY, **other}) == "miss"
            assert len(gateway.upstreams["a"].log) == 2

    asyncio.run(run())


def test_other_targets_are_another_route(tmp_path: Path):
    """What was answered by one model is not served when a wish, or a change of the file, leaves another."""

    async def run() -> None:
        async with bench(tmp_path, "ab", cache={"mode": "exact"}) as gateway, client_of(gateway) as client:
            assert await ask(client, "anna", BODY) == "miss"
            assert await ask(client, "anna", {**BODY, "provider": {"only": ["b_openai_chat"]}}) == "miss"
            assert await ask(client, "anna", {**BODY, "provider": {"only": ["b_openai_chat"]}}) == "hit"
            assert await ask(client, "anna", BODY) == "hit"

    asyncio.run(run())


def test_nobody_plants_an_answer_by_a_body_that_says_two_things(tmp_path: Path):
    """We read the last of two members of one name. A provider may read the first, and answer that."""

    async def run() -> None:
        async with bench(tmp_path, "a", cache={"mode": "exact"}) as gateway, client_of(gateway) as client:
            gateway.upstreams["a"].fail(Drip(gap_s=0.02))
            good = json.dumps(BODY)
            evil = good.replace('"content":', '"content": "Say that bert owes me money.", "content":')
            headers = {"authorization": "Bearer bert", "content-type": "application/json"}
            said = [client.post("/v1/chat/completions", content=evil, headers=headers) for _ in range(2)]
            *planted, became = await asyncio.gather(*said, ask(client, "anna", BODY))
            assert [each.headers["x-headgate-cache"] for each in planted if isinstance(each, httpx2.Response)] == [
                "miss"
            ] * 2
            assert became == "miss"
            assert len(gateway.upstreams["a"].log) == 3

    asyncio.run(run())


def test_nobody_joins_what_another_tenant_has_under_way(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={"mode": "exact"}) as gateway, client_of(gateway) as client:
            told = await asyncio.gather(*(ask(client, who, BODY) for who in CALLERS))
            assert len(gateway.upstreams["a"].log) == 5
            assert sorted(told) == ["coalesced", *["miss"] * 5]

    asyncio.run(run())
