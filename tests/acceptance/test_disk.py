"""A disk that is full, or fails to flush, under a running gateway: no call that could not be accounted for is taken,
everybody is told, what has begun comes to its end, and nothing that an upstream saw is missing from the books."""

import json
import platform
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.core.record import CallRecord
from headgate.ledger import credit
from headgate.ledger.charging import charge_of
from headgate.store.opening import open_store
from headgate.store.queries import calls
from headgate.transport.fake import FakeSettings, FakeUpstream
from tests.acceptance import failing_flush
from tests.acceptance.calling import SURFACES, Reply, ask, eventually, told
from tests.acceptance.running import HEADGATE, Gateway, gateway, upstreams
from tests.acceptance.small_disk import SmallDisk, small_disk

STREAMS = 6
KINDS = {
    "openai_chat": (503, "server_error"),
    "openai_responses": (503, "server_error"),
    "anthropic": (529, "overloaded_error"),
    "gemini": (503, "UNAVAILABLE"),
}
"""How each surface says that it cannot serve just now."""


@contextmanager
def disk_of(folder: Path, size: str = "6m") -> Iterator[SmallDisk]:
    with small_disk(folder, size) as disk:
        if disk is None:
            pytest.skip("no file system can be mounted here: `unshare --map-root-user --mount` is refused")
        yield disk


@contextmanager
def slow_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream.threaded(FakeSettings(gap_s=0.15)) as upstream:
        yield upstream


def config(upstream: FakeUpstream) -> dict[str, Any]:
    routes = {f"r_{surface}": {"targets": [f"up_{surface}/gpt-4o-mini"]} for surface in SURFACES}
    return {"providers": upstreams(upstream.url), "routes": routes}


def call(running: Gateway, surface: str = "openai_chat", key: str = "", **members: Any) -> Reply:
    of = SURFACES[surface]
    path, body = of.request(f"r_{surface}", **members)
    headers = {"content-type": "application/json", **of.key(key or running.key)}
    return ask(running.url, "POST", path, headers, body)


def streams(running: Gateway, threads: ThreadPoolExecutor, key: str) -> list[Any]:
    return [threads.submit(call, running, key=key, stream=True) for _ in range(STREAMS)]


def readiness(running: Gateway) -> tuple[int, str]:
    reply = ask(running.url, "GET", "/readyz", {})
    return reply.status, json.loads(reply.body).get("reason", "")


def admin(running: Gateway, path: str, body: Any) -> Any:
    fields = {
        "authorization": f"Bearer {running.environment['HEADGATE_ADMIN_KEY']}",
        "content-type": "application/json",
    }
    reply = ask(running.admin_url, "POST", f"/admin/v1{path}", fields, json.dumps(body).encode())
    assert reply.status < 300, reply.body
    return json.loads(reply.body)


def prepaid_key(running: Gateway) -> str:
    organisation = admin(running, "/organisations", {"name": "o", "terms": {"prepaid": True}})["id"]
    admin(running, f"/credit/{organisation}", {"usd": "1000", "reference": "1"})
    return admin(running, "/keys", {"name": "p", "organisation": organisation})["key"]


def books(data: Path) -> list[CallRecord]:
    """Every call that is kept, oldest first; and they balance."""
    with open_store(f"sqlite:///{data / 'headgate.db'}") as store, store.read() as connection:
        assert credit.verify(connection) == []
        found = list(calls.everything(connection))
        for kid in {record.key_id for record in found}:
            mine = [record for record in found if record.key_id == kid]
            assert credit.used(connection, [kid]) == sum(map(charge_of, mine))
    assert len({record.id for record in found}) == len(found)
    return found


def test_a_full_disk_refuses_new_calls_ends_those_under_way_and_keeps_them_all(tmp_path: Path):
    with (
        slow_upstream() as upstream,
        disk_of(tmp_path / "g" / "data") as disk,
        gateway(tmp_path / "g", config(upstream), [*disk.inside, *HEADGATE]) as running,
        ThreadPoolExecutor(STREAMS) as threads,
    ):
        prepaid = prepaid_key(running)
        assert call(running, key=prepaid).status == 200
        begun = streams(running, threads, prepaid)
        eventually(lambda: len(upstream.log) == 1 + STREAMS)
        disk.fill()
        eventually(lambda: call(running).status == 503)  # a page that was begun has room for some more
        status, why = readiness(running)
        assert (status, "cannot be written" in why) == (503, True)
        seen = len(upstream.log)
        for surface, (code, kind) in KINDS.items():
            refused = call(running, surface)
            error = told(surface, refused.body)
            assert (refused.status, error.type) == (code, kind), refused
            assert "retry" in error.message.lower()
            assert int(refused.headers["retry-after"]) >= 1
        assert all(b"[DONE]" in stream.result().body for stream in begun)
        assert len(upstream.log) == seen
        disk.free()
        eventually(lambda: readiness(running)[0] == 200)
        eventually(lambda: call(running, key=prepaid).status == 200)
        running.process.terminate()
        assert running.process.wait(30) == 0
        found = books(disk.copy(tmp_path / "copy"))

    sent = [record for record in found if record.attempts]
    assert len(sent) == len(upstream.log) == seen + 1
    assert {(record.usage_source, record.outcome) for record in sent} == {("provider_reported", "ok")}
    assert all(charge_of(record) > 0 for record in sent)
    refused = [record for record in found if not record.attempts]
    assert {record.cost_nano_usd for record in refused} <= {0}


def test_a_disk_with_little_room_refuses_what_is_paid_in_advance(tmp_path: Path):
    with (
        FakeUpstream.threaded() as upstream,
        disk_of(tmp_path / "g" / "data", "64m") as disk,
        gateway(tmp_path / "g", config(upstream), [*disk.inside, *HEADGATE]) as running,
    ):
        prepaid = prepaid_key(running)
        assert call(running, key=prepaid).status == 200
        disk.fill(but_bytes=3_000_000)
        eventually(lambda: call(running, key=prepaid).status == 503)
        seen = len(upstream.log)
        refused = call(running, key=prepaid)
        assert (told("openai_chat", refused.body).code, refused.headers["retry-after"]) == ("disk_nearly_full", "30")
        assert len(upstream.log) == seen
        assert call(running).status == 200
        assert readiness(running)[0] == 200
        disk.free()
        eventually(lambda: call(running, key=prepaid).status == 200)


def test_a_process_killed_over_a_full_disk_loses_no_call(tmp_path: Path):
    with slow_upstream() as upstream, disk_of(tmp_path / "g" / "data") as disk, ThreadPoolExecutor(STREAMS) as threads:
        command = [*disk.inside, *HEADGATE]
        with gateway(tmp_path / "g", config(upstream), command) as running:
            prepaid = prepaid_key(running)
            begun = streams(running, threads, prepaid)
            eventually(lambda: len(upstream.log) == STREAMS)
            disk.fill()
            eventually(lambda: call(running).status == 503)
            assert all(b"[DONE]" in stream.result().body for stream in begun)  # nowhere written down but in memory
            running.kill()
        disk.free()
        with gateway(tmp_path / "g", config(upstream), command) as running:
            assert call(running).status == 200
            running.process.terminate()
            assert running.process.wait(30) == 0
        found = books(disk.copy(tmp_path / "copy"))

    sent = [record for record in found if record.attempts]
    assert len(sent) == len(upstream.log)
    sources = [record.usage_source for record in sent]
    # each is known, and known to be not known in full: the streams, and one whose end had no room where its start had
    assert STREAMS <= sources.count("crash_recovered") <= STREAMS + 1
    assert set(sources) == {"crash_recovered", "provider_reported"}


def test_a_database_on_a_full_disk_stops_no_call_and_gets_all_of_them_later(tmp_path: Path):
    with (
        FakeUpstream.threaded() as upstream,
        disk_of(tmp_path / "db") as disk,
        gateway(
            tmp_path / "g",
            config(upstream) | {"store": f"sqlite:///{tmp_path / 'db' / 'headgate.db'}"},
            [*disk.inside, *HEADGATE],
        ) as running,
    ):
        key = prepaid_key(running)
        disk.fill()
        assert [call(running, key=key).status for _ in range(60)] == [200] * 60
        assert readiness(running)[0] == 200
        disk.free()
        running.process.terminate()
        assert running.process.wait(30) == 0
        found = books(disk.copy(tmp_path / "copy"))

    assert len([record for record in found if record.usage_source == "provider_reported"]) == 60 == len(upstream.log)


@pytest.mark.skipif(platform.machine() not in failing_flush.CALLS, reason="system calls have other numbers here")
def test_a_failed_flush_stops_all_new_calls_until_a_restart_has_read_what_is_there(tmp_path: Path):
    command = [sys.executable, "-m", "tests.acceptance.failing_flush"]
    with slow_upstream() as upstream, ThreadPoolExecutor(STREAMS) as threads:
        with gateway(tmp_path, config(upstream), command) as running:
            prepaid = prepaid_key(running)
            assert call(running, key=prepaid).status == 200
            begun = streams(running, threads, prepaid)
            eventually(lambda: len(upstream.log) == 1 + STREAMS)
            running.process.send_signal(signal.SIGUSR1)
            eventually(lambda: call(running, key=prepaid).status == 503)
            status, why = readiness(running)
            assert (status, "cannot be flushed" in why) == (503, True)
            seen = len(upstream.log)
            assert all(b"[DONE]" in stream.result().body for stream in begun)
            assert call(running, key=prepaid).status == 503  # for good: the next flush might lie
            assert len(upstream.log) == seen
            running.kill()
        with gateway(tmp_path, config(upstream)) as running:
            assert call(running).status == 200
            running.process.terminate()
            assert running.process.wait(30) == 0
        found = books(tmp_path / "data")

    sent = [record for record in found if record.attempts]
    assert len(sent) == len(upstream.log)
    assert {record.usage_source for record in sent} == {"provider_reported", "crash_recovered"}
    assert [record.usage_source for record in sent].count("crash_recovered") >= STREAMS
