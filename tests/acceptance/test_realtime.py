"""Live sessions through a running gateway: OpenAI's own clients, the books, and sides that leave, stall or vanish."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from headgate.policies.key_text import kid_of
from headgate.transport.fake import Babble, Deaf, FakeUpstream, HangUp, Hear, Line, Live, Refuse, Say, Status, Vanish
from tests.acceptance.calling import ask, connect, eventually, recorded
from tests.acceptance.running import Gateway, gateway
from tests.acceptance.speaking import Raw, frame, opening

PATH = "/v1/realtime?model=voice"
TEXT = 1
USAGE = {
    "total_tokens": 250,
    "input_tokens": 150,
    "output_tokens": 100,
    "input_token_details": {
        "text_tokens": 90,
        "audio_tokens": 60,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 44, "audio_tokens": 20, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 70},
}
COST_USD = (46 * 4 + 40 * 32 + 64 * 0.4 + 30 * 16 + 70 * 64) / 1e6
"""At USD 4 and 16 per million tokens of text, 32 and 64 of audio, 0.4 of what came from the cache."""


class Scene(NamedTuple):
    """A gateway, and two providers of live sessions, of which the first may fail."""

    gateway: Gateway
    upstream: FakeUpstream
    second: FakeUpstream

    def open(self, path: str = PATH, key: str = "", **fields: Any) -> ClientConnection:
        headers = {"authorization": f"Bearer {key or self.gateway.key}"}
        return open_socket(self.gateway.url.replace("http", "ws") + path, additional_headers=headers, **fields)

    def talk(self, *script: Line) -> None:
        self.upstream.talk(script)

    def calls(self, since: set[str]) -> list[dict[str, Any]]:
        """What was booked, oldest first, once the session is over."""
        made: list[dict[str, Any]] = []

        def is_over() -> bool:
            made[:] = [call for call in recorded(self.gateway) if call["id"] not in since]
            return any(call["operation"] == "realtime" for call in made)

        eventually(is_over, s=5)
        return sorted(made, key=lambda call: call["id"])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeUpstream.threaded() as upstream, FakeUpstream.threaded() as second:
        providers = {
            "up": {"like": "openai", "base_url": upstream.url, "api_key": "env:THEIRS"},
            "second": {"like": "openai", "base_url": second.url, "api_key": "env:THEIRS"},
            "mute": {"like": "anthropic", "base_url": upstream.url, "api_key": "env:THEIRS"},
        }
        routes = {
            "voice": {"targets": ["up/gpt-realtime"]},
            "safe-voice": {"targets": ["up/gpt-realtime", "second/gpt-realtime"]},
            "worn-voice": {"targets": ["up/gpt-realtime-mini", "second/gpt-realtime-mini"]},
            "rested-voice": {"targets": ["up/gpt-4o-realtime-preview"]},
            "mute": {"targets": ["mute/claude-sonnet-4-5"]},
        }
        config = {"providers": providers, "routes": routes, "server": {"body_bytes_max": 1_000_000}}
        with gateway(tmp_path_factory.mktemp("gateway"), config, THEIRS="sk-theirs") as started:
            yield Scene(started, upstream, second)


@pytest.fixture
def scene(both: Scene) -> Scene:
    """The same, as new."""
    both.upstream.heal()
    for upstream in (both.upstream, both.second):
        upstream.full_log.clear()
        upstream.talks.clear()
    return both


@pytest.fixture
def since(scene: Scene) -> set[str]:
    """The calls before the test."""
    return {call["id"] for call in recorded(scene.gateway)}


def event(kind: str, **members: Any) -> bytes:
    return json.dumps({"type": kind, "event_id": "e", **members}).encode()


CREATED = event(
    "session.created", session={"model": "gpt-realtime", "audio": {"output": {"format": {"type": "audio/pcm"}}}}
)
BEGUN = event("response.created", response={"id": "r1", "status": "in_progress"})
DONE = event("response.done", response={"id": "r1", "status": "completed", "usage": USAGE})


def rest_of(client: ClientConnection) -> list[bytes]:
    """Everything up to the close."""
    told: list[bytes] = []
    try:
        while True:
            told.append(client.recv(timeout=5, decode=False))
    except ConnectionClosed:
        return told


def the_talk(upstream: FakeUpstream) -> Live:
    (live,) = upstream.talks
    return live


# What it is for


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # of how the SDK opens its socket
def test_openais_client_has_a_conversation(scene: Scene, since: set[str]):
    client = openai.OpenAI(base_url=f"{scene.gateway.url}/v1", api_key=scene.gateway.key)
    with client, client.realtime.connect(model="voice") as connection:
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        item: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        connection.conversation.item.create(item=item)
        connection.response.create()
        words = ""
        for told in connection:
            if told.type == "response.output_text.delta":
                words += told.delta
            if told.type == "response.done":
                break
        assert words == scene.upstream.settings.text
    session, answer = scene.calls(since)
    assert (session["operation"], session["surface"], session["outcome"], session["status"]) == (
        "realtime", "openai_realtime", "ok", 101
    )  # fmt: skip
    assert (answer["operation"], answer["model"], answer["usage_source"]) == (
        "realtime_response", "voice", "provider_reported"
    )  # fmt: skip
    assert answer["session"] == session["session"] == session["id"]
    (attempt,) = scene.upstream.log
    assert attempt.path == "/v1/realtime?model=gpt-realtime"
    assert attempt.headers["authorization"] == "Bearer sk-theirs"
    assert scene.gateway.key not in str(attempt.headers)


def test_openais_async_client_hears_and_is_written_down(scene: Scene, since: set[str]):
    async def act() -> list[str]:
        kinds: list[str] = []
        client = openai.AsyncOpenAI(base_url=f"{scene.gateway.url}/v1", api_key=scene.gateway.key)
        async with client, client.realtime.connect(model="voice") as connection:
            audio = base64.b64encode(bytes(4800)).decode()
            await connection.input_audio_buffer.append(audio=audio)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            async for told in connection:
                kinds.append(told.type)
                if told.type == "response.done":
                    assert told.response.usage is not None
                    assert told.response.usage.output_token_details is not None
                    assert told.response.usage.output_token_details.audio_tokens == 9
                    return kinds
        return kinds

    assert "response.output_audio.delta" in asyncio.run(act())
    calls = scene.calls(since)
    assert [call["operation"] for call in calls] == ["realtime", "realtime_transcription", "realtime_response"]
    heard = calls[1]["usage"]
    assert (heard["input_tokens"], heard["output_tokens"], heard["input_audio_tokens"]) == (26, 9, 26)


def test_audio_text_and_cached_tokens_have_their_own_prices(scene: Scene, since: set[str]):
    scene.talk(Say(CREATED), Hear(), Say(BEGUN), Say(DONE), Say(BEGUN), Say(DONE), HangUp())
    with scene.open() as client:
        client.send(event("response.create").decode())
        rest_of(client)
    session, *answers = scene.calls(since)
    assert [float(answer["cost_usd"]) for answer in answers] == [pytest.approx(COST_USD)] * 2
    assert float(session["cost_usd"]) == 0
    for answer in answers:
        shown = scene.gateway.get(f"/v1/generations/{answer['id']}")
        assert float(shown["data"]["total_cost"] if "data" in shown else shown["cost_usd"]) == pytest.approx(COST_USD)


def test_messages_pass_as_they_are(scene: Scene):
    odd = b'{"type" : "of.tomorrow",\n "x": [1.50, "\xc3\xa4"]}'
    scene.talk(Say(odd), Hear(2), HangUp(4321, "enough"))
    with scene.open() as client:
        assert client.recv(timeout=5, decode=False) == odd
        client.send(odd.decode())
        client.send(b"\x00\xff")
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert (client.close_code, client.close_reason) == (4321, "enough")
    assert the_talk(scene.upstream).heard == [odd, b"\x00\xff"]


def test_the_clients_name_of_a_model_is_put_into_the_providers(scene: Scene):
    scene.talk(Say(CREATED), Hear(), HangUp())
    with scene.open() as client:
        client.send('{"type":"session.update","session":{"type":"realtime","model":"voice"}}')
        client.recv(timeout=5)
    eventually(lambda: the_talk(scene.upstream).heard)
    assert json.loads(the_talk(scene.upstream).heard[0])["session"]["model"] == "gpt-realtime"


def test_the_next_provider_is_tried_before_the_session_begins(scene: Scene, since: set[str]):
    scene.upstream.fail(Status(503))
    with scene.open("/v1/realtime?model=safe-voice") as client:
        assert json.loads(client.recv(timeout=5))["type"] == "session.created"
        assert client.response is not None
        assert client.response.headers["x-headgate-provider"] == "second"
        assert client.response.headers["x-headgate-attempts"] == "2"
    (session,) = scene.calls(since)
    shown = [(each["provider"], each["outcome"]) for each in _detail(scene, session["id"])["attempts"]]
    assert shown == [("up", "overload"), ("second", "ok")]


def test_a_provider_whose_sessions_fail_is_left_and_one_that_wants_rest_is_waited_for(scene: Scene, since: set[str]):
    for _ in range(6):
        scene.upstream.fail(Status(503), times=2)
        with scene.open("/v1/realtime?model=worn-voice") as client:
            assert json.loads(client.recv(timeout=5))["type"] == "session.created"
    scene.upstream.heal()
    with scene.open("/v1/realtime?model=worn-voice") as client:
        assert client.response is not None
        assert client.response.headers["x-headgate-attempts"] == "1"
        assert client.response.headers["x-headgate-provider"] == "second"
    scene.upstream.fail(Status(429, retry_after_s=1), times=1)
    assert refusal(scene, "/v1/realtime?model=rested-voice")[0] == 429
    with scene.open("/v1/realtime?model=rested-voice") as client:
        assert json.loads(client.recv(timeout=5))["type"] == "session.created"
    waited = [each["queued_ms"] for each in scene.calls(since) if each.get("queued_ms")]
    assert len(waited) == 1
    assert 500 < waited[0] < 1100


def _detail(scene: Scene, call_id: str) -> dict[str, Any]:
    (found,) = [call for call in recorded(scene.gateway) if call["id"] == call_id]
    return found


# What is refused, in HTTP


def refusal(scene: Scene, path: str, key: str = "") -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught, scene.open(path, key):
        pass
    response = caught.value.response
    return response.status_code, json.loads(bytes(response.body))["error"]


def test_what_cannot_be_joined_is_told_before_the_handshake(scene: Scene):
    status, error = refusal(scene, "/v1/realtime")
    assert (status, error["param"]) == (400, "model")
    assert refusal(scene, "/v1/realtime?model=nothing")[0] == 404
    status, error = refusal(scene, "/v1/realtime?model=mute")
    assert (status, "second, up" in error["message"]) == (400, True)
    assert refusal(scene, "/v1/realtime?model=voice&call_id=c")[1]["param"] == "call_id"
    assert refusal(scene, "/v1/realtime?model=voice&intent=song")[1]["param"] == "intent"
    assert refusal(scene, PATH, "sk-hg_no")[0] == 401
    assert scene.upstream.log == []


@pytest.mark.parametrize(("fault", "status"), [(Status(401), 502), (Status(429), 429), (Status(400), 400)])
def test_a_providers_refusal_is_told(scene: Scene, since: set[str], fault: Status, status: int):
    scene.upstream.fail(fault)
    assert refusal(scene, PATH)[0] == status
    (session,) = scene.calls(since)
    assert (session["status"], session["outcome"] != "ok") == (status, True)


def test_a_provider_that_is_not_there(scene: Scene, since: set[str]):
    scene.upstream.fail(Refuse())
    time.sleep(0.1)
    status, error = refusal(scene, PATH)
    assert (status, error["metadata"]["attempts"][0]["outcome"]) == (502, "connect")
    assert [call["outcome"] for call in scene.calls(since)] == ["connect"]
    scene.upstream.heal()
    eventually(lambda: _is_there(scene))


def _is_there(scene: Scene) -> bool:
    try:
        connect(scene.upstream.url).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_plain_request_is_told_to_ask_for_a_websocket(scene: Scene):
    reply = ask(scene.gateway.url, "GET", PATH, {"authorization": f"Bearer {scene.gateway.key}"})
    assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")
    assert scene.upstream.log == []


# Ends


def test_a_client_that_closes(scene: Scene, since: set[str]):
    scene.talk(Say(CREATED), Hear(99))
    with scene.open() as client:
        client.recv(timeout=5)
        client.send("{}")
        client.close(4001, "bye")
    eventually(lambda: the_talk(scene.upstream).is_over, s=2)
    live = the_talk(scene.upstream)
    assert (live.close_code, live.close_reason, live.heard) == (4001, "bye", [b"{}"])
    (session,) = scene.calls(since)
    assert session["outcome"] == "ok"


def test_a_client_that_vanishes_in_the_midst_of_an_answer(scene: Scene, since: set[str]):
    delta = event("response.output_audio.delta", response_id="r1", delta="A" * 6400)
    word = event("response.output_audio_transcript.delta", response_id="r1", delta="a" * 40)
    scene.talk(Say(CREATED), Say(BEGUN), Say(DONE), Say(BEGUN), Say(delta), Say(word), Hear(99))
    with scene.open() as client:
        for _ in range(6):
            client.recv(timeout=5)
        client.socket.shutdown(socket.SHUT_RDWR)
    eventually(lambda: the_talk(scene.upstream).is_over, s=2)
    assert the_talk(scene.upstream).close_code == 1001
    session, whole, cut = scene.calls(since)
    assert (session["outcome"], cut["outcome"], whole["outcome"]) == ("client_gone", "client_gone", "ok")
    assert cut["usage_source"] == "counted"
    assert (cut["usage"]["input_tokens"], cut["usage"]["output_tokens"]) == (250, 2 + 10)
    assert cut["usage"]["output_audio_tokens"] == 2
    assert len({call["id"] for call in scene.calls(since)}) == 3


def test_a_provider_that_vanishes_in_the_midst_of_an_answer(scene: Scene, since: set[str]):
    scene.talk(
        Say(CREATED), Say(BEGUN), Say(event("response.output_text.delta", response_id="r1", delta="x" * 8)), Vanish()
    )
    with scene.open() as client:
        rest_of(client)
        assert client.close_code == 1011
    session, cut = scene.calls(since)
    assert (session["outcome"], cut["outcome"], cut["usage"]["output_tokens"]) == ("cut", "cut", 2)


@pytest.mark.parametrize(
    ("code", "outcome"), [(1000, "ok"), (1001, "ok"), (4000, "ok"), (1011, "server"), (1008, "server")]
)
def test_a_providers_close_is_passed_on(scene: Scene, since: set[str], code: int, outcome: str):
    scene.talk(Say(CREATED), HangUp(code, "why"))
    with scene.open() as client:
        client.recv(timeout=5)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert (client.close_code, client.close_reason) == (code, "why")
    (session,) = scene.calls(since)
    assert session["outcome"] == outcome


def test_errors_within_a_session_are_passed_on_and_kept(scene: Scene, since: set[str]):
    with scene.open() as client:
        client.recv(timeout=5)
        client.send('{"type":"nonsense"}')
        assert json.loads(client.recv(timeout=5))["error"]["code"] == "invalid_value"
        client.send('{"type":"response.create"}')
        while json.loads(client.recv(timeout=5))["type"] != "response.done":
            pass
    session, answer = scene.calls(since)
    assert (session["outcome"], session["error"]) == ("ok", "Invalid value: 'nonsense'.")
    assert answer["outcome"] == "ok"


def test_an_event_that_cannot_be_read_is_passed_on_and_told_in_the_record(scene: Scene, since: set[str]):
    broken = b'{"type":"response.done","response":7}'
    scene.talk(Say(CREATED), Say(BEGUN), Say(broken), HangUp())
    with scene.open() as client:
        told = [client.recv(timeout=5, decode=False) for _ in range(3)]
        assert told[-1] == broken
    session, answer = scene.calls(since)
    assert "cannot be read" in session["error"]
    assert (answer["usage_source"], answer["outcome"]) == ("counted", "client_gone")


# Sides that are too slow, or say too much


def test_a_client_that_does_not_read_holds_its_provider_back(scene: Scene):
    scene.talk(Say(CREATED), Babble(event("response.output_audio.delta", response_id="r", delta="A" * 60_000)))
    with connect(scene.gateway.url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw = Raw(connection, opening(PATH, scene.gateway.key))
        raw.frame()
        live = the_talk(scene.upstream)
        eventually(lambda: _stands_still(live))
        assert live.said * 60_000 < 48 * 1024 * 1024
        with scene.open() as other:
            assert json.loads(other.recv(timeout=5))["type"] == "session.created"
        held = live.said
        while live.said < held + 20:
            raw.frame()
    eventually(lambda: live.is_over, s=3)


def _stands_still(live: Live) -> bool:
    before = live.said
    time.sleep(0.3)
    return live.said == before > 0


def test_a_provider_that_does_not_read_holds_its_client_back(scene: Scene):
    scene.talk(Say(CREATED), Deaf())
    with connect(scene.gateway.url) as connection:
        raw = Raw(connection, opening(PATH, scene.gateway.key))
        raw.frame()
        connection.settimeout(1)
        message = frame(TEXT, event("input_audio_buffer.append", audio="A" * 60_000))
        with pytest.raises(TimeoutError):
            _send(raw, message, 1000)
    eventually(lambda: any(call["operation"] == "realtime" for call in recorded(scene.gateway, "limit=1")), s=5)


def _send(raw: Raw, message: bytes, times: int) -> None:
    for _ in range(times):
        raw.send(message)


def test_messages_that_are_too_long_end_the_session(scene: Scene, since: set[str]):
    scene.talk(Say(CREATED), Hear(99))
    with scene.open(max_size=None) as client:
        client.recv(timeout=5)
        client.send("x" * 1_000_001)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert client.close_code == 1009
    eventually(lambda: the_talk(scene.upstream).is_over, s=3)
    scene.talk(Say(CREATED), Say(b"x" * 1_000_001), Hear(99))
    with scene.open(max_size=None) as client:
        client.recv(timeout=5)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
    assert {call["outcome"] for call in scene.calls(since)} <= {"local", "stall"}


# Keys and secrets


def test_a_browser_presents_its_key_as_a_sub_protocol(scene: Scene):
    offers = ["realtime", f"openai-insecure-api-key.{scene.gateway.key}", "openai-beta.realtime-v1"]
    url = scene.gateway.url.replace("http", "ws") + PATH
    with open_socket(url, subprotocols=offers) as client:  # type: ignore[arg-type]
        assert client.subprotocol == "realtime"
        assert json.loads(client.recv(timeout=5))["type"] == "session.created"
    with pytest.raises(InvalidStatus), open_socket(url, subprotocols=["openai-insecure-api-key.no"]):  # type: ignore[list-item]
        pass
    (attempt,) = scene.upstream.log
    assert "sec-websocket-protocol" not in attempt.headers


def mint(scene: Scene, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
    fields = {"authorization": f"Bearer {key or scene.gateway.key}", "content-type": "application/json"}
    reply = ask(scene.gateway.url, "POST", path, fields, json.dumps(body).encode())
    return {"status": reply.status, **json.loads(reply.body)}


def test_a_client_secret_opens_its_session_and_nothing_else(scene: Scene):
    session = {"type": "realtime", "model": "voice", "instructions": "be brief"}
    made = mint(scene, "/v1/realtime/client_secrets", {"session": session, "expires_after": {"seconds": 60}})
    assert made["status"] == 200
    assert made["session"].items() >= session.items()
    assert 50 < made["expires_at"] - time.time() < 61
    assert scene.upstream.log == []
    with scene.open("/v1/realtime", made["value"]) as client:
        assert json.loads(client.recv(timeout=5))["type"] == "session.created"
        updated = json.loads(client.recv(timeout=5))
        assert (updated["type"], updated["session"]["instructions"]) == ("session.updated", "be brief")
    assert json.loads(the_talk(scene.upstream).heard[0]) == {
        "type": "session.update",
        "session": {"type": "realtime", "instructions": "be brief"},
    }
    assert refusal(scene, "/v1/realtime?model=up/gpt-4o-realtime-preview", made["value"])[1]["param"] == "model"
    for path in ("/v1/models", "/v1/responses"):
        assert ask(scene.gateway.url, "GET", path, {"authorization": f"Bearer {made['value']}"}).status == 401
    assert mint(scene, "/v1/realtime/client_secrets", {"session": session}, made["value"])["status"] == 401


def test_the_older_endpoints_mint_too(scene: Scene):
    made = mint(scene, "/v1/realtime/sessions", {"model": "voice", "voice": "alloy"})
    assert (made["object"], made["voice"], made["model"]) == ("realtime.session", "alloy", "voice")
    with scene.open(PATH, made["client_secret"]["value"]) as client:
        assert json.loads(client.recv(timeout=5))["type"] == "session.created"
    body = {"input_audio_transcription": {"model": "voice"}}
    made = mint(scene, "/v1/realtime/transcription_sessions", body)
    assert made["object"] == "realtime.transcription_session"
    with scene.open("/v1/realtime", made["client_secret"]["value"]) as client:
        client.recv(timeout=5)
    assert scene.upstream.log[-1].path == "/v1/realtime?intent=transcription"


def test_what_cannot_be_minted_is_told(scene: Scene):
    assert mint(scene, "/v1/realtime/client_secrets", {"session": {"model": "nothing"}})["status"] == 404
    refused = mint(scene, "/v1/realtime/client_secrets", {"session": {"model": "mute"}})
    assert (refused["status"], refused["error"]["code"]) == (400, "unsupported_feature")
    refused = mint(scene, "/v1/realtime/client_secrets", {})
    assert (refused["status"], refused["error"]["param"]) == (400, "session.model")


def test_a_secret_and_a_session_end_with_their_key(scene: Scene):
    key = scene.gateway.run("keys", "create", "--name", "short").strip()
    made = mint(scene, "/v1/realtime/client_secrets", {"session": {"type": "realtime", "model": "voice"}}, key)
    with scene.open(key=key) as client:
        client.recv(timeout=5)
        scene.gateway.run("keys", "revoke", kid_of(key.encode()).decode())
        time.sleep(1.5)  # revocations are looked for once a second
        client.send('{"type":"response.create"}')
        rest_of(client)
        assert client.close_code == 1008
    assert refusal(scene, "/v1/realtime", made["value"])[0] == 401


def test_stopping_lets_an_answer_end_and_closes_both_sides(tmp_path: Any):
    with FakeUpstream.threaded() as upstream:
        config = {"providers": {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}}}
        with gateway(tmp_path, config) as started:
            scene = Scene(started, upstream, upstream)
            upstream.talk([Say(CREATED), Hear(), Say(BEGUN), Hear(), Say(DONE), Hear(99)])
            with scene.open("/v1/realtime?model=up/gpt-realtime") as client:
                client.recv(timeout=5)
                client.send("{}")
                client.recv(timeout=5)
                started.process.terminate()
                time.sleep(0.3)
                client.send("{}")
                assert json.loads(client.recv(timeout=5))["type"] == "response.done"
                with pytest.raises(ConnectionClosed):
                    client.recv(timeout=5)
                assert client.close_code == 1001
            assert started.process.wait(timeout=10) == 0
            eventually(lambda: the_talk(upstream).is_over, s=2)


def test_a_killed_process_loses_no_answer_and_books_none_twice(tmp_path: Path):
    with FakeUpstream.threaded() as upstream:
        config = {"providers": {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}}}
        upstream.talk([Say(CREATED), Say(BEGUN), Say(DONE), Say(BEGUN), Say(DONE), Say(BEGUN), Hear(99)])
        with gateway(tmp_path, config) as first:
            url = f"{first.url.replace('http', 'ws')}/v1/realtime?model=up/gpt-realtime"
            with open_socket(url, additional_headers={"authorization": f"Bearer {first.key}"}) as client:
                for _ in range(6):
                    client.recv(timeout=5)
                time.sleep(0.5)  # the journal reaches the disk a moment later
                first.kill()
        with gateway(tmp_path, config) as second:
            eventually(lambda: any(call["operation"] == "realtime" for call in recorded(second)))
            calls = sorted(recorded(second), key=lambda call: call["id"])
    assert [(call["operation"], call["outcome"]) for call in calls] == [
        ("realtime", "local"),
        ("realtime_response", "ok"),
        ("realtime_response", "ok"),
        ("realtime_response", "local"),
    ]
    assert [float(call["cost_usd"]) for call in calls[1:3]] == [pytest.approx(COST_USD)] * 2
