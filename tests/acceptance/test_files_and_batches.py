"""Files and batches by the vendors' SDKs against a running gateway: a provider's, and the gateway's own."""

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from headgate.transport.fake import FakeUpstream
from tests.acceptance.calling import eventually, recorded
from tests.acceptance.running import HEADGATE, Gateway, gateway


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream.threaded() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def running(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    providers = {
        "up": {"like": "openai", "base_url": upstream.url, "api_key": "none"},
        "claude": {"like": "anthropic", "base_url": upstream.url, "api_key": "none"},
    }
    routes = {"smart": {"targets": ["up/gpt-4o-mini"]}}
    config = {"providers": providers, "routes": routes, "pass_through": {"providers": ["up"]}}
    with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
        yield started


MADE: list[openai.OpenAI | anthropic.Anthropic] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Ends the connections of the clients that a test has made."""
    yield
    while MADE:
        MADE.pop().close()


def sdk(running: Gateway, key: str = "") -> openai.OpenAI:
    client = openai.OpenAI(api_key=key or running.key, base_url=f"{running.url}/v1", max_retries=0)
    MADE.append(client)
    return client


def claude(running: Gateway, key: str = "") -> anthropic.Anthropic:
    client = anthropic.Anthropic(api_key=key or running.key, base_url=running.url, max_retries=0)
    MADE.append(client)
    return client


def another_key(running: Gateway) -> str:
    return running.run("keys", "create", "--name", "another").strip()


def reply(upstream: FakeUpstream, path: str, value: Any, **more: Any) -> None:
    upstream.reply(json.dumps(value).encode(), path=path, **more)


FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 3,
    "created_at": 1,
    "filename": "a.jsonl",
    "purpose": "batch",
    "status": "processed",
}
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "validating",
    "created_at": 1,
}


def test_a_providers_files_and_batches(running: Gateway, upstream: FakeUpstream):
    client, other = sdk(running), sdk(running, another_key(running))
    reply(upstream, "/v1/files", FILE, times=1)
    made = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch", extra_headers={"x-headgate-provider": "up"})
    upstream.reply(b"line\n", path="/v1/files/file-1/content")
    reply(upstream, "/v1/files", {"object": "list", "data": [FILE, {**FILE, "id": "file-9"}], "has_more": False})
    reply(upstream, "/v1/files/file-1", FILE)
    reply(upstream, "/v1/batches", BATCH)
    reply(upstream, "/v1/batches/batch_1", BATCH)
    reply(upstream, "/v1/batches/batch_1/cancel", {**BATCH, "status": "cancelling"})
    batch = client.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert [each.id for each in client.files.list(extra_query={"provider": "up"})] == ["file-1"]
    assert client.files.content("file-1").read() == b"line\n"
    assert client.files.retrieve("file-1").filename == "a.jsonl"
    assert client.batches.retrieve(batch.id).id == "batch_1"
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert list(other.files.list(extra_query={"provider": "up"})) == []
    for call in (
        lambda: other.files.retrieve("file-1"),
        lambda: other.files.content("file-1"),
        lambda: other.files.delete("file-1"),
        lambda: other.batches.retrieve("batch_1"),
        lambda: other.batches.cancel("batch_1"),
        lambda: other.batches.create(input_file_id="file-1", endpoint="/v1/responses", completion_window="24h"),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    uploaded = next(each for each in upstream.log if each.method == "POST" and each.path == "/v1/files")
    assert b"{}\n" in uploaded.body
    assert running.key not in str(uploaded.headers)


def test_anthropics_batches_and_files(running: Gateway, upstream: FakeUpstream):
    client, other = claude(running), claude(running, another_key(running))
    batch = {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "ended_at": None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
    }
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100_000, "output_tokens": 100_000, "service_tier": "batch"},
    }
    line = {"custom_id": "one", "result": {"type": "succeeded", "message": message}}
    reply(upstream, "/v1/messages/batches", batch)
    reply(upstream, "/v1/messages/batches/msgbatch_1", batch)
    content = b"".join(json.dumps({**line, "custom_id": f"c{number}"}).encode() + b"\n" for number in range(10))
    upstream.reply(
        content, path="/v1/messages/batches/msgbatch_1/results", headers=[("content-type", "application/binary")]
    )
    params: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}

    made = client.messages.batches.create(requests=[{"custom_id": "one", "params": params}])
    results = [each.custom_id for _ in range(2) for each in client.messages.batches.results(made.id)]

    assert results == 2 * [f"c{number}" for number in range(10)]
    with pytest.raises(anthropic.NotFoundError):
        other.messages.batches.retrieve("msgbatch_1")
    calls = [each for each in recorded(running) if each.get("path", "").endswith("/results")]
    # USD 3 and 15 for a million tokens, half of it in a batch; each answer by its own length, and once
    assert sorted(each.get("cost_nano_usd", 0) for each in calls) == [0, 9_000_000_000]

    meta = {"id": "file_1", "type": "file", "filename": "a.txt", "mime_type": "text/plain", "size_bytes": 1}
    reply(upstream, "/v1/files", {**meta, "created_at": "2026-01-01T00:00:00Z"}, times=1)
    reply(upstream, "/v1/files/file_1", {"id": "file_1", "type": "file_deleted"})
    uploaded = client.beta.files.upload(file=("a.txt", b"x", "text/plain"))
    assert uploaded.id == "file_1"
    with pytest.raises(anthropic.NotFoundError):
        other.beta.files.delete("file_1")
    assert client.beta.files.delete("file_1").id == "file_1"
    with pytest.raises(anthropic.NotFoundError):
        client.beta.files.retrieve_metadata("file_1")


def lines(count: int, model: str = "smart") -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    each = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    return b"".join(json.dumps({"custom_id": f"c{number}", **each}).encode() + b"\n" for number in range(count))


OWN = {"x-headgate-provider": "headgate"}


def own_batch(client: openai.OpenAI, content: bytes, **more: Any) -> openai.types.Batch:
    made = client.files.create(file=("in.jsonl", content), purpose="batch", extra_headers=OWN)
    return client.batches.create(
        input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h", extra_body=more
    )


def ended(client: openai.OpenAI, id: str) -> openai.types.Batch:
    eventually(lambda: client.batches.retrieve(id).status in ("completed", "failed", "cancelled"), 30)
    return client.batches.retrieve(id)


def outputs(client: openai.OpenAI, id: str | None) -> list[Any]:
    assert id is not None
    return [json.loads(line) for line in client.files.content(id).text.splitlines()]


def test_the_gateways_own_batch(running: Gateway):
    client, other = sdk(running), sdk(running, another_key(running))
    content = lines(5) + lines(1, "no-such-model").replace(b"c0", b"bad")

    batch = own_batch(client, content, concurrency=2)
    done = ended(client, batch.id)

    assert done.status == "completed"
    counts = done.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (6, 5, 1)
    good, bad = outputs(client, done.output_file_id), outputs(client, done.error_file_id)
    assert sorted(each["custom_id"] for each in good) == ["c0", "c1", "c2", "c3", "c4"]
    assert {each["response"]["body"]["object"] for each in good} == {"chat.completion"}
    assert [(each["custom_id"], each["response"]["status_code"]) for each in bad] == [("bad", 404)]
    assert bad[0]["response"]["body"]["error"]["code"] == "model_not_found"
    calls = [each for each in recorded(running) if each.get("session") == batch.id]
    assert len(calls) == 6
    assert sorted(each["id"] for each in calls) == sorted(each["response"]["request_id"] for each in good + bad)
    assert sum(each.get("cost_nano_usd", 0) > 0 for each in calls) == 5
    mine = [each.id for each in client.batches.list(extra_query={"provider": "headgate"})]
    assert batch.id in mine
    assert batch.id not in [each.id for each in other.batches.list(extra_query={"provider": "headgate"})]
    for call in (
        lambda: other.batches.retrieve(batch.id),
        lambda: other.batches.cancel(batch.id),
        lambda: other.files.content(str(done.output_file_id)),
        lambda: other.files.retrieve(batch.input_file_id),
        lambda: other.files.delete(batch.input_file_id),
        lambda: own_of(other, batch.input_file_id),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    assert client.files.delete(batch.input_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(batch.input_file_id)


def own_of(client: openai.OpenAI, file: str) -> openai.types.Batch:
    return client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")


def test_a_route_in_place_of_what_the_lines_say(running: Gateway):
    client = sdk(running)

    done = ended(client, own_batch(client, lines(2, "no-such-model"), route="smart").id)

    assert {each["response"]["status_code"] for each in outputs(client, done.output_file_id)} == {200}
    assert done.error_file_id is None


def test_a_file_with_faults_runs_nothing(running: Gateway, upstream: FakeUpstream):
    client = sdk(running)
    before = len(upstream.log)

    done = ended(client, own_batch(client, lines(2) + b"{}\n" + lines(1)).id)

    assert done.status == "failed"
    assert done.errors is not None
    told = done.errors.data or []
    assert [(each.line, each.code) for each in told] == [(3, "invalid_json_line"), (4, "duplicate_custom_id")]
    assert len(upstream.log) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"endpoint": "/v1/files", "input_file_id": "file-hg0"}, "endpoint"),
        ({"endpoint": 5, "input_file_id": "file-hg0"}, "endpoint"),
    ],
)
def test_a_batch_that_cannot_be(running: Gateway, body: dict[str, Any], field: str):
    with pytest.raises(openai.BadRequestError) as refused:
        sdk(running).post("/batches", body=body, cast_to=object)

    assert refused.value.param == field


def test_a_killed_gateway_goes_on_where_it_was(tmp_path: Path):
    count = 30
    with FakeUpstream.threaded() as upstream:
        from headgate.transport.fake import SlowFirstByte

        upstream.fail(SlowFirstByte(s=0.2))
        config = {
            "providers": {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}},
            "routes": {"smart": {"targets": ["up/gpt-4o-mini"]}},
        }
        with gateway(tmp_path, config) as first:
            client = sdk(first)
            batch = own_batch(client, lines(count), concurrency=3)
            eventually(lambda: (client.batches.retrieve(batch.id).request_counts or BATCH).completed >= 7)  # pyright: ignore[reportAttributeAccessIssue]
            first.kill()
            key = first.key
        called_before = len(upstream.log)
        assert called_before < count
        with gateway(tmp_path, config) as second:
            client = sdk(second, key)
            done = ended(client, batch.id)

            assert done.status == "completed"
            counts = done.request_counts
            assert counts is not None
            assert (counts.total, counts.completed, counts.failed) == (count, count, 0)
            good = outputs(client, done.output_file_id)
            assert sorted(each["custom_id"] for each in good) == sorted(f"c{number}" for number in range(count))
            calls = [each for each in recorded(second) if each.get("session") == batch.id]
            booked = [each for each in calls if each.get("usage_source") == "provider_reported"]
            cut = [each for each in calls if each.get("usage_source") == "crash_recovered"]
            results = {each["response"]["request_id"] for each in good}
            # Each result is in the books: with its cost, or as cut short if its end was not written down in time
            assert results <= {each["id"] for each in calls}
            assert len(booked) + len(results & {each["id"] for each in cut}) == count
            assert len(cut) <= 3
            assert all(each.get("cost_nano_usd", 0) == 0 for each in cut)
            assert len(upstream.log) <= count + 3


def test_a_batch_is_cancelled(tmp_path: Path):
    with FakeUpstream.threaded() as upstream:
        from headgate.transport.fake import SlowFirstByte

        upstream.fail(SlowFirstByte(s=0.1))
        config = {
            "providers": {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}},
            "routes": {"smart": {"targets": ["up/gpt-4o-mini"]}},
        }
        with gateway(tmp_path, config) as running:
            client = sdk(running)
            batch = own_batch(client, lines(50), concurrency=2)
            eventually(lambda: upstream.log)
            assert client.batches.cancel(batch.id).status == "cancelling"
            done = ended(client, batch.id)

            assert done.status == "cancelled"
            assert done.request_counts is not None
            assert done.request_counts.completed == len(outputs(client, done.output_file_id)) < 50
            time.sleep(0.5)
            assert len(upstream.log) == done.request_counts.completed
            with pytest.raises(openai.BadRequestError):
                client.batches.cancel(batch.id)


def test_a_batch_is_booked_that_nobody_looks_at_even_after_a_kill(tmp_path: Path):
    with FakeUpstream.threaded() as upstream:
        config = {"providers": {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}}}
        with gateway(tmp_path, config) as first:
            client = sdk(first)
            reply(upstream, "/v1/files", FILE)
            reply(upstream, "/v1/batches", BATCH)
            made = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
            client.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")
            first.kill()
        usage = {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}
        done = {"status": "completed", "output_file_id": "file-2", "model": "gpt-4o-mini", "usage": usage}
        reply(upstream, "/v1/batches/batch_1", {**BATCH, **done})
        with gateway(tmp_path, config):  # the store gets what the journal has
            pass
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "headgate.db")) as database, database:
            assert database.execute("UPDATE unbilled SET due_us = 0").rowcount == 1

        with gateway(tmp_path, config) as second:

            def booked() -> list[tuple[str, str]]:
                return [(call["path"], call["cost_usd"]) for call in recorded(second) if call.get("route") == "billing"]

            eventually(lambda: bool(booked()), 20)
            assert booked() == [("GET /batches/batch_1", "0.075000000")]


def test_the_command_runs_a_file_and_goes_on_after_a_kill(tmp_path: Path):
    with FakeUpstream.threaded() as upstream:
        from headgate.transport.fake import SlowFirstByte

        upstream.fail(SlowFirstByte(s=0.1))
        config = {"providers": {"up": {"like": "openai", "base_url": upstream.url, "api_key": "none"}}}
        (tmp_path / "headgate.yaml").write_text(json.dumps({**config, "data_dir": str(tmp_path / "data")}))
        (tmp_path / "in.jsonl").write_bytes(lines(20, "no-such-model"))
        command = [*HEADGATE, "batch", "run", "in.jsonl", "--route", "up/gpt-4o-mini", "--concurrency", "2"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}

        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as first:
            eventually(lambda: len(upstream.log) >= 8, 30)
            first.kill()
        second = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

        assert second.returncode == 0, second.stderr
        assert "completed: 20 of 20 answered, 0 not" in second.stdout
        results = [json.loads(line) for line in (tmp_path / "in.results.jsonl").read_text().splitlines()]
        assert sorted(each["custom_id"] for each in results) == sorted(f"c{number}" for number in range(20))
        assert len(upstream.log) <= 22

        (tmp_path / "in.jsonl").write_bytes(b"{}\n")
        faulty = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert faulty.returncode == 2
        assert "line 1: " in faulty.stderr
