"""What providers do when nobody looks is booked all the same: once, by ever rarer looks, and after a kill too."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headgate.core.minted import Unbilled
from headgate.core.record import CallRecord
from headgate.engine.billing import Biller, Rhythm
from headgate.ledger.unbilled import UnbilledThings
from headgate.server.listener import new_id
from headgate.store.queries.calls import CallFilter
from headgate.store.queries.unbilled import due
from headgate.store.tables import CALLS, META, MINTED, UNBILLED
from headgate.transport.fake import FakeUpstream
from tests.engine.test_keepers import Place, place
from tests.engine.test_keeping import BATCH, USAGE, answer, ask, upload

pytestmark = pytest.mark.anyio
DONE = BATCH | {"status": "completed", "output_file_id": "file-out", "request_counts": {"completed": 1}}
SUMMED = DONE | {"model": "gpt-4o-mini", "usage": USAGE}
BATCH_COST = 375_000_000
"""Nano-USD: 0.15 and 0.60 for a million tokens, half of it in a batch."""


async def a_batch(at: Place, key: str = "a") -> None:
    await upload(at, key, "file-1")
    at.one.reply(answer(BATCH), path="/v1/batches", times=1)
    assert (await ask(at, key, "POST", "/v1/batches", json={"input_file_id": "file-1"})).status_code == 200


def biller(at: Place, **rhythm: Any) -> Biller:
    return Biller(at.engine, at.core.unbilled, new_id, Rhythm(**rhythm))


def make_due(at: Place) -> None:
    """As if the time had come."""
    at.core.applier.drain()
    with at.core.store.write() as connection:
        connection.exec_driver_sql("UPDATE unbilled SET due_us = 0")


def waiting(at: Place) -> list[tuple[str, str, int]]:
    at.core.applier.drain()
    with at.core.store.read() as connection:
        return [(thing.id, thing.key_id, thing.looks) for thing in due(connection, 2**62, 10)]


async def look(at: Place, **rhythm: Any) -> None:
    make_due(at)
    await biller(at, **rhythm).round()


async def booked(at: Place) -> list[CallRecord]:
    """The calls that the gateway has made on its own, oldest first."""
    found = (await at.core.calls.recent(CallFilter())).records
    return [record for record in reversed(found) if record.route == "billing"]


async def test_a_batch_that_nobody_looks_at_is_booked_once(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        assert waiting(at) == [("batch_1", "a", 0)]
        at.one.reply(answer(BATCH | {"status": "in_progress"}), path="/v1/batches/batch_1", times=1)
        await look(at)
        assert await booked(at) == []  # a look that finds nothing new is no call
        assert waiting(at) == [("batch_1", "a", 1)]
        at.one.reply(answer(SUMMED), path="/v1/batches/batch_1")
        await look(at)
        await look(at)

        (record,) = await booked(at)
        assert (record.key_id, record.path, record.cost_nano_usd) == ("a", "GET /batches/batch_1", BATCH_COST)
        assert record.usage is not None
        assert record.usage.tier == "batch"
        assert waiting(at) == []
        late = await ask(at, "a", "GET", "/v1/batches/batch_1")
        found = await at.core.calls.find(late.headers["x-headgate-request-id"])
        assert found is not None
        assert found.cost_nano_usd == 0


async def test_what_a_client_has_booked_is_not_looked_at(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(answer(SUMMED), path="/v1/batches/batch_1")
        await ask(at, "a", "GET", "/v1/batches/batch_1")

        assert waiting(at) == []


async def test_a_client_that_looks_at_the_same_time_pays_or_the_gateway_does(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(answer(SUMMED), path="/v1/batches/batch_1")
        make_due(at)

        looks = (ask(at, "a", "GET", "/v1/batches/batch_1") for _ in range(5))
        await asyncio.gather(biller(at).round(), *looks, biller(at).round())

        records = (await at.core.calls.recent(CallFilter())).records
        assert sum(record.cost_nano_usd for record in records) == BATCH_COST


async def test_a_team_finds_what_is_booked_and_its_key_pays(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at, "a@t")
        at.one.reply(answer(SUMMED), path="/v1/batches/batch_1")

        await look(at)

        assert [(record.key_id, record.cost_nano_usd) for record in await booked(at)] == [("a", BATCH_COST)]


def line(model: str, body: dict[str, Any]) -> bytes:
    return answer({"custom_id": "1", "response": {"status_code": 200, "body": {"model": model, **body}}})


async def test_a_batch_without_a_sum_is_booked_by_its_results(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(answer(DONE), path="/v1/batches/batch_1")
        vectors = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        usage = {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}
        embedded = line("text-embedding-3-small", {"object": "list", "data": vectors, "usage": usage})
        at.one.reply(embedded, path="/v1/files/file-out/content")

        await look(at)
        await look(at)

        told = [(record.path, record.cost_nano_usd, record.is_priced) for record in await booked(at)]
        assert told == [("GET /batches/batch_1", 0, True), ("GET /files/file-out/content", 20_000_000, False)]
        # no batch price of this model is known: the usual one is held, and said not to be sure
        assert waiting(at) == []


async def test_a_batch_of_anthropics_is_booked_by_its_results(tmp_path: Path):
    async with FakeUpstream() as upstream:
        claude = {"like": "anthropic", "base_url": upstream.url, "api_key": "none"}
        async with place(tmp_path, providers={"claude": claude}) as at:
            made = {
                "id": "msgbatch_1",
                "type": "message_batch",
                "processing_status": "in_progress",
                "results_url": None,
            }
            upstream.reply(answer(made), path="/v1/messages/batches")
            await ask(at, "a", "POST", "/v1/messages/batches", json={"requests": []})
            ended = {"processing_status": "ended", "results_url": "https://api.anthropic.com/v1/x"}
            upstream.reply(answer(made | ended), path="/v1/messages/batches/msgbatch_1")
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "content": [{"type": "text", "text": "hi"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1_000_000, "output_tokens": 0},
            }
            result = {"custom_id": "1", "result": {"type": "succeeded", "message": message}}
            upstream.reply(answer(result), path="/v1/messages/batches/msgbatch_1/results")
            await look(at)

            records = await booked(at)
            assert [record.path.removeprefix("GET /messages/batches/") for record in records] == [
                "msgbatch_1",
                "msgbatch_1/results",
            ]
            assert records[1].usage is not None
            assert (records[1].usage.input_tokens, records[1].usage.tier) == (1_000_000, "batch")
            assert waiting(at) == []
            assert upstream.log[-1].headers["anthropic-version"]


def response(status: str, usage: object = None) -> bytes:
    return answer(
        {
            "id": "resp_9",
            "object": "response",
            "created_at": 1,
            "status": status,
            "background": True,
            "model": "gpt-4o-mini",
            "output": [],
            "usage": usage,
        }
    )


async def in_background(at: Place) -> None:
    at.one.reply(response("queued"), path="/v1/responses", times=1)
    made = await at.post("a", model="one-alone", background=True)
    assert made.json()["status"] == "queued"


async def test_an_answer_in_the_background_is_booked(tmp_path: Path):
    async with place(tmp_path) as at:
        await in_background(at)
        assert waiting(at) == [("resp_9", "a", 0)]
        at.one.reply(response("in_progress"), path="/v1/responses/resp_9", times=1)
        at.one.reply(response("completed", USAGE), path="/v1/responses/resp_9")
        await look(at)
        await look(at)

        assert [record.usage and record.usage.output_tokens for record in await booked(at)] == [1_000_000]
        assert waiting(at) == []


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_an_answer_that_tells_no_usage_is_marked_as_not_priced(tmp_path: Path, status: str):
    async with place(tmp_path) as at:
        await in_background(at)
        at.one.reply(response(status), path="/v1/responses/resp_9")

        await look(at)

        *_, last = await booked(at)
        assert (last.is_priced, last.cost_nano_usd, last.outcome) == (False, 0, "local")
        assert "does not tell what it used" in last.error
        assert waiting(at) == []


async def test_a_batch_that_failed_costs_nothing(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        failed = BATCH | {"status": "failed", "request_counts": {"total": 0, "completed": 0, "failed": 0}}
        at.one.reply(answer(failed), path="/v1/batches/batch_1")

        await look(at)

        assert [(record.is_priced, record.cost_nano_usd) for record in await booked(at)] == [(True, 0)]
        assert waiting(at) == []


async def test_what_the_provider_has_forgotten_is_given_up_aloud(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(answer({"error": {"message": "none", "type": "x"}}), status=404, path="/v1/batches/batch_1")

        await look(at)

        (record,) = await booked(at)
        assert (record.is_priced, record.error) == (False, "Not booked: its provider does not know it any more.")
        assert waiting(at) == []


async def test_a_provider_that_cannot_be_asked_is_asked_again_until_it_is_too_late(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(b"{}", status=503, path="/v1/batches/batch_1")
        await look(at)
        assert (await booked(at), waiting(at)) == ([], [("batch_1", "a", 1)])

        await look(at, age_s_max=0.0)

        (record,) = await booked(at)
        assert (record.is_priced, record.error) == (False, "Not booked: its provider has not ended it.")
        assert waiting(at) == []


async def test_results_that_break_off_are_read_again(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(answer(DONE), path="/v1/batches/batch_1")
        at.one.reply(b"{}", status=500, path="/v1/files/file-out/content", times=1)
        await look(at)
        assert waiting(at) == [("batch_1", "a", 1)]
        body = {
            "object": "text_completion",
            "choices": [],
            "usage": {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000},
        }
        at.one.reply(line("gpt-4o-mini", body), path="/v1/files/file-out/content")

        await look(at)

        assert sum(record.cost_nano_usd for record in await booked(at)) == 75_000_000
        assert waiting(at) == []


async def test_what_is_deleted_before_its_end_is_marked_as_not_priced(tmp_path: Path):
    async with place(tmp_path) as at:
        await in_background(at)
        deleted = {"id": "resp_9", "object": "response", "deleted": True}
        at.one.reply(answer(deleted), path="/v1/responses/resp_9")

        gone = await ask(at, "a", "DELETE", "/v1/responses/resp_9")

        record = await at.core.calls.find(gone.headers["x-headgate-request-id"])
        assert record is not None
        assert not record.is_priced
        assert waiting(at) == []


async def test_a_provider_that_is_not_configured_any_more_is_waited_for(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        make_due(at)
        with at.core.store.write() as connection:
            connection.exec_driver_sql("UPDATE unbilled SET provider = 'other'")

        await look(at)

        assert waiting(at) == [("batch_1", "a", 1)]


async def test_another_process_goes_on_where_one_was_killed(tmp_path: Path):
    """The journal has the call that made the batch, the store nothing yet: as a kill leaves it."""
    async with place(tmp_path) as at:
        await a_batch(at)
        at.core.applier.drain()
        with at.core.store.write() as connection:
            for table in (UNBILLED, MINTED, CALLS, META):
                connection.execute(table.delete())
    async with place(tmp_path) as at:
        assert waiting(at) == [("batch_1", "a", 0)]


def test_waits_grow_up_to_an_hour():
    rhythm = Rhythm()

    assert [rhythm.after(looks) for looks in (0, 1, 2, 5, 6, 10_000)] == [60, 120, 240, 1920, 3600, 3600]


class Faltering(UnbilledThings):
    """Cannot be read at first."""

    fails_left = 1

    async def due(self, limit: int) -> list[Unbilled]:
        if self.fails_left:
            self.fails_left -= 1
            raise OSError("disk")
        return await super().due(limit)


async def test_rounds_go_on_after_one_that_failed(tmp_path: Path):
    async with place(tmp_path) as at:
        await a_batch(at)
        at.one.reply(answer(SUMMED), path="/v1/batches/batch_1")
        make_due(at)
        owed = Faltering(at.core.store, at.core.applier)

        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await Biller(at.engine, owed, new_id, Rhythm(round_s=0.01)).keep_billing()

        assert owed.fails_left == 0
        assert [record.cost_nano_usd for record in await booked(at)] == [BATCH_COST]
