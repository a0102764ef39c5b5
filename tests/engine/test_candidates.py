"""Which deployments a call is tried at: by name, by wish, by need, by price."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import open_core
from headgate.app.inprocess import AsyncTransport
from headgate.core.principal import Principal
from headgate.transport.fake import FakeUpstream

pytestmark = pytest.mark.anyio
MESSAGES = [{"role": "user", "content": "say pong"}]
IMAGE = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}


class Keys:
    """One key, for some models."""

    def __init__(self, models: tuple[str, ...] | None) -> None:
        self.models = models

    def recall(self, presented: bytes) -> Principal | None:
        return Principal(key_id="test", name="test", models=self.models)

    async def identify(self, presented: bytes) -> Principal | None:
        return Principal(key_id="test", name="test", models=self.models)


@asynccontextmanager
async def gateway(
    folder: Path, *, models: tuple[str, ...] | None = None, more: Mapping[str, Any] | None = None, **provider: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway before `openai` and `anthropic`, whose models the catalogue knows, and a `lab`, whose it does not."""
    async with AsyncExitStack() as stack:
        url = (await stack.enter_async_context(FakeUpstream())).url
        key = {"base_url": url, "api_key": "env:KEY"}
        providers = {
            "openai": {**key, "speaks": ["openai_chat"], **provider},
            "anthropic": {**key, "speaks": ["anthropic"]},
            "lab": {**key, "like": "openai", "speaks": ["openai_chat"], "models": ["gpt-4o", "own"], **provider},
        }
        tree = {"data_dir": str(folder), "providers": providers, **(more or {})}
        core = await stack.enter_async_context(open_core(build(tree, environ={"KEY": "upstream-secret"})))
        engine, spawn = await stack.enter_async_context(wiring.open_engine(core))
        listener = wiring.client_listener(core, engine, Keys(models))
        client = httpx2.AsyncClient(
            transport=AsyncTransport(listener, spawn),
            base_url="http://gateway",
            headers={"authorization": "Bearer anything"},
        )
        yield await stack.enter_async_context(client)


async def chat(client: httpx2.AsyncClient, model: str | None, **members: Any) -> httpx2.Response:
    named = {} if model is None else {"model": model}
    return await client.post("/v1/chat/completions", json={"messages": MESSAGES, **named, **members})


@pytest.mark.parametrize(
    ("model", "members", "provider"),
    [
        ("gpt-4o", {}, "openai"),
        ("openai/gpt-4o", {}, "openai"),
        ("lab/gpt-4o", {}, "lab"),
        ("own", {}, "lab"),
        ("anthropic/claude-haiku-4.5", {}, "anthropic"),
        ("gpt-4o", {"provider": {"order": ["lab"]}}, "lab"),
        ("gpt-4o", {"provider": {"only": ["Lab"], "allow_fallbacks": False}}, "lab"),
        ("gpt-4o", {"provider": {"ignore": ["openai"]}}, "lab"),
        (None, {"models": ["own", "gpt-4o"]}, "lab"),
        # gpt-3.5-turbo takes no images, so the next model that the call names is asked
        ("gpt-3.5-turbo", {"models": ["gpt-4o"], "messages": [{"role": "user", "content": [IMAGE]}]}, "openai"),
    ],
)
async def test_a_call_goes_where_it_wishes(tmp_path: Path, model: str | None, members: dict[str, Any], provider: str):
    async with gateway(tmp_path) as client:
        answer = await chat(client, model, **members)
    assert (answer.status_code, answer.headers["x-headgate-provider"]) == (200, provider)


async def test_wishes_do_not_travel_on(tmp_path: Path):
    async with gateway(tmp_path) as client:
        answer = await chat(client, "gpt-4o", provider={"order": ["lab", "nobody"]}, models=["own"])
    assert answer.status_code == 200
    assert answer.headers["x-headgate-dropped"] == "provider.order"


@pytest.mark.parametrize(
    ("model", "members", "problem", "told"),
    [
        ("gpt-3.5-turbo", {"messages": [{"role": "user", "content": [IMAGE]}]}, (400, "unsupported_feature"),
         "The model 'gpt-3.5-turbo' cannot take images. Of the models this key may use, these can: "),
        ("gpt-4o", {"max_tokens": 10_000_000, "provider": {"only": ["openai"]}}, (400, "unsupported_feature"),
         "writes 16384 tokens at most, and the call asks for up to 10000000"),
        ("gpt-4o", {"provider": {"sort": "exacto"}}, (400, "unsupported_parameter"), "provider.sort: 'exacto' is not"),
        ("gpt-4o", {"provider": {"max_price": {"prompt": 0.0001}}}, (400, None), "'provider.max_price' allows"),
        ("gpt-4o", {"provider": {"only": ["azure"]}}, (400, None), "it runs here at: openai, lab."),
        ("no-such:floor", {}, (404, "model_not_found"), "'no-such' is not known here"),
        ("gpt-4o", {"models": ["no-such-model"]}, (404, "model_not_found"), "'no-such-model' is not known here"),
        (None, {}, (400, None), "'model' is required"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused(
    tmp_path: Path, model: str | None, members: dict[str, Any], problem: tuple[int, str | None], told: str
):
    async with gateway(tmp_path) as client:
        answer = await chat(client, model, **members)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == problem
    assert told in error["message"]


async def test_a_refusal_names_only_models_that_the_key_may_use(tmp_path: Path):
    async with gateway(tmp_path, models=("gpt-3.5-turbo", "smart", "gpt-4o")) as client:
        answer = await chat(client, "gpt-3.5-turbo", messages=[{"role": "user", "content": [IMAGE]}])
    assert answer.json()["error"]["message"].endswith("these can: gpt-4o.")


async def test_every_model_that_is_named_must_be_allowed(tmp_path: Path):
    async with gateway(tmp_path, models=("gpt-4o",)) as client:
        answer = await chat(client, "gpt-4o", models=["own"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_trusted_provider_is_sent_anything(tmp_path: Path):
    async with gateway(tmp_path, trust=True) as client:
        answer = await chat(client, "gpt-3.5-turbo", messages=[{"role": "user", "content": [IMAGE]}])
    assert answer.status_code == 200


async def test_counting_goes_where_it_wishes_too(tmp_path: Path):
    async with gateway(tmp_path) as client:
        body = {"model": "gpt-4o", "messages": MESSAGES}
        path = "/v1/messages/count_tokens"
        counted = await client.post(path, json={**body, "provider": {"only": ["lab"]}})
        refused = await client.post(path, json={**body, "provider": {"only": ["anthropic"]}})
    assert (counted.status_code, counted.headers["x-headgate-estimated"]) == (200, "input_tokens")
    assert (refused.status_code, "leave no provider" in refused.json()["error"]["message"]) == (400, True)


async def test_parameters_that_are_required_exclude_who_cannot_be_told(tmp_path: Path):
    async with gateway(tmp_path) as client:
        refused = await chat(
            client, "anthropic/claude-haiku-4-5", seed=1, max_tokens=9, provider={"require_parameters": True}
        )
        without = await chat(client, "anthropic/claude-haiku-4-5", seed=1, max_tokens=9)
        thinking = await chat(
            client, "gpt-4o", reasoning_effort="high", provider={"require_parameters": True, "only": ["openai"]}
        )
    assert (refused.status_code, "seed" in refused.json()["error"]["message"]) == (400, True)
    assert (without.status_code, without.headers["x-headgate-dropped"]) == (200, "seed")
    assert "cannot reason" in thinking.json()["error"]["message"]


@pytest.mark.parametrize(
    ("policy", "status", "is_held"), [("ceiling", 200, True), ("report", 200, False), ("refuse", 400, False)]
)
async def test_a_model_without_a_price_is_never_free(tmp_path: Path, policy: str, status: int, is_held: bool):
    async with gateway(tmp_path, more={"prices": {"unpriced": policy}}) as client:
        answer = await chat(client, "own")
        assert answer.status_code == status
        if status == 400:
            assert answer.json()["error"]["code"] == "model_not_priced"
            return
        record = (await client.get(f"/v1/generations/{answer.headers['x-headgate-request-id']}")).json()
    assert "x-headgate-cost-usd" not in answer.headers
    assert record["cost_usd"] is None
    assert (record.get("cost_nano_usd", 0) > 0) is is_held


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ({"own": {"input": "0.15", "output": 0.6}}, "some"),
        ({"*": {"input": 0, "output": 0}}, "0"),
    ],
)
async def test_an_operators_own_price_is_charged(tmp_path: Path, prices: dict[str, Any], cost: str):
    async with gateway(tmp_path, prices=prices, more={"prices": {"unpriced": "refuse"}}) as client:
        answer = await chat(client, "own")
    assert answer.status_code == 200
    assert (float(answer.headers["x-headgate-cost-usd"]) == 0) is (cost == "0")


async def test_the_record_says_who_was_left_out_and_why(tmp_path: Path):
    smart = {"targets": ["openai/gpt-3.5-turbo", "openai/gpt-4o"]}
    refusing = {"targets": ["lab/own", "openai/gpt-4o"]}
    more = {"routes": {"smart": smart, "priced": refusing}, "prices": {"unpriced": "refuse"}}
    async with gateway(tmp_path, more=more) as client:
        seeing = await chat(client, "smart", messages=[{"role": "user", "content": [IMAGE]}])
        priced = await chat(client, "priced")
        records = [
            (await client.get(f"/v1/generations/{answer.headers['x-headgate-request-id']}")).json()
            for answer in (seeing, priced)
        ]
    assert [each["candidates"] for each in records] == [["openai/gpt-4o"], ["openai/gpt-4o"]]
    assert [each["weighed"][0][:2] for each in records] == [
        ["openai/gpt-3.5-turbo", "cannot take images"],
        ["lab/own", "has no price, or the caller's limits leave no room"],
    ]


async def test_auto_asks_the_cheapest_that_can_and_says_why(tmp_path: Path):
    more = {"routes": {"auto": {"quality": "small"}, "good": {"quality": "medium"}}}
    async with gateway(tmp_path, more=more) as client:
        plain = await chat(client, "auto")
        seeing = await chat(client, "good", messages=[{"role": "user", "content": [IMAGE]}])
        records = [
            (await client.get(f"/v1/generations/{answer.headers['x-headgate-request-id']}")).json()
            for answer in (plain, seeing)
        ]
    for record in records:
        costs = {name: cost for name, why, cost, *_ in record["weighed"] if why == "chosen"}
        assert record["strategy"] == "cheapest"
        assert record["candidates"][0] == min(costs, key=lambda name: costs[name])
        assert len(costs) > 2
