"""OpenAI's responses over a WebSocket: real clients, and sockets that do what no client does."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import openai
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from headgate.policies.key_text import kid_of
from headgate.transport.fake import CutAfter, Drip, FakeUpstream, Repeat, Send, StallAfter, Status
from tests.acceptance.calling import ask, connect, eventually, recorded
from tests.acceptance.running import VIAS, Gateway, demos, gateway, upstreams
from tests.acceptance.speaking import ACCEPTED, Raw, frame, opening

PATH = "/v1/responses"
TEXT, CONT, CLOSE, PING, PONG = 1, 0, 8, 9, 10
BODY_BYTES_MAX = 200_000
ENDS = {"response.completed", "response.incomplete", "response.failed", "error"}


class Scene(NamedTuple):
    """A gateway and its only upstream, with an empty log."""

    gateway: Gateway
    upstream: FakeUpstream

    def open(self, key: str = "", **fields: str) -> ClientConnection:
        """A client's socket."""
        url = self.gateway.url.replace("http", "ws") + PATH
        return open_socket(url, additional_headers={"authorization": f"Bearer {key or self.gateway.key}", **fields})

    def raw(self, **changes: str | None) -> Raw:
        """A bare one."""
        connection = connect(self.gateway.url)
        return Raw(connection, opening(PATH, self.gateway.key, **changes))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeUpstream.threaded() as upstream:
        routes = {via: {"targets": [f"{provider}/echo"]} for via, provider in VIAS.items()}
        routes |= {name: {"targets": [f"up_{name}/m"]} for name in ("openai_responses", "anthropic")}
        config = {
            "providers": {**demos(), **upstreams(upstream.url)},
            "routes": routes,
            "server": {"body_bytes_max": BODY_BYTES_MAX},
        }
        with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
            yield Scene(started, upstream)


@pytest.fixture
def scene(both: Scene) -> Scene:
    """The same, as new."""
    both.upstream.heal()
    both.upstream.full_log.clear()
    return both


def create(**members: Any) -> str:
    return json.dumps({"type": "response.create", **members})


def events(client: ClientConnection) -> list[dict[str, Any]]:
    """Everything up to the end of an answer."""
    told = [json.loads(client.recv(timeout=10))]
    while told[-1]["type"] not in ENDS:
        told.append(json.loads(client.recv(timeout=10)))
    return told


def turn(client: ClientConnection, **members: Any) -> list[dict[str, Any]]:
    client.send(create(**members))
    return events(client)


def text_of(told: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")


# What it is for


@pytest.mark.parametrize("model", VIAS)
def test_turns_over_every_kind_of_upstream(scene: Scene, model: str):
    with scene.open() as client:
        first = turn(client, model=model, input="say pong", store=False)
        assert [event["sequence_number"] for event in first] == list(range(len(first)))
        assert text_of(first) == "say pong"
        before = first[-1]["response"]
        assert (before["status"], before["usage"]["total_tokens"] > 0) == ("completed", True)
        second = turn(client, model=model, input="and ping", previous_response_id=before["id"], store=False)
        assert text_of(second) == "and ping"
    calls = recorded(scene.gateway, "limit=2")
    assert [(call["model"], call["outcome"], call["surface"]) for call in calls] == [
        (model, "ok", "openai_responses")
    ] * 2


@pytest.mark.parametrize("model", ["openai_responses", "anthropic"])
def test_what_came_before_is_put_in_where_its_id_stood(scene: Scene, model: str):
    said = {"model": model, "store": False, "instructions": "be brief"}
    with scene.open() as client:
        warmed = turn(client, **said, input="one", generate=False)
        assert [event["type"] for event in warmed] == [
            "response.created", "response.in_progress", "response.completed"
        ]  # fmt: skip
        assert warmed[-1]["response"]["output"] == []
        assert scene.upstream.log == []
        first = turn(client, **said, input="two", previous_response_id=warmed[-1]["response"]["id"])
        turn(client, **said, input=[], previous_response_id=first[-1]["response"]["id"])
    bodies = [json.loads(attempt.body) for attempt in scene.upstream.log]
    assert len(bodies) == 2
    for body, words in zip(bodies, (["one", "two"], ["one", "two", text_of(first)]), strict=True):
        assert "previous_response_id" not in body
        seen = [part["text"] if isinstance(part, dict) else part for part in _texts(body)]
        assert seen == words


def _texts(body: dict[str, Any]) -> list[Any]:
    parts: list[Any] = []
    for item in body.get("input") or body["messages"]:
        parts += [item["content"]] if isinstance(item["content"], str) else item["content"]
    return parts


def test_what_a_provider_keeps_is_named_to_it(scene: Scene):
    with scene.open() as client:
        before = turn(client, model="openai_responses", input="one")[-1]["response"]["id"]
        turn(client, model="openai_responses", input="two", previous_response_id=before)
    body = json.loads(scene.upstream.log[1].body)
    assert (body["previous_response_id"], _texts(body)) == (before, ["two"])


def test_an_id_that_is_not_known_here_is_refused(scene: Scene):
    with scene.open() as client:
        for model in ("openai_responses", "anthropic"):
            (refused,) = turn(client, model=model, input="x", previous_response_id="resp_9")
            assert (refused["status"], refused["error"]["code"]) == (404, "not_found")
        (unknown,) = turn(client, model="anthropic", input="x", previous_response_id="resp_9", generate=False)
        assert unknown["error"]["code"] == "previous_response_not_found"
    assert scene.upstream.log == []


def test_lanes_run_side_by_side(scene: Scene):
    scene.upstream.fail(Drip(gap_s=0.05), times=1)
    with scene.open() as client:
        client.send(create(model="openai_responses", input="slow", stream_id="a"))
        eventually(lambda: scene.upstream.log)
        client.send(create(model="openai_responses", input="quick", stream_id="b"))
        ended: list[str] = []
        while len(ended) < 2:
            event = json.loads(client.recv(timeout=10))
            if event["type"] in ENDS:
                ended.append(event["stream_id"])
        assert ended == ["b", "a"]


def test_one_lane_keeps_its_order(scene: Scene):
    scene.upstream.fail(Drip(gap_s=0.02), times=1)
    with scene.open() as client:
        client.send(create(model="openai_responses", input="slow"))
        client.send(create(model="via-openai", input="quick"))
        assert text_of(events(client)) == scene.upstream.settings.text
        assert text_of(events(client)) == "quick"


def test_a_ninth_lane_is_refused(scene: Scene):
    with scene.open() as client:
        for number in range(8):
            turn(client, model="via-openai", input="x", stream_id=f"lane-{number}")
        (refused,) = turn(client, model="via-openai", input="x", stream_id="lane-9")
        assert refused["error"]["code"] == "websocket_stream_limit_reached"
        assert turn(client, model="via-openai", input="x", stream_id="lane-0")[-1]["type"] == "response.completed"


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # of how the SDK opens its socket
def test_openais_own_clients(scene: Scene):
    client = openai.OpenAI(base_url=f"{scene.gateway.url}/v1", api_key=scene.gateway.key)
    with client, client.responses.connect() as connection:
        connection.send({"type": "response.create", "model": "via-anthropic", "input": "say pong"})
        kinds: list[str] = []
        for event in connection:
            kinds.append(event.type)
            if event.type == "response.completed":
                assert event.response.output_text == "say pong"
                break
        assert kinds[0] == "response.created"

    async def act() -> str:
        there = openai.AsyncOpenAI(base_url=f"{scene.gateway.url}/v1", api_key=scene.gateway.key)
        async with there, there.responses.connect() as connection:
            await connection.send({"type": "response.create", "model": "via-gemini", "input": "say ping"})
            async for event in connection:
                if event.type == "response.completed":
                    return event.response.output_text
        return ""

    assert asyncio.run(act()) == "say ping"


# What goes wrong


def test_errors_are_events_and_the_socket_goes_on(scene: Scene):
    scene.upstream.fail(Status(429, retry_after_s=7), times=2)
    with scene.open() as client:
        client.send("{")
        assert json.loads(client.recv())["error"]["type"] == "invalid_request_error"
        client.send(b"\x00")
        assert json.loads(client.recv())["status"] == 400
        (unknown,) = turn(client, model="nothing", input="x")
        assert (unknown["status"], unknown["error"]["code"]) == (404, "model_not_found")
        (limited,) = turn(client, model="openai_responses", input="x", stream_id="a")
        assert (limited["status"], limited["stream_id"], limited["headers"]["retry-after"]) == (429, "a", "7")
        assert limited["headers"]["x-request-id"].startswith("req_")
        assert text_of(turn(client, model="via-openai", input="still here")) == "still here"


def test_a_stream_that_breaks_off_ends_with_an_error(scene: Scene):
    scene.upstream.fail(CutAfter(bytes=1500), times=1)
    with scene.open() as client:
        told = turn(client, model="openai_responses", input="x")
        assert (told[-1]["type"], "error" in {event["type"] for event in told}) == ("response.failed", False)
        assert told[-1]["response"]["error"]["message"].startswith("cut: ")
        (call,) = recorded(scene.gateway, "limit=1")
        assert call["outcome"] == "cut"
        assert text_of(turn(client, model="via-openai", input="still here")) == "still here"


def test_an_error_in_the_upstreams_own_stream_ends_the_turn_once(scene: Scene):
    begun = b'data: {"type":"response.created","sequence_number":0,"response":{"id":"r","status":"in_progress"}}\n\n'
    broken = b'data: {"type":"error","code":"server_error","message":"Overloaded","param":null}\n\n'
    scene.upstream.stream([begun, broken], gap_s=0.1, times=1)
    with scene.open() as client:
        told = turn(client, model="openai_responses", input="x")
        assert (told[-1]["type"], told[-1]["status"]) == ("error", 502)
        assert len(told) == 2
        assert told[-1]["error"]["message"] == "Overloaded"
        assert text_of(turn(client, model="via-openai", input="still here")) == "still here"


def test_a_turn_that_grows_too_long_is_refused(scene: Scene):
    with scene.open() as client:
        before = turn(client, model="via-openai", input="x" * 90_000)[-1]["response"]["id"]
        (refused,) = turn(client, model="via-openai", input="y" * 90_000, previous_response_id=before)
        assert (refused["status"], "body_bytes_max" in refused["error"]["message"]) == (413, True)


def test_a_key_that_is_revoked_ends_its_socket(scene: Scene):
    key = scene.gateway.run("keys", "create", "--name", "short").strip()
    with scene.open(key) as client:
        assert text_of(turn(client, model="via-openai", input="hi")) == "hi"
        scene.gateway.run("keys", "revoke", kid_of(key.encode()).decode())
        time.sleep(1.5)  # revocations are looked for once a second
        (refused,) = turn(client, model="via-openai", input="hi")
        assert (refused["status"], refused["error"]["code"]) == (401, "invalid_api_key")
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert client.close_code == 1008


def test_leaving_ends_the_call_upstream_and_books_it_once(scene: Scene):
    scene.upstream.fail(Drip(gap_s=0.2))
    before = {call["id"] for call in recorded(scene.gateway)}
    with scene.open() as client:
        client.send(create(model="openai_responses", input="x"))
        client.recv(timeout=5)
        client.socket.shutdown(socket.SHUT_RDWR)
    (attempt,) = scene.upstream.log
    eventually(lambda: attempt.closed_early, s=2)
    eventually(lambda: {call["id"] for call in recorded(scene.gateway)} - before, s=2)
    (call,) = [call for call in recorded(scene.gateway) if call["id"] not in before]
    assert (call["outcome"], len(call["attempts"])) == ("client_gone", 1)


def test_closing_in_the_midst_of_a_silent_answer(scene: Scene):
    scene.upstream.fail(StallAfter(bytes=600))
    with scene.open() as client:
        client.send(create(model="openai_responses", input="x"))
        client.recv(timeout=5)
    (attempt,) = scene.upstream.log
    eventually(lambda: attempt.closed_early, s=2)
    eventually(lambda: recorded(scene.gateway, "limit=1")[0]["outcome"] == "client_gone", s=2)


# Handshakes


def test_without_a_key_there_is_no_socket(scene: Scene):
    for authorization in (None, "Bearer sk-hg_no"):
        with scene.raw(authorization=authorization) as raw:
            assert raw.head.startswith(b"HTTP/1.1 401 ")


def test_what_is_no_handshake_is_told_what_to_do(scene: Scene):
    plain = ask(scene.gateway.url, "GET", PATH, {"authorization": f"Bearer {scene.gateway.key}"})
    assert (plain.status, plain.headers["upgrade"]) == (426, "websocket")
    wrong: list[tuple[dict[str, str | None], bytes]] = [
        ({"upgrade": "h3"}, b"426"),
        ({"sec_websocket_key": "short"}, b"400"),
        ({"sec_websocket_key": None}, b"400"),
        ({"sec_websocket_version": "8"}, b"400"),
    ]
    for changes, status in wrong:
        with scene.raw(**changes) as raw:
            assert raw.head.startswith(b"HTTP/1.1 %b " % status)


def test_a_client_may_speak_before_it_is_answered(scene: Scene):
    message = frame(TEXT, create(model="via-openai", input="hi").encode())
    with connect(scene.gateway.url) as connection:
        raw = Raw(connection, opening(PATH, scene.gateway.key) + message)
        assert raw.head.startswith(b"HTTP/1.1 101 ")
        assert ACCEPTED in raw.head.lower()
        opcode, data = raw.frame()
        assert (opcode, json.loads(data)["type"]) == (TEXT, "response.created")


# Frames that no client sends


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(3), 1002),
        (frame(TEXT, b"{}", mask=None), 1002),
        (frame(CONT, b"x"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"x" * (BODY_BYTES_MAX + 1)), 1009),
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009),
        (frame(TEXT, fin=False) + frame(CONT, fin=False) * 5000, 1008),
    ],
    ids=["bad opcode", "unmasked", "continues nothing", "not UTF-8", "oversize", "oversize by its head", "fragments"],
)
def test_a_broken_rule_ends_the_socket_and_nothing_else(scene: Scene, sent: bytes, code: int):
    with scene.raw() as raw:
        raw.send(sent)
        assert raw.close_code() == code
    with scene.open() as client:
        assert text_of(turn(client, model="via-openai", input="hi")) == "hi"


def test_a_flood_of_pings_that_nobody_reads_the_answers_to(scene: Scene):
    with connect(scene.gateway.url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw = Raw(connection, opening(PATH, scene.gateway.key))
        connection.settimeout(10)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            flood(raw, s=10)
    with scene.open() as client:
        assert text_of(turn(client, model="via-openai", input="hi")) == "hi"


def flood(raw: Raw, s: float) -> None:
    deadline, pings = time.monotonic() + s, frame(PING, b"x" * 125) * 500
    while time.monotonic() < deadline:
        raw.send(pings)


def test_half_a_close_is_one(scene: Scene):
    with connect(scene.gateway.url) as connection:
        raw = Raw(connection, opening(PATH, scene.gateway.key))
        raw.send(frame(TEXT, b"{")[:4])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""


def test_a_slow_reader_holds_back_its_own_upstream_alone(scene: Scene):
    event = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0}
    chunk = b"data: %b\n\n" % json.dumps({**event, "delta": "x" * 60_000}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    scene.upstream.script([Send(head), Repeat(b"%x\r\n%b\r\n" % (len(chunk), chunk), 0)], times=1)
    with connect(scene.gateway.url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw = Raw(connection, opening(PATH, scene.gateway.key))
        raw.send(frame(TEXT, create(model="openai_responses", input="x").encode()))
        eventually(lambda: scene.upstream.log)
        (slow,) = scene.upstream.log

        def stands_still() -> bool:
            before = slow.bytes_sent
            time.sleep(0.3)
            return slow.bytes_sent == before > 0

        eventually(stands_still)
        held = slow.bytes_sent
        assert held < 32 * 1024 * 1024
        with scene.open() as client:
            assert text_of(turn(client, model="via-openai", input="hi")) == "hi"
        while slow.bytes_sent < held + 1_000_000:
            raw.frame()
    eventually(lambda: slow.closed_early, s=2)


def test_stopping_lets_the_answer_end_and_closes_the_socket(tmp_path: Any):
    with FakeUpstream.threaded() as upstream:
        upstream.fail(Drip(gap_s=0.02))
        config = {"providers": upstreams(upstream.url), "routes": {"m": {"targets": ["up_openai_responses/m"]}}}
        with gateway(tmp_path, config) as started:
            scene = Scene(started, upstream)
            with scene.open() as client, scene.open() as idle:
                client.send(create(model="m", input="x"))
                client.recv(timeout=5)
                started.process.terminate()
                told = events(client)
                assert told[-1]["type"] == "response.completed"
                for one in (client, idle):
                    with pytest.raises(ConnectionClosed):
                        one.recv(timeout=5)
                    assert one.close_code == 1001
            assert started.process.wait(timeout=10) == 0


def test_many_sockets_at_a_time(scene: Scene):
    failures: list[object] = []

    def act(number: int) -> None:
        try:
            with scene.open() as client:
                for _ in range(3):
                    assert text_of(turn(client, model="via-openai", input=f"n {number}")) == f"n {number}"
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
