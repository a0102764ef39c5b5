"""What a provider keeps of OpenAI's responses, by its own client: looked at, followed, cancelled, deleted, counted."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import openai
import pytest

from headgate.transport.fake import FakeUpstream
from tests.acceptance.calling import ask, eventually, recorded
from tests.acceptance.running import Gateway, gateway

USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 100,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 1100,
}
COST_USD = (1000 * 0.15 + 100 * 0.6) / 1e6
"""At what gpt-4o-mini costs."""


class Scene(NamedTuple):
    """A gateway, the provider that keeps answers, and one that does not."""

    gateway: Gateway
    upstream: FakeUpstream
    other: FakeUpstream

    def client(self, key: str = "") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.gateway.url}/v1", api_key=key or self.gateway.key, max_retries=0)

    def paths(self) -> list[str]:
        """What the keeping provider was asked."""
        return [f"{attempt.method} {attempt.path}" for attempt in self.upstream.log]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeUpstream.threaded() as upstream, FakeUpstream.threaded() as other:
        providers = {
            "keeping": {"like": "openai", "base_url": upstream.url, "api_key": "none"},
            "claude": {"like": "anthropic", "base_url": other.url, "api_key": "none"},
        }
        routes = {
            "mini": {"targets": ["keeping/gpt-4o-mini"]},
            "claude": {"targets": ["claude/claude-sonnet-4-5"]},
            "either": {"targets": ["claude/claude-sonnet-4-5", "keeping/gpt-4o-mini"]},
        }
        config = {"providers": providers, "routes": routes}
        with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
            yield Scene(started, upstream, other)


@pytest.fixture
def scene(both: Scene) -> Scene:
    """The same, with empty logs."""
    both.upstream.full_log.clear()
    both.other.full_log.clear()
    return both


def response(id: str, status: str, **members: Any) -> dict[str, Any]:
    text = {"type": "output_text", "text": "done", "annotations": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    return {
        "id": id,
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "background": True,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-4o-mini",
        "output": [item] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": USAGE if status == "completed" else None,
        **members,
    }


def answers(scene: Scene, path: str, body: dict[str, Any], times: int = 1) -> None:
    scene.upstream.reply(json.dumps(body).encode(), path=path, times=times)


def in_background(scene: Scene, id: str) -> openai.types.responses.Response:
    """An answer that goes on at the provider."""
    answers(scene, "/v1/responses", response(id, "queued"))
    with scene.client() as client:
        made = client.responses.create(model="mini", input="think", background=True)
    assert (made.id, made.status) == (id, "queued")
    return made


def booked(scene: Scene, since: set[str]) -> list[dict[str, Any]]:
    """What has been written down, oldest first."""
    return sorted((call for call in recorded(scene.gateway) if call["id"] not in since), key=lambda call: call["id"])


def test_what_is_done_in_the_background_is_billed_once_when_it_is_told(scene: Scene):
    since = {call["id"] for call in recorded(scene.gateway)}
    in_background(scene, "resp_bg1")
    answers(scene, "/v1/responses/resp_bg1", response("resp_bg1", "in_progress"))
    answers(scene, "/v1/responses/resp_bg1", response("resp_bg1", "completed"), times=2)
    with scene.client() as client:
        states = [client.responses.retrieve("resp_bg1").status for _ in range(3)]
    assert states == ["in_progress", "completed", "completed"]
    eventually(lambda: len(booked(scene, since)) == 4)
    made, early, first, again = booked(scene, since)
    assert (made.get("usage_source", "none"), made.get("is_priced", True), float(made["cost_usd"] or 0)) == (
        "none",
        False,
        0,
    )
    assert [float(call["cost_usd"] or 0) for call in (early, first, again)] == [0, pytest.approx(COST_USD), 0]
    assert first["usage"]["output_tokens"] == 100


def test_a_stream_is_taken_up_again(scene: Scene):
    in_background(scene, "resp_bg2")
    created = {"type": "response.created", "sequence_number": 0, "response": response("resp_bg2", "in_progress")}
    ended = {"type": "response.completed", "sequence_number": 9, "response": response("resp_bg2", "completed")}
    chunks = [b"data: %b\n\n" % json.dumps(event).encode() for event in (created, ended)]
    scene.upstream.stream(chunks, path="/v1/responses/resp_bg2", times=2)
    since = {call["id"] for call in recorded(scene.gateway)}
    with scene.client() as client:
        for _ in range(2):
            events = list(client.responses.retrieve("resp_bg2", stream=True, starting_after=4))
            assert [event.type for event in events] == ["response.created", "response.completed"]
    assert scene.paths()[-1] in (
        "GET /v1/responses/resp_bg2?starting_after=4&stream=true",
        "GET /v1/responses/resp_bg2?stream=true&starting_after=4",
    )
    eventually(lambda: len(booked(scene, since)) == 2)
    assert [float(call["cost_usd"] or 0) for call in booked(scene, since)] == [pytest.approx(COST_USD), 0]


def test_an_answer_is_cancelled_looked_into_and_deleted(scene: Scene):
    in_background(scene, "resp_bg3")
    answers(scene, "/v1/responses/resp_bg3/cancel", response("resp_bg3", "cancelled"))
    item = {"id": "msg_0", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "think"}]}
    page = {"object": "list", "data": [item], "first_id": "msg_0", "last_id": "msg_0", "has_more": False}
    answers(scene, "/v1/responses/resp_bg3/input_items", page)
    answers(scene, "/v1/responses/resp_bg3", {"id": "resp_bg3", "object": "response.deleted", "deleted": True})
    with scene.client() as client:
        assert client.responses.cancel("resp_bg3").status == "cancelled"
        assert [each.id for each in client.responses.input_items.list("resp_bg3")] == ["msg_0"]
        client.responses.delete("resp_bg3")
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve("resp_bg3")
    assert scene.paths()[1:] == [
        "POST /v1/responses/resp_bg3/cancel",
        "GET /v1/responses/resp_bg3/input_items",
        "DELETE /v1/responses/resp_bg3",
    ]


def test_what_another_key_made_is_not_there(scene: Scene):
    in_background(scene, "resp_bg4")
    other = scene.gateway.run("keys", "create", "--name", "other").strip()
    asked = len(scene.upstream.log)
    with scene.client(other) as client:
        for act in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError):
                act("resp_bg4")
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="mini", input="go on", previous_response_id="resp_bg4")
    assert len(scene.upstream.log) == asked


def test_an_answer_is_gone_on_from_where_it_is_kept(scene: Scene):
    with scene.client() as client:
        before = client.responses.create(model="mini", input="one")
        after = client.responses.create(model="either", input="two", previous_response_id=before.id)
        assert after.status == "completed"
        assert json.loads(scene.upstream.log[-1].body)["previous_response_id"] == before.id
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="claude", input="two", previous_response_id=before.id)
        assert "kept by keeping" in str(caught.value)
    assert scene.other.log == []


@pytest.mark.parametrize("asked", [{"background": True}, {"conversation": "conv_1"}])
def test_what_a_provider_does_not_keep_is_refused_with_who_does(scene: Scene, asked: dict[str, Any]):
    with scene.client() as client:
        if "conversation" in asked:
            answers(scene, "/v1/conversations", {"id": "conv_1", "object": "conversation", "created_at": 1})
            client.conversations.create(extra_query={"provider": "keeping"})
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="claude", input="x", **asked)
        assert "keeping" in str(caught.value)
        assert client.responses.create(model="either", input="x", **asked).status == "completed"
    assert scene.other.log == []


def test_tokens_are_counted_by_whoever_can(scene: Scene):
    answers(scene, "/v1/responses/input_tokens", {"object": "response.input_tokens", "input_tokens": 42})
    with scene.client() as client:
        counted = client.responses.input_tokens.count(model="mini", input="How long is this?")
        assert (counted.input_tokens, counted.object) == (42, "response.input_tokens")
        assert json.loads(scene.upstream.log[-1].body) == {"model": "gpt-4o-mini", "input": "How long is this?"}
        scene.upstream.reply(
            b'{"error":{"message":"Not found"}}', status=404, path="/v1/responses/input_tokens", times=1
        )
        told = client.responses.input_tokens.with_raw_response.count(model="mini", input="How long is this?")
        assert told.headers["x-headgate-estimated"] == "input_tokens"
        assert told.parse().input_tokens > 1
        scene.other.reply(b'{"input_tokens":7}', path="/v1/messages/count_tokens", times=1)
        assert client.responses.input_tokens.count(model="claude", input="hi").input_tokens == 7
        assert json.loads(scene.other.log[-1].body)["messages"][0]["content"]


def test_a_conversation_is_compacted_and_metered(scene: Scene):
    since = {call["id"] for call in recorded(scene.gateway)}
    item = {"id": "cmp_1", "type": "compaction", "encrypted_content": "sealed"}
    body = {"id": "resp_c", "object": "response.compaction", "created_at": 1, "output": [item], "usage": USAGE}
    answers(scene, "/v1/responses/compact", body)
    with scene.client() as client:
        made = client.responses.compact(model="mini", input="a long story")
        assert made.output[0].type == "compaction"
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.compact(model="claude", input="a long story")
        assert "shorten conversations" in str(caught.value)
        with pytest.raises(openai.NotFoundError):
            client.responses.compact(model="mini", previous_response_id="resp_nobodys")
    eventually(lambda: len(booked(scene, since)) == 3)
    good = booked(scene, since)[0]
    assert (good["operation"], good["usage_source"]) == ("compaction", "provider_reported")
    assert float(good["cost_usd"]) == pytest.approx(COST_USD)


def test_paths_that_name_nothing(scene: Scene):
    key = {"authorization": f"Bearer {scene.gateway.key}"}
    for path in ("/v1/responses/resp_unknown", "/v1/responses/..%2Fmodels", "/v1/responses/a/b/c"):
        assert ask(scene.gateway.url, "GET", path, key).status == 404
    assert ask(scene.gateway.url, "PUT", "/v1/responses/resp_1", key).status == 405
    assert ask(scene.gateway.url, "GET", "/v1/responses/input_tokens", key).status == 405
    assert scene.upstream.log == []
