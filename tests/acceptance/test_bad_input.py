"""Bad input at a running gateway: told in the caller's own words, which field and what to do, before anyone else hears
of it. The upstream's log stays empty through the whole file.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headgate.transport.fake import FakeUpstream
from tests.acceptance.calling import SURFACES, TYPES, Reply, Told, ask, connect, eventually, recorded, told
from tests.acceptance.running import HEADGATE, Gateway, gateway, upstreams

BODY_BYTES_MAX = 200_000


class Scene(NamedTuple):
    """What every test of this file stands on."""

    gateway: Gateway
    upstream: FakeUpstream
    keys: dict[str, str]

    def send(self, surface: str, path: str, body: Any, **headers: str) -> Reply:
        """A POST with the good key."""
        fields = SURFACES[surface].key(self.gateway.key) | {name.replace("_", "-"): v for name, v in headers.items()}
        return ask(self.gateway.url, "POST", path, fields, body)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway whose routes `same_<surface>` speak the caller's dialect upstream, and `other_<surface>` another."""
    others = {"openai_chat": "anthropic", "openai_responses": "gemini"}
    with FakeUpstream.threaded() as upstream:
        same = {f"same_{surface}": {"targets": [f"up_{surface}/m"]} for surface in SURFACES}
        other = {
            f"other_{surface}": {"targets": [f"up_{others.get(surface, 'openai_chat')}/m"]} for surface in SURFACES
        }
        server = {"body_bytes_max": BODY_BYTES_MAX}
        config = {"server": server, "providers": upstreams(upstream.url), "routes": {**same, **other}}
        with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
            yield Scene(started, upstream, _keys(started))
            assert upstream.log == []
            for call in recorded(started):
                assert (call.get("attempts", []), call.get("cost_nano_usd", 0)) == ([], 0)


def _keys(running: Gateway) -> dict[str, str]:
    """One key of each kind."""
    soon = datetime.now(UTC) + timedelta(seconds=5)
    made = {
        "expired": running.new_key("short", expires=soon.isoformat()),
        "narrow": running.run("keys", "create", "--name", "narrow", "--models", "same_gemini").strip(),
    }
    gone = json.loads(running.run("keys", "create", "--name", "gone", "--json"))
    running.run("keys", "revoke", gone["id"])
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds() + 0.1))
    return {**made, "revoked": gone["key"], "malformed": "sk-hg_short", "unknown": _unlike(running.key)}


def _unlike(key: str) -> str:
    """A well-formed key that was never made: made for another database."""
    from headgate.policies.key_text import new_key

    other = new_key().decode()
    assert other != key
    return other


def assert_refused(surface: str, reply: Reply, fault: str, status: int) -> Told:
    """The status and the surface's own type."""
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/json"
    seen = told(surface, reply.body)
    assert seen.type == TYPES[fault][surface]
    return seen


# What is no request at all

NOT_JSON = {
    "cut": (b'{"model": ', "JSON"),
    "empty": (b"", "JSON"),
    "null": (b"null", "object"),
    "array": (b"[]", "object"),
    "string": (b'"hello"', "object"),
    "number": (b"5", "object"),
    "not UTF-8": (b'{"user": "\xff\xfe"}', "UTF-8"),
    "NaN": (b'{"temperature": NaN}', "JSON"),
    "Infinity": (b'{"temperature": -Infinity}', "JSON"),
    "trailing": (b'{"contents": [], "messages": [], "input": "hi"} {}', "JSON"),
    "depth bomb": (b"[" * 100_000, "64"),
    "closed depth bomb": (b'{"metadata":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "64"),
    "65 lists deep": (b'{"metadata":' + b"[" * 64 + b"]" * 64 + b"}", "64"),
    "65 objects deep": (b'{"metadata":' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}", "64"),
    "deep behind a text": (b'{"metadata":["\\"]",' + b"[" * 64 + b"]" * 64 + b"]}", "64"),
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_no_request(scene: Scene, surface: str, body: str):
    sent, word = NOT_JSON[body]
    path = SURFACES[surface].path.format(model=f"same_{surface}")
    seen = assert_refused(surface, scene.send(surface, path, sent), "invalid", 400)
    assert word in seen.message


@pytest.mark.parametrize("surface", SURFACES)
def test_a_body_over_the_limit(scene: Scene, surface: str):
    path, body = SURFACES[surface].request(f"same_{surface}")
    long = body + b" " * (BODY_BYTES_MAX + 1 - len(body))
    declared = scene.send(surface, path, long)
    chunked = scene.send(surface, path, iter([long[:150_000], long[150_000:]]))
    for reply in (declared, chunked):
        seen = assert_refused(surface, reply, "too_large", 413)
        assert str(BODY_BYTES_MAX) in seen.message
        assert "body_bytes_max" in seen.message


def test_a_length_alone_is_refused_before_its_body_is_sent(scene: Scene):
    with connect(scene.gateway.url) as connection:
        head = f"POST /v1/messages HTTP/1.1\r\nhost: g\r\nx-api-key: {scene.gateway.key}\r\n"
        connection.sendall(f"{head}content-length: {BODY_BYTES_MAX + 1}\r\nexpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br, gzip"])
def test_a_compressed_body(scene: Scene, surface: str, encoding: str):
    path, body = SURFACES[surface].request(f"same_{surface}")
    seen = assert_refused(surface, scene.send(surface, path, body, content_encoding=encoding), "invalid", 415)
    assert "without" in seen.message


# Wrong types and missing members, in both lanes

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("openai_chat", {"messages": "hi"}, "messages"),
    ("openai_chat", {"messages": ...}, "messages"),
    ("openai_chat", {"messages": []}, "messages"),
    ("openai_chat", {"messages": [5]}, "messages[0]"),
    ("openai_chat", {"messages": [{"content": "hi"}]}, "messages[0].role"),
    ("openai_chat", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ("openai_chat", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "messages[0].content[0].type"),
    ("openai_chat", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ("openai_chat", {"temperature": "hot"}, "temperature"),
    ("openai_chat", {"max_tokens": "16"}, "max_tokens"),
    ("openai_chat", {"stream": "yes"}, "stream"),
    ("openai_chat", {"stream_options": "usage"}, "stream_options"),
    ("openai_chat", {"tools": "weather"}, "tools"),
    ("openai_chat", {"tools": [{"type": "function"}]}, "tools[0].function"),
    ("openai_chat", {"model": 5}, "model"),
    ("openai_chat", {"model": ...}, "model"),
    ("openai_chat", {"model": ""}, "model"),
    ("openai_chat", {"model": None}, "model"),
    ("openai_responses", {"input": 5}, "input"),
    ("openai_responses", {"input": ...}, "input"),
    ("openai_responses", {"input": [5]}, "input[0]"),
    ("openai_responses", {"input": [{"content": "hi"}]}, "input[0].role"),
    ("openai_responses", {"input": [{"role": "user", "content": 5}]}, "input[0].content"),
    ("openai_responses", {"temperature": "hot"}, "temperature"),
    ("openai_responses", {"max_output_tokens": "16"}, "max_output_tokens"),
    ("openai_responses", {"stream": "yes"}, "stream"),
    ("openai_responses", {"tools": "weather"}, "tools"),
    ("openai_responses", {"model": ["a"]}, "model"),
    ("openai_responses", {"model": ...}, "model"),
    ("anthropic", {"messages": "hi"}, "messages"),
    ("anthropic", {"messages": ...}, "messages"),
    ("anthropic", {"messages": [5]}, "messages[0]"),
    ("anthropic", {"messages": [{"content": "hi"}]}, "messages[0].role"),
    ("anthropic", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("anthropic", {"temperature": "hot"}, "temperature"),
    ("anthropic", {"max_tokens": "16"}, "max_tokens"),
    ("anthropic", {"max_tokens": 1.5}, "max_tokens"),
    ("anthropic", {"stream": "yes"}, "stream"),
    ("anthropic", {"system": 5}, "system"),
    ("anthropic", {"tools": "weather"}, "tools"),
    ("anthropic", {"model": {}}, "model"),
    ("anthropic", {"model": ...}, "model"),
    ("gemini", {"contents": "hi"}, "contents"),
    ("gemini", {"contents": ...}, "contents"),
    ("gemini", {"contents": [5]}, "contents[0]"),
    ("gemini", {"contents": [{"parts": "hi"}]}, "contents[0].parts"),
    ("gemini", {"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
    ("gemini", {"generationConfig": "hot"}, "generationConfig"),
    ("gemini", {"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
    ("gemini", {"systemInstruction": 5}, "systemInstruction"),
    ("gemini", {"tools": "weather"}, "tools"),
]


@pytest.mark.parametrize("lane", ["same", "other"])
@pytest.mark.parametrize(
    ("surface", "members", "field"), WRONG, ids=[f"{surface}-{members}" for surface, members, _ in WRONG]
)
def test_a_wrong_member_is_named(scene: Scene, surface: str, members: dict[str, Any], field: str, lane: str):
    path, body = SURFACES[surface].request(f"{lane}_{surface}", **members)
    seen = assert_refused(surface, scene.send(surface, path, body), "invalid", 400)
    assert field in seen.message
    assert seen.field in (field, seen.message)  # Anthropic's errors have no member for it


# Wrong addresses


@pytest.mark.parametrize("surface", SURFACES)
def test_an_unknown_model_with_the_nearest_names(scene: Scene, surface: str):
    path, body = SURFACES[surface].request(f"sane_{surface}")
    seen = assert_refused(surface, scene.send(surface, path, body), "not_found", 404)
    assert seen.code == "model_not_found"
    assert f"same_{surface}" in seen.message
    assert "/v1/models" in seen.message


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_wrong_method(scene: Scene, surface: str, method: str):
    path, body = SURFACES[surface].request(f"same_{surface}")
    reply = ask(scene.gateway.url, method, path, SURFACES[surface].key(scene.gateway.key), body)
    seen = assert_refused(surface, reply, "invalid", 405)
    assert "POST" in reply.headers["allow"]
    assert "POST" in seen.message


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/messages", "/admin/v1/keys", "/v1/chat/completions/x", "/%00"])
def test_an_unknown_path(scene: Scene, path: str):
    reply = ask(scene.gateway.url, "POST", path, SURFACES["openai_chat"].key(scene.gateway.key), b"{}")
    assert_refused("openai_chat", reply, "not_found", 404)


ODD_QUERIES = {
    "/v1/models?limit=0": "anthropic",
    "/v1/models?limit=%C2%B2": "anthropic",
    f"/v1/models?limit={'9' * 5000}": "anthropic",
    "/v1beta/models?pageSize=-1": "gemini",
    "/v1beta/models?pageSize=%D9%A3": "gemini",
    "/v1beta/models?pageToken=%C2%B2": "gemini",
    f"/v1beta/models?pageToken={'9' * 5000}": "gemini",
}


@pytest.mark.parametrize("path", ODD_QUERIES)
def test_an_odd_page_of_models(scene: Scene, path: str):
    surface = ODD_QUERIES[path]
    fields = SURFACES[surface].key(scene.gateway.key) | {"anthropic-version": "2023-06-01"}
    if surface == "gemini":
        del fields["anthropic-version"]
    seen = assert_refused(surface, ask(scene.gateway.url, "GET", path, fields), "invalid", 400)
    assert path.partition("?")[2].partition("=")[0] in seen.message


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("timeout", ["soon", "0", "-5", "1.5", "86400001", "9" * 5000, "²"])
def test_a_wrong_deadline(scene: Scene, surface: str, timeout: str):
    path, body = SURFACES[surface].request(f"same_{surface}")
    reply = scene.send(surface, path, body, x_headgate_timeout_ms=timeout.encode().decode("latin-1"))
    seen = assert_refused(surface, reply, "invalid", 400)
    assert "x-headgate-timeout-ms" in seen.message
    assert len(seen.message) < 300


# Wrong keys


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("key", ["", "malformed", "unknown", "revoked", "expired"])
def test_a_key_that_is_not_good_says_nothing_but_that(scene: Scene, surface: str, key: str):
    path, body = SURFACES[surface].request(f"same_{surface}")
    fields = SURFACES[surface].key(scene.keys[key]) if key else {}
    reply = ask(scene.gateway.url, "POST", path, fields, body)
    seen = assert_refused(surface, reply, "authentication", 401)
    assert seen.code == "invalid_api_key"
    assert seen.message == told(surface, ask(scene.gateway.url, "POST", path, {}, body).body).message
    assert "headgate keys create" in seen.message


@pytest.mark.parametrize("surface", [name for name in SURFACES if name != "gemini"])
def test_a_key_for_other_models(scene: Scene, surface: str):
    path, body = SURFACES[surface].request(f"same_{surface}")
    reply = ask(scene.gateway.url, "POST", path, SURFACES[surface].key(scene.keys["narrow"]), body)
    seen = assert_refused(surface, reply, "not_found", 404)
    assert f"same_{surface}" in seen.message
    assert "GET /v1/models" in seen.message


def test_a_key_for_other_models_on_gemini(scene: Scene):
    path, body = SURFACES["gemini"].request("other_gemini")
    reply = ask(scene.gateway.url, "POST", path, SURFACES["gemini"].key(scene.keys["narrow"]), body)
    seen = assert_refused("gemini", reply, "not_found", 404)
    assert "'other_gemini'" in seen.message


def test_a_revoked_key_is_refused_within_two_seconds(scene: Scene):
    made = json.loads(scene.gateway.run("keys", "create", "--name", "brief", "--json"))
    fields = {"authorization": f"Bearer {made['key']}"}
    assert ask(scene.gateway.url, "GET", "/v1/models", fields).status == 200
    scene.gateway.run("keys", "revoke", made["id"])
    eventually(lambda: ask(scene.gateway.url, "GET", "/v1/models", fields).status == 401, s=2.0)


# A wrong configuration

FAULTY = {
    "unknown at the top": ({"prividers": {}}, "prividers"),
    "unknown inside": ({"server": {"prot": 1}}, "server.prot"),
    "wrong type": ({"server": {"port": "many"}}, "server.port"),
    "no such provider": ({"routes": {"r": {"targets": ["nowhere/m"]}}}, "nowhere"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_wrong_configuration_ends_the_start_with_one_line(tmp_path: Path, fault: str):
    config, word = FAULTY[fault]
    file = tmp_path / "headgate.yaml"
    file.write_text(json.dumps(config))
    done = subprocess.run(
        [*HEADGATE, "serve", "--config", str(file)],
        env={"PATH": "", "HEADGATE_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("headgate: ")
    assert word in lines[0]
