"""The gateway's own batches at providers whose batches are asked for in ways of their own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from headgate.transport.fake import FakeUpstream
from tests.engine.test_keepers import place
from tests.engine.test_keeping import answer, ask, record_of
from tests.engine.test_wholesale import CALLER, CHAT, asked, completion, lines, shop, until

pytestmark = pytest.mark.anyio
ROUTES = {"smart": {"targets": ["one/mistral-small-latest"]}}
JOB: dict[str, Any] = {
    "id": "ca1cd668",
    "object": "batch",
    "input_files": ["5cdf78f8"],
    "endpoint": CHAT,
    "model": "mistral-small-latest",
    "output_file": None,
    "error_file": None,
    "errors": [],
    "status": "QUEUED",
    "total_requests": 2,
    "completed_requests": 0,
    "succeeded_requests": 0,
    "failed_requests": 0,
}
JOB_DONE = JOB | {"status": "SUCCESS", "output_file": "abbe56be", "completed_requests": 2, "succeeded_requests": 2}


def told(number: int, model: str) -> bytes:
    """A line of results of Mistral's and Together's."""
    body = completion("batched") | {"model": model}
    return answer({"custom_id": f"line-{number}", "response": {"status_code": 200, "body": body}, "error": None})


async def test_mistral_is_asked_for_a_job(tmp_path: Path):
    async with shop(tmp_path, like="mistral", routes=ROUTES) as at:
        at.one.reply(answer({"id": "5cdf78f8", "object": "file", "purpose": "batch"}), path="/v1/files")
        at.one.reply(answer(JOB), path="/v1/batch/jobs")
        at.one.reply(answer(JOB | {"status": "RUNNING"}), path="/v1/batch/jobs/ca1cd668", times=1)
        at.one.reply(answer(JOB_DONE), path="/v1/batch/jobs/ca1cd668")
        results = b"\n".join(told(number, "mistral-small-latest") for number in (1, 2))
        at.one.reply(results, path="/v1/files/abbe56be/content")
        batch = await at.desk.batches.run(await at.batch(lines("smart", "smart", max_tokens=9)))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (2, 0)
        assert [status for status, _ in (await at.results(batch)).values()] == [200, 200]
        assert asked(at.one) == [
            "POST /v1/files",
            "POST /v1/batch/jobs",
            *["GET /v1/batch/jobs/ca1cd668"] * 3,
            "GET /v1/files/abbe56be/content",
        ]
        made = json.loads(at.one.log[1].body)
        assert made == {"input_files": ["5cdf78f8"], "endpoint": CHAT, "model": "mistral-small-latest"}
        # twice half a million tokens at USD 0.15 for a million, and half of that
        assert sum(record.cost_nano_usd for record in await at.records()) == 75_000_000


async def test_a_job_that_ran_out_of_time_leaves_calls(tmp_path: Path):
    async with shop(tmp_path, like="mistral", routes=ROUTES) as at:
        at.one.reply(answer({"id": "5cdf78f8", "object": "file"}), path="/v1/files")
        at.one.reply(answer(JOB), path="/v1/batch/jobs")
        late = JOB_DONE | {"status": "TIMEOUT_EXCEEDED", "error_file": "0ff"}
        at.one.reply(answer(late), path="/v1/batch/jobs/ca1cd668")
        at.one.reply(told(1, "mistral-small-latest"), path="/v1/files/abbe56be/content")
        at.one.reply(answer({"custom_id": "line-2", "error": "timeout"}), path="/v1/files/0ff/content")
        at.one.reply(answer(completion("called")), path=CHAT)
        batch = await at.desk.batches.run(await at.batch(lines("smart", "smart")))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (1, 1)


async def test_a_clients_own_job_stays_its_own_and_is_paid_by_its_lines(tmp_path: Path):
    async with place(tmp_path, like="mistral") as at:
        at.one.reply(answer({"id": "5cdf78f8", "object": "file"}), path="/v1/files")
        files = {"file": ("calls.jsonl", b"{}\n")}
        await ask(at, "a", "POST", "/v1/files?provider=one", files=files, data={"purpose": "batch"})
        at.one.reply(answer(JOB), path="/v1/batch/jobs")
        job = await ask(at, "a", "POST", "/v1/batch/jobs", json={"input_files": ["5cdf78f8"], "endpoint": CHAT})
        at.one.reply(answer(JOB_DONE), path="/v1/batch/jobs/ca1cd668")
        done = await ask(at, "a", "GET", "/v1/batch/jobs/ca1cd668")
        at.one.reply(told(1, "mistral-small-latest"), path="/v1/files/abbe56be/content")
        results = await ask(at, "a", "GET", "/v1/files/abbe56be/content")

        assert (job.json(), done.json()) == (JOB, JOB_DONE)
        assert (await record_of(at, results)).cost_nano_usd == 37_500_000
        for method, path in (("GET", "/v1/batch/jobs/ca1cd668"), ("POST", "/v1/batch/jobs/ca1cd668/cancel")):
            assert (await ask(at, "b", method, path)).status_code == 404
        stolen = await ask(at, "b", "POST", "/v1/batch/jobs", json={"input_files": ["5cdf78f8"]})
        assert stolen.status_code == 404


TOGETHER = {"smart": {"targets": ["one/Qwen/Qwen3.5-9B"]}}
BATCH = {"id": "01234567-8901", "input_file_id": "file-in", "status": "VALIDATING", "endpoint": CHAT}


def serves_together(upstream: FakeUpstream, done: dict[str, Any], *results: bytes) -> None:
    upstream.reply(answer({"id": "file-in", "object": "file", "purpose": "batch-api"}), path="/v1/files/upload")
    upstream.reply(answer({"job": BATCH, "warning": ""}), status=201, path="/v1/batches")
    upstream.reply(answer(BATCH | {"status": "IN_PROGRESS"}), path="/v1/batches/01234567-8901", times=1)
    upstream.reply(answer(BATCH | done), path="/v1/batches/01234567-8901")
    upstream.reply(b"\n".join(results), path="/v1/files/file-out/content")


async def test_together_is_sent_its_file_where_it_takes_files(tmp_path: Path):
    async with shop(tmp_path, like="together", routes=TOGETHER) as at:
        done = {"status": "COMPLETED", "output_file_id": "file-out", "error_file_id": "file-err"}
        serves_together(at.one, done, told(1, "Qwen/Qwen3.5-9B"))
        at.one.reply(answer({"custom_id": "line-2", "error": {"message": "no"}}), path="/v1/files/file-err/content")
        at.one.reply(answer(completion("called")), path=CHAT)
        batch = await at.desk.batches.run(await at.batch(lines("smart", "smart")))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (1, 1)
        assert asked(at.one) == [
            "POST /v1/files/upload",
            "POST /v1/batches",
            *["GET /v1/batches/01234567-8901"] * 3,
            "GET /v1/files/file-out/content",
            "GET /v1/files/file-err/content",
            f"POST {CHAT}",
        ]
        form = at.one.log[0].body
        for name, value in (("purpose", "batch-api"), ("file_name", "headgate.jsonl"), ("file_type", "jsonl")):
            assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in form
        assert json.loads(at.one.log[1].body) == {
            "input_file_id": "file-in",
            "endpoint": CHAT,
            "completion_window": "24h",
        }


MAKES = "/v1beta/models/gemini-2.5-flash:batchGenerateContent"
NAME = "batches/31u18uq6"
STATE = {"state": "BATCH_STATE_RUNNING", "batchStats": {"requestCount": "2"}}
RUNNING: dict[str, Any] = {"name": NAME, "metadata": STATE}


def generated(number: int) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": "batched"}]}
    usage = {"promptTokenCount": 1_000_000, "candidatesTokenCount": 0, "totalTokenCount": 1_000_000}
    answered = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r",
    }
    return {"response": answered, "metadata": {"key": f"line-{number}"}}


def ended(*results: dict[str, Any], state: str = "SUCCEEDED") -> dict[str, Any]:
    stats = {"requestCount": "2", "successfulRequestCount": str(len(results))}
    return {
        "name": NAME,
        "metadata": {"state": f"BATCH_STATE_{state}", "batchStats": stats},
        "done": True,
        "response": {"inlinedResponses": {"inlinedResponses": list(results)}},
    }


@pytest.mark.parametrize("url", [CHAT, "/v1beta/models/smart:generateContent"])
async def test_gemini_is_given_the_requests_in_the_batch(tmp_path: Path, url: str):
    routes = {"smart": {"targets": ["one/gemini-2.5-flash"]}}
    async with shop(tmp_path, like="gemini", routes=routes) as at:
        at.one.reply(answer(RUNNING), path=MAKES)
        at.one.reply(answer(RUNNING), path=f"/v1beta/{NAME}", times=1)
        failed = {"error": {"code": 3, "message": "too odd"}, "metadata": {"key": "line-2"}}
        at.one.reply(answer(ended(generated(1), failed)), path=f"/v1beta/{NAME}")
        bodies = [{"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}] * 2
        own = [{"custom_id": f"c{n}", "url": url, "body": body} for n, body in enumerate(bodies, 1)]
        content = lines("smart", "smart") if url == CHAT else b"\n".join(map(answer, own))
        batch = await at.desk.batches.run(await at.batch(content))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (2, 0)
        assert asked(at.one) == [f"POST {MAKES}", *[f"GET /v1beta/{NAME}"] * 3]
        requests = json.loads(at.one.log[0].body)["batch"]["inputConfig"]["requests"]["requests"]
        assert [each["metadata"] for each in requests] == [{"key": "line-1"}, {"key": "line-2"}]
        assert [each["request"]["contents"][0]["parts"] for each in requests] == [[{"text": "hi"}]] * 2
        results = await at.results(batch)
        assert [status for status, _ in results.values()] == [200, 400]
        told = results["c1"][1]
        text = told["choices"][0]["message"]["content"] if url == CHAT else told["candidates"][0]["content"]["parts"]
        assert text == ("batched" if url == CHAT else [{"text": "batched"}])
        assert results["c2"][1]["error"]["message"] == "too odd"
        # a million tokens at USD 0.30, and half of that
        assert sum(record.cost_nano_usd for record in await at.records()) == 150_000_000


async def test_a_batch_of_geminis_is_ended_with_ours(tmp_path: Path):
    routes = {"smart": {"targets": ["one/gemini-2.5-flash"]}}
    async with shop(tmp_path, like="gemini", routes=routes) as at:
        at.one.reply(answer(RUNNING), path=MAKES)
        at.one.reply(answer(RUNNING), path=f"/v1beta/{NAME}", times=3)
        at.one.reply(b"{}", path=f"/v1beta/{NAME}:cancel")
        at.one.reply(answer(ended(state="CANCELLED")), path=f"/v1beta/{NAME}")
        batch = await at.batch(lines("smart"))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(at.desk.batches.run(batch))
            await until(lambda: len(at.one.log) >= 2)
            await at.desk.batches.cancel(CALLER.owner, batch.shown.id)

        assert running.result().shown.status == "cancelled"
        assert asked(at.one).count(f"POST /v1beta/{NAME}:cancel") == 1


async def test_a_clients_own_batch_of_geminis_stays_its_own_and_is_paid_once(tmp_path: Path):
    async with place(tmp_path, like="gemini") as at:
        at.one.reply(answer(RUNNING), path=MAKES)
        body = {"batch": {"displayName": "x", "inputConfig": {"requests": {"requests": []}}}}
        made = await ask(at, "a", "POST", f"{MAKES}?provider=one", json=body)
        at.one.reply(answer(ended(generated(1))), path=f"/v1beta/{NAME}")
        looks = [await ask(at, "a", "GET", f"/v1beta/{NAME}") for _ in range(2)]
        asks = (("GET", f"/v1beta/{NAME}"), ("POST", f"/v1beta/{NAME}:cancel"))
        others = [await ask(at, "b", *each) for each in asks]

        assert made.json() == RUNNING
        assert [each.json() for each in looks] == [ended(generated(1))] * 2
        assert [(await record_of(at, each)).cost_nano_usd for each in looks] == [150_000_000, 0]
        assert [each.status_code for each in others] == [404, 404]
        assert (await ask(at, "a", "GET", "/v1beta/batches")).status_code == 404


@pytest.mark.parametrize("was_looked_at", [True, False])
async def test_a_batch_that_is_deleted_before_its_bill_is_marked_as_not_priced(tmp_path: Path, was_looked_at: bool):
    async with place(tmp_path, like="gemini") as at:
        at.one.reply(answer(RUNNING), path=MAKES)
        await ask(at, "a", "POST", f"{MAKES}?provider=one", json={"batch": {}})
        if was_looked_at:
            at.one.reply(answer(ended(generated(1))), path=f"/v1beta/{NAME}", times=1)
            await ask(at, "a", "GET", f"/v1beta/{NAME}")
        at.one.reply(b"{}", path=f"/v1beta/{NAME}")
        deleted = await ask(at, "a", "DELETE", f"/v1beta/{NAME}")

        assert (await record_of(at, deleted)).is_priced is was_looked_at
        assert (await ask(at, "a", "GET", f"/v1beta/{NAME}")).status_code == 404
