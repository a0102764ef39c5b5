"""Bad input to the endpoints beside chat: told which field and what to do, before anyone else hears of it. The
upstream's log stays empty through the whole file.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from headgate.transport.fake import FakeUpstream
from tests.acceptance.calling import Reply, ask, eventually, recorded, told
from tests.acceptance.running import Gateway, gateway, upstreams

BODY_BYTES_MAX = 50_000
UPLOAD_BYTES_MAX = 100_000
FORM = "multipart/form-data; boundary=b0"


class Scene(NamedTuple):
    """What every test of this file stands on."""

    gateway: Gateway
    upstream: FakeUpstream

    def send(self, path: str, body: bytes, content_type: str = "application/json", key: str | None = None) -> Reply:
        """A POST, with the good key unless another is given."""
        fields = {"authorization": f"Bearer {key or self.gateway.key}", "content-type": content_type}
        return ask(self.gateway.url, "POST", path, fields, body)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeUpstream.threaded() as upstream:
        routes = {"m": {"targets": ["up_openai_chat/m"]}, "abroad": {"targets": ["up_gemini/m"]}}
        server = {"body_bytes_max": BODY_BYTES_MAX, "upload_bytes_max": UPLOAD_BYTES_MAX}
        config = {"server": server, "providers": upstreams(upstream.url), "routes": routes}
        with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
            yield Scene(started, upstream)
            assert upstream.log == []
            for call in recorded(started):
                assert (call.get("attempts", []), call.get("cost_nano_usd", 0)) == ([], 0)


def assert_refused(reply: Reply, word: str, param: str = "", status: int = 400) -> None:
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/json"
    seen = told("openai_chat", reply.body)
    assert (seen.type, seen.field) == ("invalid_request_error", param)
    assert word in seen.message


GOOD: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"model": "m", "input": "a"},
    "/v1/rerank": {"model": "m", "query": "q", "documents": ["a"]},
    "/v1/moderations": {"model": "m", "input": "a"},
    "/v1/completions": {"model": "m", "prompt": "a"},
    "/v1/images/generations": {"model": "m", "prompt": "a"},
    "/v1/images/edits": {"model": "m", "prompt": "a", "images": [{"image_url": "data:,"}]},
    "/v1/audio/speech": {"model": "m", "input": "a", "voice": "alloy"},
}
GOOD_FORMS: dict[str, list[tuple[str, bytes]]] = {
    "/v1/images/edits": [("model", b"m"), ("prompt", b"a"), ("image; f", b"png")],
    "/v1/images/variations": [("model", b"m"), ("image; f", b"png")],
    "/v1/audio/transcriptions": [("model", b"m"), ("file; f", b"wav")],
    "/v1/audio/translations": [("model", b"m"), ("file; f", b"wav")],
}


def form(parts: list[tuple[str, bytes]]) -> bytes:
    """A form; a name with `; f` is a file's."""
    made = b""
    for name, content in parts:
        field, _, is_file = name.partition("; ")
        file = '; filename="x.bin"' if is_file else ""
        made += f'--b0\r\ncontent-disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return made + b"--b0--\r\n"


NOT_JSON = {
    "cut": (b'{"model": ', "JSON"),
    "empty": (b"", "JSON"),
    "null": (b"null", "object"),
    "array": (b"[]", "object"),
    "not UTF-8": (b'{"user": "\xff\xfe"}', "UTF-8"),
    "NaN": (b'{"temperature": NaN}', "JSON"),
    "depth bomb": (b"[" * 20_000, "64"),
}


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_no_request(scene: Scene, path: str, body: str):
    sent, word = NOT_JSON[body]
    assert_refused(scene.send(path, sent), word)


@pytest.mark.parametrize("path", GOOD)
def test_no_model(scene: Scene, path: str):
    body = {name: value for name, value in GOOD[path].items() if name != "model"}
    assert_refused(scene.send(path, json.dumps(body).encode()), "'model' is required", "model")


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("model", ["nope", "nowhere/m", "", "m\r\n--b0"])
def test_an_unknown_model(scene: Scene, path: str, model: str):
    reply = scene.send(path, json.dumps({**GOOD[path], "model": model}).encode())
    assert reply.status == (404 if model else 400), reply.body
    assert told("openai_chat", reply.body).field == "model"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/embeddings", {"input": ...}, "input"),
    ("/v1/embeddings", {"input": []}, "input"),
    ("/v1/embeddings", {"input": 5}, "input"),
    ("/v1/embeddings", {"input": [1, "a"]}, "input"),
    ("/v1/embeddings", {"input": [[1.5]]}, "input"),
    ("/v1/embeddings", {"input": {"text": "a"}}, "input"),
    ("/v1/embeddings", {"dimensions": "8"}, "dimensions"),
    ("/v1/embeddings", {"dimensions": 1.5}, "dimensions"),
    ("/v1/embeddings", {"encoding_format": 5}, "encoding_format"),
    ("/v1/embeddings", {"user": 5}, "user"),
    ("/v1/embeddings", {"model": 5}, "model"),
    ("/v1/rerank", {"query": ...}, "query"),
    ("/v1/rerank", {"query": 5}, "query"),
    ("/v1/rerank", {"documents": ...}, "documents"),
    ("/v1/rerank", {"documents": []}, "documents"),
    ("/v1/rerank", {"documents": [5]}, "documents[0]"),
    ("/v1/rerank", {"documents": [{"title": "x"}]}, "documents[0].text"),
    ("/v1/rerank", {"top_n": "2"}, "top_n"),
    ("/v1/rerank", {"return_documents": 1}, "return_documents"),
    ("/v1/moderations", {"input": ...}, "input"),
    ("/v1/moderations", {"input": []}, "input"),
    ("/v1/moderations", {"input": 5}, "input"),
    ("/v1/moderations", {"input": [5]}, "input[0]"),
    ("/v1/completions", {"prompt": ...}, "prompt"),
    ("/v1/completions", {"prompt": 5}, "prompt"),
    ("/v1/completions", {"stream": "yes"}, "stream"),
    ("/v1/completions", {"stream_options": True}, "stream_options"),
    ("/v1/completions", {"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ("/v1/completions", {"max_tokens": "9"}, "max_tokens"),
    ("/v1/completions", {"temperature": "hot"}, "temperature"),
    ("/v1/completions", {"echo": 1}, "echo"),
    ("/v1/images/generations", {"prompt": ...}, "prompt"),
    ("/v1/images/generations", {"prompt": ""}, "prompt"),
    ("/v1/images/generations", {"prompt": ["a"]}, "prompt"),
    ("/v1/images/generations", {"n": "2"}, "n"),
    ("/v1/images/generations", {"n": 0}, "n"),
    ("/v1/images/generations", {"stream": 1}, "stream"),
    ("/v1/images/edits", {"images": ...}, "images"),
    ("/v1/images/edits", {"images": []}, "images"),
    ("/v1/images/edits", {"images": "a"}, "images"),
    ("/v1/images/edits", {"prompt": ...}, "prompt"),
    ("/v1/audio/speech", {"input": ...}, "input"),
    ("/v1/audio/speech", {"input": ""}, "input"),
    ("/v1/audio/speech", {"input": ["a"]}, "input"),
    ("/v1/audio/speech", {"voice": ...}, "voice"),
    ("/v1/audio/speech", {"voice": 5}, "voice"),
    ("/v1/audio/speech", {"speed": "fast"}, "speed"),
    ("/v1/audio/speech", {"response_format": 3}, "response_format"),
    ("/v1/audio/speech", {"stream_format": 3}, "stream_format"),
]


@pytest.mark.parametrize(("path", "members", "field"), WRONG)
def test_a_member_that_is_wrong(scene: Scene, path: str, members: dict[str, Any], field: str):
    body = {name: value for name, value in {**GOOD[path], **members}.items() if value is not ...}
    assert_refused(scene.send(path, json.dumps(body).encode()), field.rpartition(".")[2], field)


@pytest.mark.parametrize("path", GOOD)
def test_a_body_over_the_limit(scene: Scene, path: str):
    limit = UPLOAD_BYTES_MAX if path in GOOD_FORMS else BODY_BYTES_MAX
    name = "server.upload_bytes_max" if path in GOOD_FORMS else "server.body_bytes_max"
    body = json.dumps(GOOD[path]).encode()
    reply = scene.send(path, body + b" " * limit)
    assert_refused(reply, f"{limit} bytes ({name})", status=413)


@pytest.mark.parametrize("path", GOOD)
def test_a_key_is_needed(scene: Scene, path: str):
    assert scene.send(path, json.dumps(GOOD[path]).encode(), key="sk-hg_nope").status == 401


@pytest.mark.parametrize("path", [*GOOD, *GOOD_FORMS])
def test_another_method(scene: Scene, path: str):
    reply = ask(scene.gateway.url, "GET", path, {"authorization": f"Bearer {scene.gateway.key}"})
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("content_type", ["image/png", "multipart/mixed; boundary=b0", "application/xml"])
@pytest.mark.parametrize("path", GOOD)
def test_a_content_type_that_is_wrong(scene: Scene, path: str, content_type: str):
    reply = scene.send(path, json.dumps(GOOD[path]).encode(), content_type)
    assert_refused(reply, "application/json", "content-type", status=415)


@pytest.mark.parametrize("path", sorted(set(GOOD) - set(GOOD_FORMS)))
def test_a_form_where_none_is_taken(scene: Scene, path: str):
    assert_refused(scene.send(path, form([("model", b"m")]), FORM), "application/json", "content-type", status=415)


# Forms


@pytest.mark.parametrize("path", sorted(set(GOOD_FORMS) - set(GOOD)))
@pytest.mark.parametrize("content_type", ["application/json", "audio/wav", "", "text/plain"])
def test_no_form_where_one_is_needed(scene: Scene, path: str, content_type: str):
    reply = scene.send(path, form(GOOD_FORMS[path]), content_type)
    assert_refused(reply, "multipart/form-data", "content-type", status=415)


BOUNDARIES = ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other"]


@pytest.mark.parametrize("path", GOOD_FORMS)
@pytest.mark.parametrize("content_type", BOUNDARIES)
def test_a_boundary_that_is_missing_or_another(scene: Scene, path: str, content_type: str):
    assert_refused(scene.send(path, form(GOOD_FORMS[path]), content_type), "bound")


@pytest.mark.parametrize("path", GOOD_FORMS)
def test_forms_that_are_none(scene: Scene, path: str):
    good = form(GOOD_FORMS[path])
    broken = {
        "ends before": good[:-6],
        "must end its line": good.replace(b"--b0--", b"--b0-x"),
        "content-disposition": good.replace(b"content-disposition", b"content-nothing"),
        "no name": good.replace(b"name=", b"nome="),
        "parts": form([*GOOD_FORMS[path], *[("extra", b"")] * 128]),
    }
    for word, body in broken.items():
        assert_refused(scene.send(path, body, FORM), word)
    assert_refused(scene.send(path, b"", FORM), "ends before")


def without(path: str, name: str) -> list[tuple[str, bytes]]:
    return [part for part in GOOD_FORMS[path] if part[0].partition(";")[0] != name]


@pytest.mark.parametrize("path", GOOD_FORMS)
def test_forms_without_what_is_needed(scene: Scene, path: str):
    for name, _ in GOOD_FORMS[path]:
        field = name.partition(";")[0]
        assert_refused(scene.send(path, form(without(path, field)), FORM), f"'{field}' is", field)
        empty = form([*without(path, field), (name, b"")])
        assert_refused(scene.send(path, empty, FORM), f"'{field}' is", field)
        if "; f" in name:
            plain = form([*without(path, field), (field, b"words")])
            assert_refused(scene.send(path, plain, FORM), "must be a file", field)
        else:
            twice = form([*GOOD_FORMS[path], (name, b"m")])
            assert_refused(scene.send(path, twice, FORM), "2 times", field)
            file = form([*without(path, field), (f"{field}; f", b"m")])
            assert_refused(scene.send(path, file, FORM), "must be a plain field", field)
            torn = form([*without(path, field), (field, b"\xff")])
            assert_refused(scene.send(path, torn, FORM), "not UTF-8", field)


FIELDS = [
    ("/v1/images/edits", "n", b"two"),
    ("/v1/images/edits", "n", b"0"),
    ("/v1/images/edits", "stream", b"yes"),
    ("/v1/images/variations", "n", b"-1"),
    ("/v1/audio/transcriptions", "temperature", b"hot"),
    ("/v1/audio/transcriptions", "temperature", b"nan"),
    ("/v1/audio/transcriptions", "stream", b"maybe"),
    ("/v1/audio/translations", "response_format", b"\xff"),
]


@pytest.mark.parametrize(("path", "field", "value"), FIELDS)
def test_a_field_that_is_wrong(scene: Scene, path: str, field: str, value: bytes):
    assert_refused(scene.send(path, form([*GOOD_FORMS[path], (field, value)]), FORM), field, field)


@pytest.mark.parametrize("path", GOOD_FORMS)
def test_a_form_over_the_limit(scene: Scene, path: str):
    file = next(name for name, _ in GOOD_FORMS[path] if "; f" in name)
    body = form([*without(path, file.partition(";")[0]), (file, b"x" * UPLOAD_BYTES_MAX)])
    assert_refused(scene.send(path, body, FORM), f"{UPLOAD_BYTES_MAX} bytes (server.upload_bytes_max)", status=413)


@pytest.mark.parametrize("path", GOOD_FORMS)
def test_a_form_for_an_unknown_model(scene: Scene, path: str):
    for model, status in ((b"nope", 404), (b"nowhere/m", 404), (b"x" * 5000, 400)):
        reply = scene.send(path, form([*without(path, "model"), ("model", model)]), FORM)
        assert reply.status == status, reply.body
        assert told("openai_chat", reply.body).field == "model"


# In other words


def test_what_cannot_be_told_abroad(scene: Scene):
    for body, field in (
        ({"model": "abroad", "input": [1, 2]}, "input"),
        ({"model": "abroad", "input": [[1]]}, "input"),
    ):
        assert_refused(scene.send("/v1/embeddings", json.dumps(body).encode()), "tokens", field)
    speech = json.dumps({**GOOD["/v1/audio/speech"], "model": "abroad"}).encode()
    assert_refused(scene.send("/v1/audio/speech", speech), "'abroad' cannot speak texts", "model")


def test_other_surfaces_tell_it_in_their_own_words(scene: Scene):
    key = {"x-goog-api-key": scene.gateway.key, "content-type": "application/json"}
    for verb, body in (("embedContent", b"{}"), ("batchEmbedContents", b'{"requests":[{}]}'), ("embedContent", b"[")):
        reply = ask(scene.gateway.url, "POST", f"/v1beta/models/m:{verb}", key, body)
        assert reply.status == 400
        assert json.loads(reply.body)["error"]["status"] == "INVALID_ARGUMENT"
    for path, body in (("/v2/embed", b'{"model":"m"}'), ("/v2/rerank", b'{"model":"m"}')):
        reply = scene.send(path, body)
        assert reply.status == 400
        assert "required" in json.loads(reply.body)["message"]
    reply = scene.send("/api/embed", b'{"model":"m"}')
    assert (reply.status, "input" in json.loads(reply.body)["error"]) == (400, True)


def test_refusals_are_written_down(scene: Scene):
    scene.send("/v1/moderations", b'{"model":"m"}')
    eventually(lambda: recorded(scene.gateway, "limit=1")[0]["operation"] == "moderations")
    call = recorded(scene.gateway, "limit=1")[0]
    assert (call["status"], call["outcome"]) == (400, "client")
