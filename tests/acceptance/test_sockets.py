"""Connections that do what no SDK does: break off, read slowly, send two requests in one or one twice."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from headgate.transport.fake import Attempt as Seen
from headgate.transport.fake import BlackHole, Drip, FakeUpstream, HeadersThenSilence, Refuse, Repeat, Send
from tests.acceptance.calling import SURFACES, Reply, ask, connect, eventually, post, recorded
from tests.acceptance.running import Gateway, gateway, upstreams


class Scene(NamedTuple):
    """A gateway and its only upstream, which every test finds healed and with an empty log."""

    gateway: Gateway
    upstream: FakeUpstream

    def post(self, surface: str, model: str, *, is_stream: bool = False) -> bytes:
        """A call as it stands on the wire."""
        if surface == "gemini":
            path, body = SURFACES[surface].request(model)
            path = path.replace("generateContent", "streamGenerateContent?alt=sse") if is_stream else path
        else:
            path, body = SURFACES[surface].request(model, **({"stream": True} if is_stream else {}))
        return post(path, SURFACES[surface].key(self.gateway.key), body)

    def ask(self, model: str = "openai_chat") -> Reply:
        """A whole call."""
        path, body = SURFACES["openai_chat"].request(model)
        return ask(self.gateway.url, "POST", path, SURFACES["openai_chat"].key(self.gateway.key), body)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One gateway for the file, with a route for each dialect of the upstream."""
    with FakeUpstream.threaded() as upstream:
        routes = {surface: {"targets": [f"up_{surface}/m"]} for surface in SURFACES}
        with gateway(tmp_path_factory.mktemp("gateway"), {"providers": upstreams(upstream.url), "routes": routes}) as g:
            yield Scene(g, upstream)


@pytest.fixture
def scene(both: Scene) -> Scene:
    """The same, as new."""
    both.upstream.heal()
    eventually(lambda: not is_closed(both.upstream.url))
    both.upstream.full_log.clear()
    return both


def is_closed(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


# Clients that leave

OTHERS = {"openai_chat": "anthropic", "openai_responses": "openai_chat", "anthropic": "gemini", "gemini": "openai_chat"}


@pytest.mark.parametrize("lane", ["same", "other"])
@pytest.mark.parametrize("surface", SURFACES)
def test_leaving_a_stream_ends_it_upstream(scene: Scene, surface: str, lane: str):
    scene.upstream.fail(Drip(gap_s=0.2))
    with connect(scene.gateway.url) as client:
        client.sendall(scene.post(surface, surface if lane == "same" else OTHERS[surface], is_stream=True))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert_left(scene)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("fault", [BlackHole(), HeadersThenSilence()], ids=["no answer", "no body"])
def test_leaving_before_the_first_byte(scene: Scene, surface: str, is_stream: bool, fault: BlackHole):
    scene.upstream.fail(fault)
    with connect(scene.gateway.url) as client:
        client.sendall(scene.post(surface, surface, is_stream=is_stream))
        eventually(lambda: scene.upstream.log)
    assert_left(scene)


def test_leaving_at_once(scene: Scene):
    """Sooner than anybody watches whether the client is there."""
    scene.upstream.fail(BlackHole())
    before = {call["id"] for call in recorded(scene.gateway)}
    with connect(scene.gateway.url) as client:
        client.sendall(scene.post("anthropic", "anthropic", is_stream=True))
    eventually(lambda: recorded(scene.gateway, "limit=1")[0]["id"] not in before, s=2)
    assert recorded(scene.gateway, "limit=1")[0]["outcome"] == "client_gone"
    eventually(lambda: all(attempt.closed_early for attempt in scene.upstream.log), s=2)


def test_breaking_off_with_a_reset(scene: Scene):
    scene.upstream.fail(Drip(gap_s=0.2))
    with connect(scene.gateway.url) as client:
        client.sendall(scene.post("openai_chat", "openai_chat", is_stream=True))
        client.recv(65536)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert_left(scene)


def assert_left(scene: Scene) -> None:
    """The upstream was told, and so is whoever reads the books."""
    (attempt,) = scene.upstream.log
    eventually(lambda: attempt.closed_early, s=2)
    eventually(lambda: recorded(scene.gateway, "limit=1")[0]["outcome"] == "client_gone", s=2)
    (call,) = recorded(scene.gateway, "limit=1")
    assert len(call["attempts"]) == 1
    assert call["attempts"][0]["outcome"] == "client_gone"


def test_a_body_that_breaks_off_reaches_nobody(scene: Scene):
    request = scene.post("openai_chat", "openai_chat")
    with connect(scene.gateway.url) as client:
        client.sendall(request[:-5])
        time.sleep(0.05)
    assert scene.ask().status == 200
    assert len(scene.upstream.log) == 1


# Upstreams that come and go


def test_an_upstream_that_died_and_came_back(scene: Scene):
    with ThreadPoolExecutor(8) as threads:
        scene.upstream.fail(Drip(gap_s=0.05))
        assert {reply.status for reply in threads.map(lambda _: scene.ask(), range(8))} == {200}
    scene.upstream.heal()
    scene.upstream.fail(Refuse())
    time.sleep(0.1)  # asyncio leaks a connection that it accepts while the port is being closed (CPython 3.11)
    assert is_closed(scene.upstream.url)
    down = scene.ask()
    assert down.status == 502
    assert json.loads(down.body)["error"]["metadata"]["attempts"][0]["outcome"] == "connect"
    scene.upstream.heal()
    eventually(lambda: not is_closed(scene.upstream.url))
    assert [scene.ask().status for _ in range(3)] == [200] * 3


def test_idle_connections_that_the_upstream_has_closed(scene: Scene):
    for _ in range(5):
        assert scene.ask().status == 200
        scene.upstream.break_connections()
    assert len(scene.upstream.log) == 5


# A client that reads slowly

CHUNK = (
    b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
UNREAD_BYTES_MAX = 32 * 1024 * 1024
"""Both sockets' buffers at their largest, and ours."""


def test_a_slow_reader_holds_back_its_own_upstream_alone(scene: Scene):
    event = CHUNK % (b"x" * 60_000)
    scene.upstream.script([Send(HEAD), Repeat(b"%x\r\n%b\r\n" % (len(event), event), 0)], times=1)
    with connect(scene.gateway.url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(scene.post("openai_chat", "openai_chat", is_stream=True))
        eventually(lambda: scene.upstream.log)
        (slow,) = scene.upstream.log
        eventually(lambda: stands_still(slow))
        held = slow.bytes_sent
        assert 0 < held < UNREAD_BYTES_MAX
        with ThreadPoolExecutor(8) as threads:
            assert {reply.status for reply in threads.map(lambda _: scene.ask(), range(20))} == {200}
        assert slow.bytes_sent == held
        read = 0
        while slow.bytes_sent < held + 4_000_000:
            read += len(client.recv(1_000_000))
        assert read > 0
    eventually(lambda: slow.closed_early, s=2)


def stands_still(attempt: Seen) -> bool:
    before = attempt.bytes_sent
    time.sleep(0.3)
    return attempt.bytes_sent == before > 0


# Requests that are two, or one and a half

UNCLEAR = {
    "two lengths": b"content-length: 5\r\n",
    "the same length twice": b"content-length: %(length)d\r\n",
    "length and chunks": b"transfer-encoding: chunked\r\n",
    "an unknown coding": b"transfer-encoding: xchunked\r\n",
    "chunks that are not the last coding": b"transfer-encoding: chunked, identity\r\n",
    "a space before the colon": b"transfer-encoding : chunked\r\n",
    "a folded line": b"x-a: b\r\n transfer-encoding: chunked\r\n",
    "a NUL": b"x-a: b\0c\r\n",
    "a bare CR": b"x-a: b\rcontent-length: 0\r\n",
}


@pytest.mark.parametrize("oddity", UNCLEAR)
def test_a_request_of_unclear_length_reaches_nobody(scene: Scene, oddity: str):
    request = scene.post("openai_chat", "openai_chat")
    length = len(request.partition(b"\r\n\r\n")[2])
    line = UNCLEAR[oddity].replace(b"%(length)d", str(length).encode())
    with connect(scene.gateway.url) as client:
        client.sendall(request.replace(b"host: gateway\r\n", b"host: gateway\r\n" + line, 1))
        answer = read_to_end(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert scene.upstream.log == []


def read_to_end(client: socket.socket) -> bytes:
    answer = b""
    try:
        while data := client.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


def test_pipelined_requests_are_answered_once_each_and_in_order(scene: Scene):
    marks = [f"pipelined-{number}" for number in range(4)]
    surface = SURFACES["openai_chat"]
    requests = []
    for mark in marks:
        path, body = surface.request("openai_chat", messages=[{"role": "user", "content": mark}])
        requests.append(post(path, surface.key(scene.gateway.key), body))
    with connect(scene.gateway.url) as client:
        client.sendall(b"".join(requests))
        answer = b""
        while answer.count(b'"finish_reason"') < 4:
            answer += client.recv(65536)
    assert [json.loads(attempt.body)["messages"][0]["content"] for attempt in scene.upstream.log] == marks
    assert answer.count(b"HTTP/1.1 200 OK") == 4


def test_bytes_that_are_no_http(scene: Scene):
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"hello\r\n\r\n",
        b"\0" * 9999,
    ):
        with connect(scene.gateway.url) as client:
            client.sendall(garbage)
            assert read_to_end(client).startswith(b"HTTP/1.1 400 ")
    assert scene.ask().status == 200
