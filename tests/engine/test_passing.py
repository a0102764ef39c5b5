"""Calls that pass through: who may, where they can go, what travels, what it is written down as."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.app.inprocess import AsyncTransport
from headgate.core.principal import Principal
from headgate.transport.fake import CutAfter, Status
from tests.engine.test_keepers import Place, place
from tests.engine.test_keeping import FORM, answer, ask, file, record_of

pytestmark = pytest.mark.anyio
PRINCIPALS: Mapping[str, Principal] = {
    "may": Principal(key_id="may", name="may", passing=("one", "ghost")),
    "other": Principal(key_id="other", name="other", passing=("one", "two")),
    "not": Principal(key_id="not", name="not"),
    "held": Principal(key_id="held", name="held", passing=("one",), models=("m",)),
}


class Keys:
    def recall(self, presented: bytes) -> Principal | None:
        return PRINCIPALS.get(presented.decode())

    async def identify(self, presented: bytes) -> Principal | None:
        return self.recall(presented)


@asynccontextmanager
async def passing(folder: Path, **more: Any) -> AsyncIterator[Place]:
    async with (
        place(folder, pass_through={"providers": ["one", "two"]}, **more) as at,
        wiring.open_engine(at.core) as (engine, spawn),
    ):
        transport = AsyncTransport(wiring.client_listener(at.core, engine, Keys()), spawn)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
            at.client = client
            yield at


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_anything_below_the_base_url(tmp_path: Path, method: str):
    async with passing(tmp_path) as at:
        at.one.reply(b'{"ok":true}', path="/v1/some/thing%20odd")
        body = b"" if method in ("GET", "OPTIONS") else b"\x00\x01body"

        got = await ask(at, "may", method, "/one/v1/some/thing%20odd?a=1&key=secret&b=%2F", content=body)

        assert (got.status_code, got.content) == (200, b'{"ok":true}')
        sent = at.one.log[0]
        assert (sent.method, sent.path, sent.body) == (method, "/v1/some/thing%20odd?a=1&b=%2F", body)
        record = await record_of(at, got)
        assert (record.route, record.path, record.status) == ("pass_through", f"{method} /v1/some/thing%20odd", 200)
        assert record.streamed_bytes == 11
        assert (record.cost_nano_usd, record.is_priced) == (0, method not in ("POST", "PUT", "PATCH"))
        assert record.attempts[0].provider == "one"


@pytest.mark.parametrize(
    ("key", "path", "status", "told"),
    [
        ("nobody", "/one/v1/x", 401, "Invalid API key"),
        ("not", "/one/v1/x", 403, "This key may not pass calls through to one"),
        ("may", "/two/v1/x", 403, "This key may not pass calls through to two"),
        ("held", "/one/v1/x", 403, "held to some models"),
        ("may", "/three/v1/x", 404, "There is nothing at"),
        ("may", "/ghost/v1/x", 404, "There is nothing at"),
        ("may", "/demo/v1/x", 404, "There is nothing at"),
    ],
)
async def test_who_may_not(tmp_path: Path, key: str, path: str, status: int, told: str):
    async with passing(tmp_path) as at:
        refused = await ask(at, key, "GET", path)

        assert refused.status_code == status
        assert told in refused.json()["error"]["message"]
        assert at.one.log == at.two.log == []


async def test_nothing_passes_unless_the_operator_says_so(tmp_path: Path):
    async with place(tmp_path) as at:
        assert (await ask(at, "may", "GET", "/one/v1/x")).status_code == 404
        assert at.one.log == []


@pytest.mark.parametrize(
    "path",
    [
        "/one/%2e%2e/admin",
        "/one/v1/%2E%2E/x",
        "/one/v1/.%2e/x",
        "/one/v1/a%2Fb",
        "/one/v1/a%5Cb",
        "/one/v1/a\\b",
        "/one/%252e%252e/x",
        "/one//evil.example/x",
        "/one/v1//x",
        "/one/@evil.example/x",
        "/one/%40evil.example/x",
        "/one/v1/..;/x",
        "/one/v1/%00",
        "/one/v1/%0d%0aHost:%20evil",
        "/one/v1/%ff",
        "/one/v1/%zz",
        "/one/v1/%",
        "/%6fne/v1/x",
        "/one/http://evil.example/",
        "/one/http:%2F%2Fevil.example/",
    ],
)
async def test_where_nothing_can_go(tmp_path: Path, path: str):
    async with passing(tmp_path) as at:
        request = at.client.build_request("GET", "http://gateway/", headers={"authorization": "Bearer may"})
        request.url = request.url.copy_with(raw_path=path.encode())

        refused = await at.client.send(request)

        assert refused.status_code in (400, 404)
        assert at.one.log == at.two.log == []


async def test_what_travels_and_what_does_not(tmp_path: Path):
    headers = {
        "openai-beta": "assistants=v2",
        "content-type": "application/x-thing",
        "x-api-key": "may",
        "cookie": "session=1",
        "openai-organization": "org-other",
        "x-forwarded-for": "10.0.0.1",
        "x-headgate-user": "u",
        "te": "trailers",
        "connection": "keep-alive, x-secret-hop",
        "x-secret-hop": "1",
    }
    async with passing(tmp_path) as at:
        answered = [
            ("content-type", "application/x-thing"),
            ("set-cookie", "account=1"),
            ("openai-organization", "org-ours"),
            ("x-request-id", "theirs"),
            ("location", "http://10.0.0.1/x"),
            ("retry-after", "3"),
        ]
        at.one.reply(b"ok", headers=answered, path="/v1/x")

        got = await ask(at, "may", "POST", "/one/v1/x", content=b"x", headers=headers)

        sent = at.one.log[0].headers
        assert sent["openai-beta"] == "assistants=v2"
        assert sent["content-type"] == "application/x-thing"
        gone = {
            "x-api-key",
            "cookie",
            "openai-organization",
            "x-forwarded-for",
            "x-headgate-user",
            "te",
            "x-secret-hop",
        }
        assert not gone & sent.keys()
        assert "may" not in str(sent)
        assert got.headers["content-type"] == "application/x-thing"
        assert got.headers["x-upstream-request-id"] == "theirs"
        assert got.headers["x-request-id"].startswith("req_")
        assert got.headers["retry-after"] == "3"
        assert not {"set-cookie", "openai-organization", "location"} & got.headers.keys()


async def test_the_providers_own_credential_goes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONE_KEY", "upstream-secret")
    (tmp_path / "key").write_text("upstream-secret")
    async with place(tmp_path / "data") as first:
        providers = {
            "one": {"like": "openai", "base_url": first.one.url, "api_key": f"file:{tmp_path / 'key'}"},
            "two": {"like": "openai", "base_url": first.two.url, "api_key": "none"},
        }
        async with passing(tmp_path / "more", providers=providers) as at:
            first.one.reply(b"{}", path="/v1/x")
            await ask(at, "may", "GET", "/one/x")

        assert first.one.log[0].headers["authorization"] == "Bearer upstream-secret"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_known_path_is_priced(tmp_path: Path, is_stream: bool):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "stream": is_stream}
    if is_stream:
        body["stream_options"] = {"include_usage": True}
    async with passing(tmp_path) as at:
        got = await ask(at, "may", "POST", "/one/v1/chat/completions", json=body)

        assert got.status_code == 200
        record = await record_of(at, got)
        assert record.usage is not None
        assert record.usage_source == "provider_reported"
        assert (record.attempts[0].model, record.is_priced) == ("gpt-4o-mini", True)
        assert record.cost_nano_usd > 0
        assert json.loads(at.one.log[0].body) == body


async def test_a_stream_comes_as_it_is(tmp_path: Path):
    chunks = [b"event: a\ndata: 1\n\n", b"event: b\ndata: 2\n\n"]
    async with passing(tmp_path) as at:
        at.one.stream(chunks, path="/v1/odd/stream")

        got = await ask(at, "may", "POST", "/one/v1/odd/stream", json={})

        assert got.content == b"".join(chunks)
        assert got.headers["content-type"] == "text/event-stream"
        assert (await record_of(at, got)).is_priced is False


async def test_what_is_kept_stays_its_owners_here_too(tmp_path: Path):
    async with passing(tmp_path) as at:
        at.one.reply(answer(file("file-1")), path="/v1/files", times=1)
        form = {"content-type": "multipart/form-data; boundary=b"}
        made = await ask(at, "may", "POST", "/one/v1/files", content=FORM, headers=form)
        others = [
            await ask(at, "other", "GET", path)
            for path in (
                "/one/v1/files/file-1",
                "/one/files/file-1/content",
                "/one/v1/v1/files/file-1",
                "/two/files/file-1",
            )
        ]
        theirs = await ask(at, "other", "POST", "/one/v1/vector_stores/x/files", json={"file_id": "file-1"})
        elsewhere = await ask(at, "may", "GET", "/one/v1/responses/resp_1")
        at.one.reply(answer({"data": [file("file-1")], "has_more": False}), path="/v1/files")
        listed = await ask(at, "other", "GET", "/one/v1/files")

        assert made.json()["id"] == "file-1"
        assert {each.status_code for each in (*others, theirs, elsewhere)} == {404}
        assert listed.json()["data"] == []
        assert len(at.one.log) == 2


async def test_an_answer_that_is_kept_is_its_callers(tmp_path: Path):
    async with passing(tmp_path) as at:
        await ask(at, "may", "POST", "/one/v1/responses", json={"model": "m", "input": "hi"})
        again = {"model": "m", "input": "hi", "previous_response_id": "resp_fake"}

        mine = await ask(at, "may", "POST", "/one/v1/responses", json=again)
        theirs = await ask(at, "other", "POST", "/one/v1/responses", json=again)
        elsewhere = await ask(at, "other", "POST", "/two/v1/responses", json=again)
        by_route = await ask(at, "may", "POST", "/v1/responses", json=again | {"model": "one/m"})

        statuses = [each.status_code for each in (mine, theirs, elsewhere, by_route)]
        assert statuses == [200, 404, 404, 200]


@pytest.mark.parametrize(("store", "statuses"), [(True, [200, 404, 404]), (False, [404] * 3), (None, [404] * 3)])
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_chat_that_is_stored_is_its_callers(
    tmp_path: Path, store: bool | None, statuses: list[int], is_stream: bool
):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "store": store, "stream": is_stream}
    async with passing(tmp_path) as at:
        made = await ask(at, "may", "POST", "/one/v1/chat/completions", json=body)
        text = made.text.partition("data: ")[2].partition("\n")[0] if is_stream else made.text
        path = f"/v1/chat/completions/{json.loads(text)['id']}"
        at.one.reply(b"{}", path=path)

        asked = [await ask(at, *each) for each in (("may", "GET", path), ("other", "GET", path))]
        passed = await ask(at, "other", "GET", f"/one{path}")

        assert [each.status_code for each in (*asked, passed)] == statuses


async def test_an_upstreams_error_is_the_callers(tmp_path: Path):
    async with passing(tmp_path) as at:
        at.one.fail(Status(429))

        got = await ask(at, "may", "POST", "/one/v1/x", json={})

        assert got.status_code == 429
        record = await record_of(at, got)
        assert (str(record.outcome), record.is_priced) == ("rate", True)


async def test_a_cut_answer_is_cut(tmp_path: Path):
    async with passing(tmp_path) as at:
        at.one.reply(b"x" * 1000, path="/v1/x")
        at.one.fail(CutAfter(bytes=100))

        with pytest.raises(httpx2.RemoteProtocolError):
            await ask(at, "may", "GET", "/one/v1/x")


async def test_an_answer_without_a_body(tmp_path: Path):
    async with passing(tmp_path) as at:
        at.one.reply(b"", status=204, headers=(), path="/v1/x")

        got = await ask(at, "may", "DELETE", "/one/v1/x")

        assert (got.status_code, got.content) == (204, b"")
