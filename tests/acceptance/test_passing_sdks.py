"""The vendors' SDKs through a running gateway to what it has no endpoint for, and to batches of Google's."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import openai
import pytest
from google import genai

from headgate.transport.fake import FakeUpstream
from tests.acceptance.calling import ask, eventually, recorded
from tests.acceptance.running import Gateway, gateway


class Scene(NamedTuple):
    """A gateway that passes calls through to an upstream, for one of two keys."""

    gateway: Gateway
    upstream: FakeUpstream
    key: str
    """Of who may."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeUpstream.threaded() as upstream:
        providers = {
            "up": {"like": "openai", "base_url": upstream.url, "api_key": "none"},
            "google": {"like": "gemini", "base_url": upstream.url, "api_key": "none"},
        }
        config = {"providers": providers, "pass_through": {"providers": ["up"]}}
        with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
            key = started.run("keys", "create", "--name", "passer").strip()
            listed = json.loads(started.run("keys", "list", "--json"))
            id = next(each["id"] for each in listed if each["name"] == "passer")
            started.run("keys", "pass-through", id, "up")
            eventually(
                lambda: ask(started.url, "GET", "/up/v1/models", {"authorization": f"Bearer {key}"}).status != 403
            )
            yield Scene(started, upstream, key)


@pytest.fixture
def passing(scene: Scene) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{scene.gateway.url}/up/v1", api_key=scene.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("is_stream", [False, True])
def test_chats_pass_through_and_are_priced(scene: Scene, passing: openai.OpenAI, is_stream: bool):
    turns = [{"role": "user", "content": "hi"}]
    asked = {"model": "gpt-4o-mini", "messages": turns, "stream": is_stream}
    if is_stream:
        chunks = list(passing.chat.completions.create(**asked, stream_options={"include_usage": True}))
        assert chunks[-1].usage is not None
    else:
        assert passing.chat.completions.create(**asked).choices[0].message.content
    record = recorded(scene.gateway, "limit=1")[0]
    assert (record["route"], record["usage_source"]) == ("pass_through", "provider_reported")
    assert record["cost_nano_usd"] > 0


def test_what_has_no_endpoint_passes_through(scene: Scene, passing: openai.OpenAI):
    scene.upstream.reply(b'{"object":"list","data":[{"id":"role_1"}]}', path="/v1/organization/roles")
    answer = passing.get("/organization/roles", cast_to=object)
    assert answer == {"object": "list", "data": [{"id": "role_1"}]}
    assert scene.key not in str(scene.upstream.log[-1].headers)


def test_a_file_is_uploaded_and_stays_its_owners(scene: Scene, passing: openai.OpenAI):
    file = {"id": "file-7", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch"}
    scene.upstream.reply(json.dumps(file).encode(), path="/v1/files", times=1)
    made = passing.files.create(file=("a.jsonl", b"{}\n" * 100_000), purpose="batch")
    assert made.id == "file-7"
    assert scene.upstream.log[-1].body.count(b"{}\n") == 100_000
    scene.upstream.reply(json.dumps(file).encode(), path="/v1/files/file-7")
    assert passing.files.retrieve("file-7").id == "file-7"
    with (
        openai.OpenAI(base_url=f"{scene.gateway.url}/v1", api_key=scene.gateway.key, max_retries=0) as other,
        pytest.raises(openai.NotFoundError),
    ):
        other.files.retrieve("file-7")


def test_a_key_that_may_not_is_told_how_it_may(scene: Scene):
    with (
        openai.OpenAI(base_url=f"{scene.gateway.url}/up/v1", api_key=scene.gateway.key, max_retries=0) as client,
        pytest.raises(openai.PermissionDeniedError, match="headgate keys pass-through"),
    ):
        client.get("/organization/roles", cast_to=object)


def test_googles_sdk_makes_batches(scene: Scene):
    running = {"name": "batches/b1", "metadata": {"state": "BATCH_STATE_RUNNING", "model": "models/gemini-2.5-flash"}}
    answered = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "batched"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1_000_000, "candidatesTokenCount": 0, "totalTokenCount": 1_000_000},
        "modelVersion": "gemini-2.5-flash",
    }
    results = {"inlinedResponses": {"inlinedResponses": [{"response": answered}]}}
    metadata = {**running["metadata"], "state": "BATCH_STATE_SUCCEEDED", "output": results}
    scene.upstream.reply(json.dumps(running).encode(), path="/v1beta/models/gemini-2.5-flash:batchGenerateContent")
    scene.upstream.reply(b"{}", path="/v1beta/batches/b1:cancel")
    ended = {"name": "batches/b1", "metadata": metadata, "done": True, "response": results}
    scene.upstream.reply(json.dumps(ended).encode(), path="/v1beta/batches/b1")
    options = genai.types.HttpOptions(base_url=scene.gateway.url, headers={"x-headgate-provider": "google"})
    with genai.Client(api_key=scene.gateway.key, http_options=options) as client:
        request = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        made = client.batches.create(model="gemini-2.5-flash", src=[request])
        client.batches.cancel(name=made.name)
        got = client.batches.get(name=made.name)

    assert got.dest.inlined_responses[0].response.text == "batched"
    record = recorded(scene.gateway, "limit=1")[0]
    assert (record["cost_nano_usd"], record["usage"]["tier"]) == (150_000_000, "batch")
