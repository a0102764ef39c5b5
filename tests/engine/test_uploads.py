"""Uploads: read while they come, sent on as fast as the provider reads, refused before or in the midst of it."""

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.core.record import CallRecord
from headgate.server.http1 import Connections
from headgate.server.listener import ClientListener, Doors, KeyRing, Settings
from headgate.store.queries.calls import CallFilter
from tests.engine.test_keepers import Keys, Place, place
from tests.engine.test_keeping import answer, ask, file

pytestmark = pytest.mark.anyio
MOST = 40 * 1024 * 1024
HEADERS = {"content-type": "multipart/form-data; boundary=b", "authorization": "Bearer a", "x-headgate-provider": "one"}
TAIL = b"\r\n--b--\r\n"


def part(name: str, value: bytes = b"", file_name: str = "") -> bytes:
    more = f'; filename="{file_name}"' if file_name else ""
    return f'--b\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value


HEAD = part("purpose", b"batch\r\n") + part("file", file_name="a.jsonl")


class At(Place):
    """The same behind a real port."""

    url: str
    net: httpx2.AsyncClient

    async def records(self) -> list[CallRecord]:
        return (await self.core.calls.recent(CallFilter())).records


@asynccontextmanager
async def listening(folder: Path, keys: KeyRing | None = None, **more: Any) -> AsyncIterator[At]:
    async with place(folder, **more) as inside, asyncio.TaskGroup() as group:
        at = At(inside.core, inside.engine, inside.client, inside.one, inside.two)
        doors = Doors(
            engine=at.engine,
            keys=keys or Keys(),
            calls=at.core.calls,
            listing=lambda: at.core.compiled.listing,
            is_ready=lambda: "",
        )
        listener = ClientListener(doors, Settings(stream_bytes_max=MOST))
        wiring.open_desk(at.core, at.engine, listener, group.create_task)
        connections = Connections(listener, group.create_task)
        server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
        at.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=at.url, headers=HEADERS, timeout=20) as at.net:
            try:
                yield at
            finally:
                server.close()
                connections.abort()
                await connections.close()


async def flow(*pieces: bytes, count: int = 1) -> AsyncIterator[bytes]:
    """The first piece, the second so often, the rest."""
    yield pieces[0]
    for _ in range(count):
        yield pieces[1]
    for piece in pieces[2:]:
        yield piece


LINES = b'{"a":1}\n' * 8192
COUNT = 400
SIZE = len(HEAD) + COUNT * len(LINES) + len(TAIL)


@pytest.mark.parametrize("knows_length", [True, False])
async def test_a_large_file_passes_whole(tmp_path: Path, knows_length: bool):
    async with listening(tmp_path) as at:
        at.one.reply(answer(file("file-1")), path="/v1/files")
        length = {"content-length": str(SIZE)} if knows_length else {}
        made = await at.net.post("/v1/files", content=flow(HEAD, LINES, TAIL, count=COUNT), headers=length)

        assert (made.status_code, made.json()["id"]) == (200, "file-1")
        sent = at.one.log[0]
        assert sent.body == HEAD + LINES * COUNT + TAIL
        assert sent.headers.get("content-length") == (str(SIZE) if knows_length else None)
        (record,) = await at.records()
        assert ([entry.id for entry in record.minted], record.attempts[0].provider) == (["file-1"], "one")


async def test_the_model_or_the_provider_in_the_form_says_where_to(tmp_path: Path):
    async with listening(tmp_path) as at:
        at.two.reply(answer(file("file-2")), path="/v1/files")
        for name, value in (("model", b"other"), ("provider", b"two")):
            whole = part("purpose", b"batch\r\n") + part(name, value + b"\r\n") + part("file", b"x", "a") + TAIL
            made = await at.net.post("/v1/files", content=whole, headers={"x-headgate-provider": ""})

            assert made.json()["id"] == "file-2"
        assert [sent.body for sent in at.two.log] == [
            part("purpose", b"batch\r\n") + part("file", b"x", "a") + TAIL
        ] * 2
        assert at.one.log == []


async def test_a_model_of_a_video_goes_to_its_provider_by_its_own_name(tmp_path: Path):
    async with listening(tmp_path) as at:
        made = {"id": "video_1", "object": "video", "status": "queued"}
        at.two.reply(answer(made), path="/v1/videos")
        plain = {"x-headgate-provider": ""}
        form = part("model", b"other\r\n") + part("prompt", b"a fox") + TAIL
        in_form = await at.net.post("/v1/videos", content=form, headers=plain)
        as_json = await at.net.post(
            "/v1/videos", json={"model": "other", "prompt": "x"}, headers={**plain, "content-type": "application/json"}
        )

        assert (in_form.json(), as_json.json()) == (made, made)
        assert at.two.log[0].body == part("model", b"m\r\n") + part("prompt", b"a fox") + TAIL
        assert json.loads(at.two.log[1].body)["model"] == "m"


BAD: dict[str, tuple[dict[str, str], bytes, int, str]] = {
    "no form": ({"content-type": "application/json"}, b"{}", 415, "multipart/form-data"),
    "no content type": ({"content-type": ""}, b"x", 415, "multipart/form-data"),
    "another boundary": ({}, (HEAD + b"x" + TAIL).replace(b"--b", b"--c"), 400, "closing boundary"),
    "no boundary": ({"content-type": "multipart/form-data"}, HEAD + b"x" + TAIL, 400, "boundary"),
    "no file": ({}, part("purpose", b"batch") + TAIL, 400, "'file' is missing"),
    "file that is a field": ({}, part("file", b"x") + TAIL, 400, "'file' is missing"),
    "empty file": ({}, HEAD + TAIL, 400, "'file' is an empty file"),
    "cut": ({}, HEAD[:-10], 400, "before its closing boundary"),
    "compressed": ({"content-encoding": "gzip"}, HEAD + b"x" + TAIL, 415, "Compressed"),
    "unknown provider": ({"x-headgate-provider": "nobody"}, HEAD + b"x" + TAIL, 400, "no provider 'nobody'"),
    "unknown model": (
        {"x-headgate-provider": ""},
        part("model", b"nothing-like-it\r\n") + HEAD + b"x" + TAIL,
        404,
        "'nothing-like-it' is not known here",
    ),
    "too long": ({"content-length": str(MOST + 1)}, HEAD + b"x" + TAIL, 413, "kept.upload_bytes_max"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_sent_on_is_refused_before_any_of_it_is(tmp_path: Path, name: str):
    headers, body, status, told = BAD[name]
    async with listening(tmp_path) as at:
        if name == "too long":
            reader, writer = await asyncio.open_connection(*at.url.removeprefix("http://").split(":"))
            fields = "".join(f"{key}: {value}\r\n" for key, value in {**HEADERS, **headers}.items())
            writer.write(f"POST /v1/files HTTP/1.1\r\nhost: x\r\n{fields}\r\n".encode() + body)
            text = (await reader.read()).decode()
            writer.close()
            assert (f" {status} " in text.split("\r\n")[0], told in text) == (True, True)
        else:
            refused = await at.net.post("/v1/files", content=body, headers=headers)
            assert (refused.status_code, told in refused.json()["error"]["message"]) == (status, True), refused.text

        assert at.one.log == at.two.log == []


async def test_a_form_that_breaks_in_the_midst_is_refused_and_the_provider_gets_no_whole_one(tmp_path: Path):
    async with listening(tmp_path) as at:
        bad = b"\r\n--b\r\nthis is no head\r\n\r\nx" + TAIL
        refused = await at.net.post("/v1/files", content=flow(HEAD, LINES, bad, count=20))

        assert refused.status_code == 400
        assert "no header field" in refused.json()["error"]["message"]
        assert [sent.is_complete for sent in at.one.log] in ([], [False])
        (record,) = await at.records()
        assert (record.status, record.outcome, record.attempts[0].outcome) == (400, "client", "client")


async def test_one_that_turns_out_too_long_is_refused(tmp_path: Path):
    async with listening(tmp_path) as at:
        refused = await at.net.post("/v1/files", content=flow(HEAD, LINES, TAIL, count=MOST // len(LINES) + 1))

        assert refused.status_code == 413
        assert "kept.upload_bytes_max" in refused.json()["error"]["message"]


async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A provider that refuses a file before it has read it."""
    body = b'{"error":{"message":"this account is full","type":"invalid_request_error"}}'
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(10_000)
    writer.write(
        b"HTTP/1.1 413 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )
    await asyncio.sleep(0.3)
    writer.transport.abort()


async def test_a_providers_refusal_in_the_midst_is_told_in_its_words(tmp_path: Path):
    server = await asyncio.start_server(early, "127.0.0.1", 0)
    three = {
        "like": "openai",
        "base_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "api_key": "none",
    }
    async with listening(tmp_path, providers={"three": three}) as at:
        content = flow(HEAD, LINES, TAIL, count=COUNT)
        refused = await at.net.post("/v1/files", content=content, headers={"x-headgate-provider": "three"})

        assert (refused.status_code, refused.json()["error"]["message"]) == (413, "this account is full")
        assert refused.headers["connection"] == "close"
    server.close()
    await asyncio.sleep(0.35)


async def test_a_client_that_leaves_ends_the_upload(tmp_path: Path):
    async with listening(tmp_path) as at:
        _, writer = await asyncio.open_connection(*at.url.removeprefix("http://").split(":"))
        fields = "".join(f"{key}: {value}\r\n" for key, value in HEADERS.items())
        writer.write(
            f"POST /v1/files HTTP/1.1\r\nhost: x\r\n{fields}content-length: {SIZE}\r\n\r\n".encode() + HEAD + LINES
        )
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await asyncio.sleep(0.2)

        (record,) = await at.records()
        assert (record.status, record.outcome) == (499, "client_gone")
        assert [sent.is_complete for sent in at.one.log] in ([], [False])


async def test_a_key_that_is_looked_for_first_uploads_as_well(tmp_path: Path):
    async with listening(tmp_path) as at:
        at.one.reply(answer(file("file-1")), path="/v1/files", times=2)
        whole = HEAD + LINES * 3 + TAIL
        first, second = [await at.net.post("/v1/files", content=whole) for _ in range(2)]  # and on one connection

        assert (first.status_code, second.status_code) == (200, 200)
        assert [sent.body for sent in at.one.log] == [whole, whole]


async def test_the_gateway_keeps_a_large_file_of_its_own(tmp_path: Path):
    async with listening(tmp_path) as at:
        own = {"x-headgate-provider": "headgate"}
        made = await at.net.post("/v1/files", content=flow(HEAD, LINES, TAIL, count=COUNT), headers=own)

        assert made.status_code == 200, made.text
        assert (made.json()["bytes"], made.json()["filename"]) == (COUNT * len(LINES), "a.jsonl")
        content = await ask(at, "a", "GET", f"/v1/files/{made.json()['id']}/content")
        assert content.content == LINES * COUNT
        for bad, told in (
            (part("file", b"x", "a") + TAIL, "'purpose' is missing"),
            (HEAD + b"x", "closing boundary"),
            (HEAD + b"x\r\n" + part("file", b"y", "b") + TAIL, "'file' is there twice"),
            (HEAD + b"x\r\n" + part("more", b"y" * 300) + TAIL, "over the limit of 256 bytes"),
        ):
            refused = await at.net.post("/v1/files", content=bad, headers=own)
            assert (refused.status_code, told in refused.text) == (400, True), refused.text
        assert list((tmp_path / "files").glob("*.part")) == []


async def test_memory_stays_flat(tmp_path: Path):
    """The most that the process has ever had does not grow by what passes."""
    async with listening(tmp_path) as at:
        own = {"x-headgate-provider": "headgate"}
        await at.net.post("/v1/files", content=flow(HEAD, LINES, TAIL, count=4), headers=own)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        made = await at.net.post("/v1/files", content=flow(HEAD, LINES, TAIL, count=600), headers=own)

        assert made.json()["bytes"] == 600 * len(LINES)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 12 * 1024
