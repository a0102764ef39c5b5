"""A call that names what an upstream keeps goes there, and only for whom it was made."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.inprocess import AsyncTransport
from headgate.core.minted import Minted
from headgate.core.principal import Principal
from headgate.engine.conduct import Engine
from headgate.transport.fake import FakeUpstream

pytestmark = pytest.mark.anyio


class Keys:
    """The key `NAME` is that caller's; `NAME@TEAM` belongs to a team."""

    def recall(self, presented: bytes) -> Principal | None:
        name, _, team = presented.decode().partition("@")
        return Principal(key_id=name, name=name, team=team)

    async def identify(self, presented: bytes) -> Principal | None:
        return self.recall(presented)


class Place:
    """A gateway in front of the providers `one` and `two`."""

    def __init__(self, core: Core, engine: Engine, client: httpx2.AsyncClient, *upstreams: FakeUpstream) -> None:
        self.core = core
        self.engine = engine
        self.client = client
        self.one, self.two = upstreams

    async def post(self, key: str, path: str = "/v1/responses", **body: Any) -> httpx2.Response:
        body = {"model": "either", "input": "hi", **body}
        return await self.client.post(path, json=body, headers={"authorization": f"Bearer {key}"})


@asynccontextmanager
async def place(folder: Path, like: str = "openai", **more: Any) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(FakeUpstream()) for _ in range(2)]
        providers = {
            name: {"like": like, "base_url": upstream.url, "api_key": "none"}
            for name, upstream in (("one", one), ("two", two))
        } | more.pop("providers", {})
        routes = {
            "either": {"targets": ["one/m", "two/m"]},
            "other": {"targets": ["two/m", "one/m"]},
            "one-alone": {"targets": ["one/m"]},
        }
        setup = build({"data_dir": str(folder), "providers": providers, "routes": routes, **more})
        core = await stack.enter_async_context(open_core(setup))
        engine, spawn = await stack.enter_async_context(wiring.open_engine(core))
        transport = AsyncTransport(wiring.client_listener(core, engine, Keys()), spawn)
        client = httpx2.AsyncClient(transport=transport, base_url="http://gateway")
        yield Place(core, engine, await stack.enter_async_context(client), one, two)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_the_next_turn_goes_where_the_answer_is_kept(tmp_path: Path, is_stream: bool):
    async with place(tmp_path) as at:
        first = await at.post("a", stream=is_stream)
        id = "resp_fake"
        assert id in first.text

        second = await at.post("a", model="other", previous_response_id=id)

        assert second.status_code == 200
        assert (len(at.one.log), len(at.two.log)) == (2, 0)


async def test_nobody_else_finds_it(tmp_path: Path):
    async with place(tmp_path) as at:
        await at.post("a")

        refused = await at.post("b", previous_response_id="resp_fake")

        assert refused.status_code == 404
        error = refused.json()["error"]
        assert error["code"] == "not_found"
        assert "'resp_fake'" in error["message"]
        assert len(at.one.log) == 1


async def test_a_team_shares_what_its_keys_have_made(tmp_path: Path):
    async with place(tmp_path) as at:
        await at.post("a@team")

        assert (await at.post("b@team", previous_response_id="resp_fake")).status_code == 200
        assert (await at.post("a", previous_response_id="resp_fake")).status_code == 404


async def test_what_is_not_stored_is_not_known(tmp_path: Path):
    async with place(tmp_path) as at:
        await at.post("a", store=False)

        assert (await at.post("a", previous_response_id="resp_fake")).status_code == 404


async def test_a_model_that_does_not_run_there_is_refused(tmp_path: Path):
    async with place(tmp_path) as at:
        made = Minted(id="file-2", owner="key:a", kind="file", provider="two", created_us=1)
        at.core.metering.minted.remember([made])
        part = {"type": "input_file", "file_id": "file-2"}

        refused = await at.post("a", model="one-alone", input=[{"role": "user", "content": [part]}])

        assert refused.status_code == 400
        assert refused.json()["error"]["message"].startswith("What this call refers to is kept by two")
        assert at.one.log == []


async def test_things_of_two_providers_cannot_meet(tmp_path: Path):
    async with place(tmp_path) as at:
        made = [
            Minted(id=f"file-{name}", owner="key:a", kind="file", provider=name, created_us=1)
            for name in ("one", "two")
        ]
        at.core.metering.minted.remember(made)
        parts = [{"type": "file", "file": {"file_id": entry.id}} for entry in made]

        refused = await at.post("a", "/v1/chat/completions", input=None, messages=[{"role": "user", "content": parts}])

        assert refused.status_code == 400
        assert "one and two" in refused.json()["error"]["message"]


async def test_ids_survive_the_process(tmp_path: Path):
    async with place(tmp_path) as at:
        await at.post("a")
    async with place(tmp_path) as at:
        known = await at.post("a", previous_response_id="resp_fake")
        unknown = await at.post("b", previous_response_id="resp_fake")

        # The provider has another address now, but its name is the same
        assert (known.status_code, unknown.status_code) == (200, 404)


async def test_an_operator_may_let_unknown_ids_pass(tmp_path: Path):
    async with place(tmp_path, kept={"unknown_ids": "pass"}) as at:
        passed = await at.post("a", previous_response_id="made-elsewhere")

        assert passed.status_code == 200
        assert b"made-elsewhere" in at.one.log[0].body
