"""Files, batches and what else providers keep: made, listed, read and deleted, by their owners alone."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.core.record import CallRecord
from tests.engine.test_keepers import Place, place

pytestmark = pytest.mark.anyio
FORM = (
    b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\n\r\n--b--\r\n'
)
FORM_TYPE = {"content-type": "multipart/form-data; boundary=b"}


def file(id: str) -> dict[str, Any]:
    return {"id": id, "object": "file", "bytes": 3, "filename": "a.jsonl", "purpose": "batch"}


def answer(value: Any) -> bytes:
    return json.dumps(value).encode()


def page(*ids: str, has_more: bool = False) -> bytes:
    data = [file(id) for id in ids]
    return answer({"object": "list", "data": data, "first_id": ids[0], "last_id": ids[-1], "has_more": has_more})


async def ask(at: Place, key: str, method: str, path: str, **more: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
    return await at.client.request(method, path, headers=headers, **more)


async def upload(at: Place, key: str, id: str, provider: str = "one") -> httpx2.Response:
    upstream = at.one if provider == "one" else at.two
    upstream.reply(answer(file(id)), path="/v1/files", times=1)
    headers = {**FORM_TYPE, "x-headgate-provider": provider}
    return await ask(at, key, "POST", "/v1/files", content=FORM, headers=headers)


async def record_of(at: Place, response: httpx2.Response) -> CallRecord:
    found = await at.core.calls.find(response.headers["x-headgate-request-id"])
    assert found is not None
    return found


async def test_a_file_is_made_where_the_caller_says_and_stays_there(tmp_path: Path):
    async with place(tmp_path) as at:
        made = await upload(at, "a", "file-1", "two")
        at.two.reply(b"\x00\xff bytes", path="/v1/files/file-1/content")
        read = await ask(at, "a", "GET", "/v1/files/file-1/content")

        assert (made.status_code, made.json()["id"]) == (200, "file-1")
        sent = at.two.log[0]
        assert (sent.method, sent.path, sent.body) == ("POST", "/v1/files", FORM)
        assert sent.headers["content-type"] == "multipart/form-data; boundary=b"
        assert "x-headgate-provider" not in sent.headers
        assert sent.headers.get("authorization") != "Bearer a"
        assert read.content == b"\x00\xff bytes"
        assert at.one.log == []
        record = await record_of(at, made)
        assert (record.operation, record.path, record.status) == ("files", "POST /files", 200)
        assert (record.attempts[0].provider, record.is_priced, record.cost_nano_usd) == ("two", True, 0)
        assert [entry.id for entry in record.minted] == ["file-1"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/files/file-1"),
        ("GET", "/v1/files/file-1/content"),
        ("DELETE", "/v1/files/file-1"),
        ("GET", "/v1/batches/file-1"),
        ("POST", "/v1/batches/file-1/cancel"),
        ("GET", "/v1/files?after=file-1&provider=one"),
        ("GET", "/openai/v1/files/file-1"),
        ("GET", "/files/file-1"),
        ("GET", "/v1/files/%66ile-1"),
    ],
)
async def test_nobody_else_reaches_it(tmp_path: Path, method: str, path: str):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1")

        refused = await ask(at, "b", method, path)

        assert refused.status_code == 404
        assert refused.json()["error"]["code"] == "not_found"
        assert len(at.one.log) == 1


async def test_nobody_else_uses_it(tmp_path: Path):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1")

        refused = await ask(at, "b", "POST", "/v1/batches?provider=one", json={"input_file_id": "file-1"})

        assert (refused.status_code, len(at.one.log)) == (404, 1)


@pytest.mark.parametrize("path", ["/v1/files/../x", "/v1/files/a/%2e%2e", "/v1/files/a%2F..%2Fb", "/v1/files/%00"])
async def test_a_path_that_climbs_is_nowhere(tmp_path: Path, path: str):
    async with place(tmp_path) as at:
        refused = await ask(at, "a", "GET", path)

        assert refused.status_code == 404
        assert at.one.log == []


async def test_a_list_shows_what_is_the_callers_alone(tmp_path: Path):
    async with place(tmp_path) as at:
        for id in ("file-1", "file-3", "file-5"):
            await upload(at, "a", id)
        await upload(at, "b", "file-2")
        at.one.reply(page("file-5", "file-4", has_more=True), path="/v1/files", times=1)
        at.one.reply(page("file-3", "file-2", "file-1"), path="/v1/files", times=1)

        listed = await ask(at, "a", "GET", "/v1/files?provider=one&limit=2&purpose=batch")

        told = listed.json()
        assert [each["id"] for each in told["data"]] == ["file-5", "file-3"]
        assert (told["first_id"], told["last_id"], told["has_more"]) == ("file-5", "file-3", True)
        first, second = at.one.log[-2:]
        assert first.path == "/v1/files?purpose=batch&limit=100"
        assert second.path == "/v1/files?purpose=batch&limit=100&after=file-4"


async def test_a_list_of_others_things_is_empty(tmp_path: Path):
    async with place(tmp_path) as at:
        at.one.reply(page("file-9"), path="/v1/files")

        told = (await ask(at, "a", "GET", "/v1/files?provider=one")).json()

        assert (told["data"], told["first_id"], told["last_id"], told["has_more"]) == ([], None, None, False)


async def test_what_is_deleted_is_unknown(tmp_path: Path):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1")
        at.one.reply(answer({"id": "file-1", "object": "file", "deleted": True}), path="/v1/files/file-1")

        assert (await ask(at, "a", "DELETE", "/v1/files/file-1")).json()["deleted"] is True
        assert (await ask(at, "a", "GET", "/v1/files/file-1")).status_code == 404


async def test_a_deletion_that_failed_changes_nothing(tmp_path: Path):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1")
        error = {"error": {"message": "in use", "type": "invalid_request_error"}}
        at.one.reply(answer(error), status=409, path="/v1/files/file-1", times=1)
        at.one.reply(answer(file("file-1")), path="/v1/files/file-1", times=1)

        refused = await ask(at, "a", "DELETE", "/v1/files/file-1")

        assert (refused.status_code, refused.json()) == (409, error)
        assert (await ask(at, "a", "GET", "/v1/files/file-1")).json()["id"] == "file-1"


@pytest.mark.parametrize(
    ("headers", "query", "told"),
    [
        ({}, "", "Say which provider is meant"),
        ({"x-headgate-provider": "three"}, "", "no provider 'three'"),
        ({"x-headgate-provider": "one"}, "?provider=two", "name two providers"),
    ],
)
async def test_where_to_has_to_be_said(tmp_path: Path, headers: dict[str, str], query: str, told: str):
    async with place(tmp_path) as at:
        headers = {**FORM_TYPE, **headers}
        refused = await ask(at, "a", "POST", f"/v1/files{query}", content=FORM, headers=headers)

        assert refused.status_code == 400
        assert told in refused.json()["error"]["message"]
        assert at.one.log == at.two.log == []


async def test_an_operator_says_where_to(tmp_path: Path):
    async with place(tmp_path, kept={"provider": "two"}) as at:
        at.two.reply(answer(file("file-1")), path="/v1/files")

        assert (await ask(at, "a", "POST", "/v1/files", content=FORM, headers=FORM_TYPE)).status_code == 200


async def test_what_is_asked_of_two_places_cannot_be(tmp_path: Path):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1", "one")
        at.two.reply(answer({"id": "vs_1", "object": "vector_store"}), path="/v1/vector_stores")
        await ask(at, "a", "POST", "/v1/vector_stores?provider=two", json={"name": "x"})

        refused = await ask(at, "a", "POST", "/v1/vector_stores/vs_1/files", json={"file_id": "file-1"})

        assert refused.status_code == 400
        assert "kept by two" in refused.json()["error"]["message"]


BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": "file-1"}
USAGE = {
    "input_tokens": 1_000_000,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1_000_000,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2_000_000,
}


async def test_a_batch_goes_where_its_file_is_and_is_paid_for_once_at_batch_price(tmp_path: Path):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1", "two")
        at.two.reply(answer(BATCH), path="/v1/batches")
        made = await ask(at, "a", "POST", "/v1/batches", json={"input_file_id": "file-1", "endpoint": "/v1/x"})
        done = BATCH | {"status": "completed", "output_file_id": "file-out", "model": "gpt-4o-mini", "usage": USAGE}
        at.two.reply(answer(done), path="/v1/batches/batch_1")
        polls = [await ask(at, "a", "GET", "/v1/batches/batch_1") for _ in range(2)]
        line = {"custom_id": "1", "response": {"status_code": 200, "body": {}}}
        at.two.reply(answer(line), path="/v1/files/file-out/content")
        results = await ask(at, "a", "GET", "/v1/files/file-out/content")

        assert made.json() == BATCH
        assert polls[0].json() == polls[1].json() == done
        assert results.json() == line
        records = [await record_of(at, each) for each in (*polls, results)]
        # USD 0.15 and 0.60 for a million tokens, half of it in a batch
        assert [record.cost_nano_usd for record in records] == [375_000_000, 0, 0]
        assert records[0].attempts[0].model == "gpt-4o-mini"
        assert records[0].usage is not None
        assert records[0].usage.tier == "batch"
        assert (await ask(at, "b", "GET", "/v1/files/file-out/content")).status_code == 404


async def test_a_batch_without_a_sum_is_paid_by_its_lines(tmp_path: Path):
    async with place(tmp_path) as at:
        await upload(at, "a", "file-1")
        at.one.reply(answer(BATCH), path="/v1/batches")
        await ask(at, "a", "POST", "/v1/batches", json={"input_file_id": "file-1"})
        at.one.reply(answer(BATCH | {"status": "completed", "output_file_id": "file-out"}), path="/v1/batches/batch_1")
        await ask(at, "a", "GET", "/v1/batches/batch_1")
        choices = [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]
        body = {
            "id": "c",
            "object": "chat.completion",
            "model": "gpt-4o-mini",
            "choices": choices,
            "usage": {"prompt_tokens": 500_000, "completion_tokens": 500_000, "total_tokens": 1_000_000},
        }
        lines = [{"custom_id": str(n), "response": {"status_code": 200, "body": body}} for n in range(2)]
        lines.append({"custom_id": "bad", "response": {"status_code": 500, "body": {"error": {}}}})
        content = b"\n".join(map(answer, lines))
        at.one.reply(content, path="/v1/files/file-out/content")

        downloads = [await ask(at, "a", "GET", "/v1/files/file-out/content") for _ in range(2)]

        assert [each.content for each in downloads] == [content, content]
        costs = [(await record_of(at, each)).cost_nano_usd for each in downloads]
        assert costs == [375_000_000, 0]


async def test_an_upstreams_refusal_of_our_account_does_not_travel(tmp_path: Path):
    async with place(tmp_path) as at:
        told = {"error": {"message": "Incorrect API key provided: sk-secret", "type": "invalid_request_error"}}
        at.one.reply(answer(told), status=401, path="/v1/files")

        refused = await ask(at, "a", "GET", "/v1/files?provider=one")

        assert refused.status_code == 502
        assert "sk-secret" not in refused.text
        assert "does not accept this gateway's account" in refused.json()["error"]["message"]


async def test_a_list_that_is_none_is_an_upstreams_fault(tmp_path: Path):
    async with place(tmp_path) as at:
        at.one.reply(b'{"data": 5}', path="/v1/files")

        assert (await ask(at, "a", "GET", "/v1/files?provider=one")).status_code == 502


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(tmp_path: Path):
    from headgate.transport.fake import CutAfter

    async with place(tmp_path) as at:
        await upload(at, "a", "file-1")
        at.one.reply(b"x" * 10_000, path="/v1/files/file-1/content")
        at.one.fail(CutAfter(bytes=100))

        with pytest.raises(httpx2.HTTPError):
            await ask(at, "a", "GET", "/v1/files/file-1/content")
