"""Google's interactions through a gateway: passed on as they are, metered, and kept for whoever had them made."""

import json
from pathlib import Path

import pytest

from headgate.core.usage import Usage
from headgate.transport.fake import CutAfter, Status
from tests.engine.test_billing import booked, look
from tests.engine.test_keepers import place
from tests.engine.test_keeping import ask, record_of

pytestmark = pytest.mark.anyio
PATH = "/v1beta/interactions"
DONE = {
    "id": "v1_fake",
    "object": "interaction",
    "status": "completed",
    "usage": {"total_input_tokens": 100, "total_output_tokens": 10, "total_tokens": 110},
}
USED = Usage(input_tokens=100, output_tokens=10)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_it_passes_as_it_is_and_is_metered(tmp_path: Path, is_stream: bool):
    async with place(tmp_path, "gemini") as at:
        body = {"model": "either", "input": "hi", "stream": is_stream, "generation_config": {"seed": 1}}
        answer = await ask(at, "a", "POST", PATH, json=body)

        assert json.loads(at.one.log[0].body) == {**body, "model": "m"}
        assert (at.one.log[0].path, answer.status_code) == (PATH, 200)
        assert answer.headers["content-type"].startswith("text/event-stream" if is_stream else "application/json")
        assert ("interaction.completed" in answer.text) is is_stream
        record = await record_of(at, answer)
        assert (record.operation, record.surface, record.model) == ("interactions", "gemini", "either")
        assert record.usage is not None
        assert (record.usage.reasoning_tokens, record.usage_source) == (2, "provider_reported")
        assert [(entry.kind, entry.id, entry.provider) for entry in record.minted] == [
            ("interaction", "v1_fake", "one")
        ]


async def test_the_next_turn_goes_where_the_last_is_kept_for_its_owner_alone(tmp_path: Path):
    async with place(tmp_path, "gemini") as at:
        body = {"model": "other", "input": "hi"}
        await ask(at, "a", "POST", PATH, json=body)
        kept = {"model": "either", "input": "more", "previous_interaction_id": "v1_fake"}
        mine = await ask(at, "a", "POST", PATH, json=kept)
        not_mine = await ask(at, "b", "POST", PATH, json=kept)

        assert (mine.status_code, not_mine.status_code) == (200, 404)
        assert (len(at.one.log), len(at.two.log)) == (0, 2)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{PATH}/v1_fake"), ("DELETE", f"{PATH}/v1_fake"), ("POST", f"{PATH}/v1_fake/cancel")],
)
async def test_it_is_looked_at_cancelled_and_deleted_by_its_owner(tmp_path: Path, method: str, path: str):
    async with place(tmp_path, "gemini") as at:
        await ask(at, "a", "POST", PATH, json={"model": "other", "input": "hi"})
        at.two.reply(json.dumps(DONE).encode(), path=path)
        told = await ask(at, "a", method, path)

        assert (await ask(at, "b", method, path)).status_code == 404
        assert (told.status_code, told.json()) == (200, DONE)
        assert (at.two.log[-1].method, at.two.log[-1].path) == (method, path)
        record = await record_of(at, told)
        assert (record.operation, record.cost_nano_usd, record.is_priced) == ("interactions", 0, True)
        after = await ask(at, "a", method, path)
        assert after.status_code == (404 if method == "DELETE" else 200)


async def test_what_goes_on_in_the_background_is_billed_once_when_it_is_told(tmp_path: Path):
    async with place(tmp_path, "gemini") as at:
        body = {"agent": "one-alone", "input": "research", "background": True}
        made = await ask(at, "a", "POST", PATH, json=body)
        at.one.reply(json.dumps({**DONE, "status": "in_progress", "usage": {}}).encode(), times=1)
        pending = await ask(at, "a", "GET", f"{PATH}/v1_fake")
        at.one.reply(json.dumps(DONE).encode())
        told = await ask(at, "a", "GET", f"{PATH}/v1_fake")
        again = await ask(at, "a", "GET", f"{PATH}/v1_fake")

        assert json.loads(at.one.log[0].body) == {**body, "agent": "m"}
        used = [(await record_of(at, answer)).usage for answer in (made, pending, told, again)]
        assert used == [Usage(), None, USED, None]
        assert (await record_of(at, told)).attempts[0].model == "m"


async def test_a_stream_that_is_taken_up_again_is_billed_if_it_was_owed(tmp_path: Path):
    async with place(tmp_path, "gemini") as at:
        await ask(at, "a", "POST", PATH, json={"model": "one-alone", "input": "think", "background": True})
        at.one.stream(
            [b"data: %b\n\n" % json.dumps({"event_type": "interaction.completed", "interaction": DONE}).encode()]
        )
        told = await ask(at, "a", "GET", f"{PATH}/v1_fake?stream=true")

        assert (await record_of(at, told)).usage == USED


async def test_another_provider_answers_where_one_fails(tmp_path: Path):
    async with place(tmp_path, "gemini") as at:
        at.one.fail(Status(503))
        answer = await ask(at, "a", "POST", PATH, json={"model": "either", "input": "hi"})

        assert (answer.status_code, answer.headers["x-headgate-provider"]) == (200, "two")


async def test_a_stream_that_breaks_off_ends_with_an_error_event(tmp_path: Path):
    async with place(tmp_path, "gemini") as at:
        at.one.fail(CutAfter(bytes=300))
        answer = await ask(at, "a", "POST", PATH, json={"model": "either", "input": "hi", "stream": True})

        last = json.loads(answer.text.split("data: ")[-1])
        assert (last["event_type"], "error" in last) == ("error", True)
        assert (await record_of(at, answer)).usage_source == "counted"


@pytest.mark.parametrize(
    "body", [{"model": "either"}, {"input": "hi"}, {"model": "either", "agent": "a", "input": "x"}]
)
async def test_a_bad_request_reaches_nobody(tmp_path: Path, body: dict[str, str]):
    async with place(tmp_path, "gemini") as at:
        answer = await ask(at, "a", "POST", PATH, json=body)

        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert at.one.log == at.two.log == []


async def test_what_does_not_offer_them_is_named(tmp_path: Path):
    async with place(tmp_path) as at:
        answer = await ask(at, "a", "POST", PATH, json={"model": "either", "input": "hi"})

        assert answer.status_code == 400
        assert "cannot hold Google's interactions" in answer.json()["error"]["message"]


async def test_what_nobody_looks_at_again_is_booked_by_the_gateway(tmp_path: Path):
    async with place(tmp_path, "gemini") as at:
        await ask(at, "a", "POST", PATH, json={"agent": "one-alone", "input": "research", "background": True})
        at.one.reply(json.dumps({**DONE, "status": "in_progress", "usage": {}}).encode(), times=1)
        await look(at)
        assert await booked(at) == []
        at.one.reply(json.dumps(DONE).encode())
        await look(at)
        await look(at)

        (record,) = await booked(at)
        assert (record.path, record.usage, record.key_id) == ("GET /interactions/v1_fake", USED, "a")
