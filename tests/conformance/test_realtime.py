"""Recorded live sessions: every event of the server is read, and usage is what was recorded; then each session once
more through a running gateway, message for message."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from websockets.sync.client import connect

from headgate.dialects.realtime import Ended, Heard, read_event
from headgate.transport.fake import FakeUpstream, HangUp, Hear, Line, Say
from tests.acceptance.calling import eventually, recorded
from tests.acceptance.running import Gateway, gateway
from tests.conformance.traffic import FOLDER

FILE = FOLDER / "realtime_ws.jsonl.gz"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"no recorded live sessions at {FILE}")


@cache
def sessions() -> tuple[dict[str, Any], ...]:
    """Those of OpenAI's events; Gemini's Live API has others."""
    if not FILE.exists():
        return ()
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        every = [json.loads(line) for line in lines]
    return tuple(each for each in every if all("type" in frame["data"] for frame in each["frames"]))


def received(session: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (frame["data"] for frame in session["frames"] if frame["direction"] == "received")


def used(session: dict[str, Any]) -> list[dict[str, Any]]:
    """What its answers are recorded to have used."""
    ended = [event["response"].get("usage") for event in received(session) if event["type"] == "response.done"]
    return [usage for usage in ended if usage]


def test_there_are_enough():
    assert len(sessions()) >= 18


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session["id"])
def test_every_event_is_read_and_usage_is_what_was_recorded(session: dict[str, Any]):
    told: list[dict[str, Any]] = []
    transcripts = 0
    for event in received(session):
        found = read_event(json.dumps(event).encode())
        if isinstance(found, Ended) and found.usage is not None:
            usage = found.usage
            given = event["response"]["usage"]["input_token_details"]
            made = event["response"]["usage"]["output_token_details"]
            assert (usage.input_tokens, usage.output_tokens) == (
                event["response"]["usage"]["input_tokens"],
                event["response"]["usage"]["output_tokens"],
            )
            assert (usage.cached_tokens, usage.input_audio_tokens) == (given["cached_tokens"], given["audio_tokens"])
            assert usage.output_audio_tokens == made["audio_tokens"]
            assert usage.cached_audio_tokens == given["cached_tokens_details"]["audio_tokens"]
            told.append({name: json.loads(bytes(raw)) for name, raw in usage.extras.items()})
        transcripts += isinstance(found, Heard)
    assert told == used(session)
    kind = "conversation.item.input_audio_transcription.completed"
    assert transcripts == sum(event["type"] == kind for event in received(session))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, FakeUpstream]]:
    with FakeUpstream.threaded() as upstream:
        providers = {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}}
        with gateway(tmp_path_factory.mktemp("gateway"), {"providers": providers}) as started:
            yield started, upstream


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session["id"])
def test_a_session_goes_through_message_for_message(scene: tuple[Gateway, FakeUpstream], session: dict[str, Any]):
    running, upstream = scene
    frames = [(frame["direction"], json.dumps(frame["data"]).encode()) for frame in session["frames"]]
    script: list[Line] = [Say(data) if direction == "received" else Hear() for direction, data in frames]
    upstream.talk([*script, HangUp()])
    before = {call["id"] for call in recorded(running)}
    url = f"{running.url.replace('http', 'ws')}/v1/realtime?model=up/gpt-realtime"
    with connect(url, additional_headers={"authorization": f"Bearer {running.key}"}, max_size=None) as client:
        for direction, data in frames:
            if direction == "sent":
                client.send(data.decode())
            else:
                assert client.recv(timeout=10, decode=False) == data
    assert upstream.talks[-1].heard == [data for direction, data in frames if direction == "sent"]

    def parts() -> list[dict[str, Any]]:
        made = [call for call in recorded(running) if call["id"] not in before]
        return made if any(call["operation"] == "realtime" for call in made) else []

    eventually(parts)
    answers = [call for call in parts() if call["operation"] == "realtime_response"]
    reported = [call["usage"]["extras"] for call in answers if call["usage_source"] == "provider_reported"]
    key = json.dumps
    assert sorted(map(key, reported)) == sorted(map(key, used(session)))
    done = sum(event["type"] == "response.done" for event in received(session))
    assert len(answers) == done
