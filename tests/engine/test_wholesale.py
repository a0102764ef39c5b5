"""The gateway's own batches at batch price: providers run what they can, and the rest is called."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headgate.app import wiring
from headgate.app.own.batches import Batch, House, Wanted
from headgate.app.own.desk import Desk
from headgate.app.own.wholesale import Wholesale, batch_made_for
from headgate.core.principal import Principal
from headgate.core.record import CallRecord
from headgate.server.listener import ClientListener
from headgate.store.queries.calls import CallFilter
from headgate.transport.fake import FakeUpstream
from tests.engine.test_keepers import Keys, Place, place
from tests.engine.test_keeping import answer, file

pytestmark = pytest.mark.anyio
CALLER = Principal(key_id="a", name="a")
CHAT = "/v1/chat/completions"
ROUTES = {"smart": {"targets": ["one/gpt-4o-mini"]}}


class Shop(Place):
    """The same with a desk, whose batches the test runs itself."""

    desk: Desk
    is_revoked = False

    async def batch(self, content: bytes, **wanted: Any) -> Batch:
        made = await self.desk.files.make(CALLER.owner, "in.jsonl", "batch", content)
        return await self.desk.batches.make(CALLER, Wanted(made.id, endpoint="", tier="batch", **wanted))

    async def results(self, batch: Batch) -> dict[str, tuple[int, Any]]:
        """Status and body by the line's name."""
        found: dict[str, tuple[int, Any]] = {}
        for id in (batch.shown.output_file_id, batch.shown.error_file_id):
            if id is not None:
                text = b"".join([piece async for piece in await self.desk.files.read(CALLER.owner, id)])
                for told in map(json.loads, text.splitlines()):
                    found[told["custom_id"]] = told["response"]["status_code"], told["response"]["body"]
        return found

    async def records(self) -> list[CallRecord]:
        assert await asyncio.to_thread(self.core.applier.drain)
        return (await self.core.calls.recent(CallFilter())).records


@asynccontextmanager
async def shop(folder: Path, **more: Any) -> AsyncIterator[Shop]:
    async with place(folder, **{"routes": ROUTES, **more}) as inside:
        at = Shop(inside.core, inside.engine, inside.client, inside.one, inside.two)
        listener: ClientListener = wiring.client_listener(at.core, at.engine, Keys())
        house = House(
            store=at.core.store,
            folder=folder / "batches",
            listener=listener,
            spawn=refuse,
            has_ended=lambda _: at.is_revoked,
            wholesale=Wholesale(at.engine, listener, 0.01),
            tier="default",
            find_batch=partial(batch_made_for, at.core.calls),
        )
        at.engine.own = at.desk = Desk(house)
        yield at


def refuse(_: Any) -> Any:
    raise AssertionError("the test runs batches itself")


def lines(*models: str, url: str = CHAT, **more: Any) -> bytes:
    bodies = [{"model": model, "messages": [{"role": "user", "content": "hi"}], **more} for model in models]
    calls = [{"custom_id": f"c{n}", "method": "POST", "url": url, "body": body} for n, body in enumerate(bodies, 1)]
    return b"\n".join(map(answer, calls))


def completion(text: str) -> dict[str, Any]:
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 500_000, "completion_tokens": 0, "total_tokens": 500_000}
    return {
        "id": "c",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": choices,
        "usage": usage,
    }


def told(number: int, status: int = 200, body: Any = None) -> bytes:
    response = {"status_code": status, "request_id": f"up_{number}", "body": body or completion("batched")}
    return answer({"custom_id": f"line-{number}", "response": response, "error": None})


MADE = {"id": "batch_1", "object": "batch", "status": "validating"}
DONE = MADE | {"status": "completed", "output_file_id": "file-out", "request_counts": {"completed": 2}}


def serves(upstream: FakeUpstream, *results: bytes, done: dict[str, Any] = DONE) -> None:
    """A provider that takes one batch and has done it at the second look."""
    upstream.reply(answer(file("file-in")), path="/v1/files")
    upstream.reply(answer(MADE), path="/v1/batches")
    upstream.reply(answer(MADE | {"status": "in_progress"}), path="/v1/batches/batch_1", times=1)
    upstream.reply(answer(done), path="/v1/batches/batch_1")
    upstream.reply(b"\n".join(results) + b"\n", path="/v1/files/file-out/content")


def asked(upstream: FakeUpstream) -> list[str]:
    return [f"{sent.method} {sent.path}" for sent in upstream.log]


async def test_a_provider_runs_what_it_can_at_batch_price(tmp_path: Path):
    async with shop(tmp_path) as at:
        serves(at.one, told(1), told(2))
        batch = await at.desk.batches.run(await at.batch(lines("smart", "smart"), metadata={"job": "x"}))

        assert batch.shown.status == "completed"
        assert (batch.shown.request_counts.completed, batch.shown.request_counts.failed) == (2, 0)
        how = batch.shown.headgate
        assert (how.tier, how.batched, how.called) == ("batch", 2, 0)
        assert [(each.provider, each.id, each.lines) for each in how.provider_batches] == [("one", "batch_1", 2)]
        results = await at.results(batch)
        assert {
            name: (status, body["choices"][0]["message"]["content"]) for name, (status, body) in results.items()
        } == {
            "c1": (200, "batched"),
            "c2": (200, "batched"),
        }
        assert asked(at.one) == [
            "POST /v1/files",
            "POST /v1/batches",
            "GET /v1/batches/batch_1",
            "GET /v1/batches/batch_1",
            "GET /v1/batches/batch_1",
            "GET /v1/files/file-out/content",
        ]
        assert b'"model":"gpt-4o-mini"' in at.one.log[0].body
        made = json.loads(at.one.log[1].body)
        assert made == {"input_file_id": "file-in", "endpoint": CHAT, "completion_window": "24h"}
        records = await at.records()
        assert {record.session[:-9] for record in records} == {batch.shown.id}
        # twice half a million tokens at USD 0.15 for a million, and half of that
        assert sum(record.cost_nano_usd for record in records) == 75_000_000


async def test_what_is_not_asked_at_that_price_is_called(tmp_path: Path):
    async with shop(tmp_path) as at:
        at.one.reply(answer(completion("called")), path=CHAT)
        made = await at.desk.files.make(CALLER.owner, "in.jsonl", "batch", lines("smart", "smart"))
        batch = await at.desk.batches.run(await at.desk.batches.make(CALLER, Wanted(made.id, endpoint="")))

        assert (batch.shown.headgate.tier, batch.shown.headgate.batched, batch.shown.headgate.called) == (
            "default",
            0,
            2,
        )
        assert asked(at.one) == [f"POST {CHAT}"] * 2


async def test_lines_that_no_batch_takes_are_called_meanwhile(tmp_path: Path):
    async with shop(tmp_path, routes={**ROUTES, "plain": {"targets": ["demo/echo"]}}) as at:
        serves(at.one, told(1))
        batch = await at.desk.batches.run(await at.batch(lines("smart", "plain", "no-such-model")))

        assert {name: status for name, (status, _) in (await at.results(batch)).items()} == {
            "c1": 200,
            "c2": 200,
            "c3": 404,
        }
        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (1, 2)


async def test_lines_with_wishes_of_their_own_are_called(tmp_path: Path):
    async with shop(tmp_path) as at:
        at.one.reply(answer(completion("called")), path=CHAT)
        batch = await at.desk.batches.run(await at.batch(lines("smart", provider={"sort": "price"})))

        assert (batch.shown.headgate.batched, asked(at.one)) == (0, [f"POST {CHAT}"])


async def test_what_a_batch_has_left_undone_is_called(tmp_path: Path):
    async with shop(tmp_path) as at:
        expired = answer(
            {"custom_id": "line-2", "response": None, "error": {"code": "batch_expired", "message": "late"}}
        )
        done = DONE | {"status": "expired", "error_file_id": "file-err"}
        serves(at.one, told(1), done=done)
        bad = told(3, 400, {"error": {"message": "no"}})
        at.one.reply(expired + b"\n" + bad, path="/v1/files/file-err/content")
        at.one.reply(answer(completion("called")), path=CHAT)
        batch = await at.desk.batches.run(await at.batch(lines("smart", "smart", "smart")))

        results = await at.results(batch)
        assert {name: status for name, (status, _) in results.items()} == {"c1": 200, "c2": 200, "c3": 400}
        assert results["c2"][1]["choices"][0]["message"]["content"] == "called"
        assert results["c3"][1] == {"error": {"message": "no"}}
        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (2, 1)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
async def test_an_order_that_is_refused_becomes_calls(tmp_path: Path, path: str):
    async with shop(tmp_path) as at:
        serves(at.one)
        at.one.reply(answer({"error": {"message": "no batches here", "type": "x"}}), status=404, path=path)
        at.one.reply(answer(completion("called")), path=CHAT)
        batch = await at.desk.batches.run(await at.batch(lines("smart")))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (0, 1)
        assert batch.shown.headgate.provider_batches == ()
        assert asked(at.one)[-1] == f"POST {CHAT}"


async def test_a_batch_that_its_provider_has_lost_becomes_calls(tmp_path: Path):
    async with shop(tmp_path) as at:
        at.one.reply(answer(file("file-in")), path="/v1/files")
        at.one.reply(answer(MADE), path="/v1/batches")
        at.one.reply(b"{}", status=500, path="/v1/batches/batch_1", times=1)
        at.one.reply(answer({"error": {"message": "none"}}), status=404, path="/v1/batches/batch_1")
        at.one.reply(answer(completion("called")), path=CHAT)
        batch = await at.desk.batches.run(await at.batch(lines("smart")))

        assert (batch.shown.headgate.batched, batch.shown.headgate.called) == (0, 1)


async def test_messages_go_into_message_batches(tmp_path: Path):
    async with FakeUpstream() as upstream:
        claude = {"claude": {"like": "anthropic", "base_url": upstream.url, "api_key": "none"}}
        routes = {"smart": {"targets": ["claude/claude-sonnet-4-5"]}}
        async with shop(tmp_path, providers=claude, routes=routes) as at:
            made = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress"}
            upstream.reply(answer(made), path="/v1/messages/batches")
            ended = made | {
                "processing_status": "ended",
                "results_url": "https://x/y",
                "request_counts": {"succeeded": 1},
            }
            upstream.reply(answer(ended), path="/v1/messages/batches/msgbatch_1")
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "content": [{"type": "text", "text": "batched"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1_000_000, "output_tokens": 0},
            }
            result = {"custom_id": "line-1", "result": {"type": "succeeded", "message": message}}
            upstream.reply(answer(result), path="/v1/messages/batches/msgbatch_1/results")
            batch = await at.desk.batches.run(await at.batch(lines("smart", url="/v1/messages", max_tokens=8)))

            assert batch.shown.headgate.batched == 1
            assert (await at.results(batch))["c1"] == (200, message)
            sent = json.loads(upstream.log[0].body)["requests"]
            assert [(each["custom_id"], each["params"]["model"]) for each in sent] == [("line-1", "claude-sonnet-4-5")]
            usages = [record.usage for record in await at.records() if record.usage is not None]
            assert [(usage.input_tokens, usage.tier) for usage in usages] == [(1_000_000, "batch")]


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110 - what is awaited is in another's log
            await asyncio.sleep(0.01)


async def stopped(at: Shop, batch: Batch, is_far_enough: Callable[[], bool]) -> None:
    """Runs a batch until then, and cancels it as a process that ends does."""
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(at.desk.batches.run(batch))
            await until(is_far_enough)
            limit.reschedule(0)


async def test_another_process_goes_on_with_the_same_order(tmp_path: Path):
    async with shop(tmp_path) as at:
        serves(at.one, told(1))
        at.one.reply(answer(MADE | {"status": "in_progress"}), path="/v1/batches/batch_1", times=3)
        batch = await at.batch(lines("smart"))
        await stopped(at, batch, lambda: len(at.one.log) >= 3)
        kept = await at.desk.batches.kept(CALLER.owner, batch.shown.id)

        done = await at.desk.batches.run(kept)

        assert done.shown.headgate.batched == 1
        assert [each for each in asked(at.one) if each.startswith("POST")] == ["POST /v1/files", "POST /v1/batches"]


async def test_an_order_whose_id_a_kill_has_taken_is_found_in_the_books(tmp_path: Path):
    async with shop(tmp_path) as at:
        serves(at.one, told(1))
        at.one.reply(answer(MADE | {"status": "in_progress"}), path="/v1/batches/batch_1", times=3)
        batch = await at.batch(lines("smart"))
        await stopped(at, batch, lambda: len(at.one.log) >= 3)
        at.core.applier.drain()
        with at.core.store.write() as connection:
            connection.exec_driver_sql("UPDATE own_things SET document = replace(document, 'batch_1', '')")
        kept = await at.desk.batches.kept(CALLER.owner, batch.shown.id)
        assert [order.id for order in kept.orders] == [""]

        done = await at.desk.batches.run(kept)

        assert done.shown.headgate.batched == 1
        assert [each for each in asked(at.one) if each.startswith("POST")] == ["POST /v1/files", "POST /v1/batches"]


async def test_cancelling_cancels_at_the_provider(tmp_path: Path):
    async with shop(tmp_path) as at:
        at.one.reply(answer(file("file-in")), path="/v1/files")
        at.one.reply(answer(MADE), path="/v1/batches")
        at.one.reply(answer(MADE | {"status": "in_progress"}), path="/v1/batches/batch_1", times=5)
        at.one.reply(answer(MADE | {"status": "cancelling"}), path="/v1/batches/batch_1/cancel")
        at.one.reply(answer(DONE | {"status": "cancelled"}), path="/v1/batches/batch_1")
        at.one.reply(told(1), path="/v1/files/file-out/content")
        batch = await at.batch(lines("smart", "smart"))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(at.desk.batches.run(batch))
            await until(lambda: len(at.one.log) >= 3)
            await at.desk.batches.cancel(CALLER.owner, batch.shown.id)
        done = running.result()

        assert done.shown.status == "cancelled"
        assert {name: status for name, (status, _) in (await at.results(done)).items()} == {"c1": 200}
        assert asked(at.one).count("POST /v1/batches/batch_1/cancel") == 1


async def test_a_key_that_ends_takes_its_orders_back(tmp_path: Path):
    async with shop(tmp_path) as at:
        at.one.reply(answer(file("file-in")), path="/v1/files")
        at.one.reply(answer(MADE), path="/v1/batches")
        at.one.reply(answer(MADE | {"status": "in_progress"}), path="/v1/batches/batch_1", times=5)
        at.one.reply(answer(MADE | {"status": "cancelling"}), path="/v1/batches/batch_1/cancel")
        at.one.reply(answer(DONE | {"status": "cancelled", "output_file_id": None}), path="/v1/batches/batch_1")
        batch = await at.batch(lines("smart"))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(at.desk.batches.run(batch))
            await until(lambda: len(at.one.log) >= 3)
            at.is_revoked = True
        done = running.result()

        assert {name: status for name, (status, _) in (await at.results(done)).items()} == {"c1": 401}


@pytest.mark.parametrize(
    ("body", "told_param"),
    [({"tier": "cheap"}, "tier"), ({"concurrency": 0}, "concurrency"), ({"tier": 5}, "tier")],
)
async def test_what_a_batch_says_wrongly_is_refused(tmp_path: Path, body: dict[str, Any], told_param: str):
    async with shop(tmp_path) as at:
        made = await at.desk.files.make(CALLER.owner, "in.jsonl", "batch", lines("smart"))
        refused = await at.client.post(
            "/v1/batches",
            json={"input_file_id": made.id, "endpoint": CHAT, **body},
            headers={"authorization": "Bearer a"},
        )

        assert (refused.status_code, refused.json()["error"]["param"]) == (400, told_param)
