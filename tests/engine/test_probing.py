"""Probes of what is out of order: free of charge, and a reason to try again."""

import asyncio
import time
from pathlib import Path

import pytest

from headgate.app.probing import probe
from headgate.routing.health import State
from headgate.transport.fake import Refuse, Status
from tests.engine.harness import bench

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"
REVOKED = Status(status=401, body='{"error":{"message":"revoked","code":"invalid_api_key"}}')


async def test_a_host_that_answers_again_is_tried_again(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        gateway.upstreams["a"].fail(Refuse())
        await asyncio.sleep(0.05)  # until the port is closed
        await gateway.post(CHAT, "r_openai_chat")
        [host] = {member.host for member in gateway.engine.fleet.members() if member.id == "a_openai_chat/m"}
        assert host.failed(3.0, time.monotonic(), 0.5, row_max=3)
        await probe(gateway.engine)
        assert (host.look(time.monotonic()), gateway.upstreams["a"].log) == (State.OPEN, [])
        gateway.upstreams["a"].heal()
        while gateway.upstreams["a"].log == []:  # the port opens in a moment
            await probe(gateway.engine)
        answer = await gateway.post(CHAT, "r_openai_chat")
    assert answer.headers["x-headgate-provider"] == "a_openai_chat"
    [asked] = {(each.method, each.path) for each in gateway.upstreams["a"].log[:1]}
    assert asked == ("GET", "/v1/models")


@pytest.mark.parametrize(("status", "is_back"), [(200, True), (401, False), (404, False), (503, False)])
async def test_an_account_is_back_when_its_key_is_taken(tmp_path: Path, status: int, is_back: bool):
    async with bench(tmp_path, "ab") as gateway:
        gateway.upstreams["a"].fail(REVOKED, path="/v1/chat/completions", times=1)
        gateway.upstreams["a"].reply(b'{"data":[]}', status=status, path="/v1/models")
        assert (await gateway.post(CHAT, "r_openai_chat")).headers["x-headgate-provider"] == "b_openai_chat"
        await probe(gateway.engine)
        answer = await gateway.post(CHAT, "r_openai_chat")
        seen = [each for each in gateway.upstreams["a"].log if each.path == "/v1/models"]
    assert (answer.headers["x-headgate-provider"] == "a_openai_chat") is is_back
    assert [each.headers["authorization"] for each in seen] == ["Bearer upstream-secret"]


async def test_what_is_well_is_left_alone(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await gateway.post(CHAT, "r_openai_chat")
        await probe(gateway.engine)
        assert [each.path for each in gateway.upstreams["a"].log] == ["/v1/chat/completions"]


async def test_what_has_no_list_is_not_asked(tmp_path: Path):
    providers = {"bedrock": {"api_key": "env:UPSTREAM_KEY", "region": "eu-west-1", "speaks": ["bedrock_converse"]}}
    routes = {"odd": {"targets": ["bedrock/m", "a_openai_chat/m"]}}
    async with bench(tmp_path, "a", providers=providers, routes=routes) as gateway:
        await gateway.post(CHAT, "r_openai_chat")
        fleet = gateway.engine.fleet
        member = fleet.member(gateway.engine.route("odd").targets[0].deployment)
        member.account.quarantine(1e9)
        await probe(gateway.engine)
    assert member.account.look(1e9) is State.OPEN
