"""Gateways that are killed at random moments under streams, and a database that goes away: what the upstream saw, the
books have, each call once. `make nightly` kills two hundred, and lets the database be away for a minute."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from headgate.core.record import CallRecord
from headgate.core.usage import Usage
from headgate.ledger import credit
from headgate.ledger.charging import charge_of
from headgate.ledger.meter import cost
from headgate.ledger.prices import PriceBook
from headgate.store.opening import open_store
from headgate.store.queries import calls
from headgate.transport.fake import FakeSettings, FakeUpstream
from tests.acceptance.calling import ask, eventually
from tests.acceptance.running import free_port, upstreams
from tests.postgres import Server, running_server

KILLS = int(os.environ.get("HEADGATE_TEST_KILLS", "20"))
AWAY_S = float(os.environ.get("HEADGATE_TEST_AWAY_S", "1.5"))
PER_S = 50
MODEL = "gpt-4o-mini"
ADMIN = "an-admin-key-for-tests-of-forty-chars-00"


class House:
    """One data folder, a gateway over it that comes and goes, and its callers."""

    def __init__(self, folder: Path, upstream: FakeUpstream, store: str) -> None:
        port, admin_port = free_port(), free_port()
        self.url, self.admin_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}"
        self.store = store if store.startswith("postgresql") else f"sqlite:///{folder / 'h.db'}"
        file = folder / "headgate.yaml"
        config = {
            "server": {"host": "127.0.0.1", "port": port, "admin_port": admin_port},
            "store": self.store,
            "providers": upstreams(upstream.url),
            "routes": {"r": {"targets": [f"up_openai_chat/{MODEL}"]}},
        }
        file.write_text(json.dumps(config))
        environment = {
            **os.environ,
            "HEADGATE_CONFIG": str(file),
            "HEADGATE_DATA_DIR": str(folder / "data"),
            "HEADGATE_ADMIN_KEY": ADMIN,
            "HEADGATE_TEST_LOG": str(folder / "server.log"),
        }
        self.log = folder / "server.log"
        self.nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.nursery"],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = 0
        self.marks = 0
        self.statuses: Counter[int] = Counter()

    def tell(self, what: str) -> str:
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(what + "\n")
        self.nursery.stdin.flush()
        return self.nursery.stdout.readline().strip()

    def start(self) -> None:
        self.pid = int(self.tell("start"))
        eventually(self.is_ready, 30)

    def is_ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return ask(self.url, "GET", "/readyz", {}).status == 200
        return False

    def admin(self, path: str, body: object = None) -> Any:
        headers = {"authorization": f"Bearer {ADMIN}", "content-type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        reply = ask(self.admin_url, "GET" if body is None else "POST", f"/admin/v1{path}", headers, data)
        assert reply.status < 300, reply.body
        return json.loads(reply.body)

    def converse(self, key: str, mark: str, is_stream: bool) -> float | None:
        """Makes one call; when its answer was complete, or None if it was cut or refused."""
        fields = {"authorization": f"Bearer {key}", "x-headgate-user": mark}
        asked = {
            "model": "r",
            "messages": [{"role": "user", "content": mark}],
            "stream": is_stream,
            "max_tokens": 20,
        }
        with suppress(OSError, http.client.HTTPException):
            reply = ask(self.url, "POST", "/v1/chat/completions", fields, json.dumps(asked).encode())
            self.statuses[reply.status] += 1
            return time.monotonic() if reply.status == 200 else None
        return None

    def load(self, threads: ThreadPoolExecutor, keys: list[str], s: float) -> dict[str, "Future[float | None]"]:
        """As many calls a second as there are to be, whatever becomes of them; most of them streams."""
        begun: dict[str, Future[float | None]] = {}
        until, due = time.monotonic() + s, time.monotonic()
        while due < until:
            self.marks += 1
            mark = f"call-{self.marks}"
            begun[mark] = threads.submit(self.converse, keys[self.marks % len(keys)], mark, self.marks % 5 != 0)
            due += 1 / PER_S
            time.sleep(max(0.0, due - time.monotonic()))
        return begun


@contextmanager
def house(folder: Path, upstream: FakeUpstream, store: str) -> Iterator[House]:
    opened = House(folder, upstream, store)
    try:
        yield opened
    except BaseException:
        print(opened.log.read_text()[-5000:] if opened.log.exists() else "no log")
        raise
    finally:
        if opened.pid:
            with suppress(ProcessLookupError):
                os.kill(opened.pid, signal.SIGKILL)
        opened.nursery.kill()
        opened.nursery.communicate()


def kept(store: str) -> list[CallRecord]:
    with open_store(store) as opened, opened.read() as connection:
        return list(calls.everything(connection))


def nano_usd(upstream_body: bytes) -> int:
    """The price of the answer that the upstream gives to this request."""
    usage = Usage(input_tokens=max(1, len(upstream_body) // 4), output_tokens=len(FakeUpstream().settings.text.split()))
    price = PriceBook().find("openai", MODEL)
    assert price is not None
    return cost(price, usage).nano_usd


def mark_of(body: bytes) -> str:
    return json.loads(body)["messages"][0]["content"]


def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path, store_url: str):
    dice = random.Random(20261129)
    kills = KILLS if store_url.startswith("sqlite") else max(1, KILLS // 5)
    complete: dict[str, float] = {}
    killed_s: dict[str, float] = {}
    settings = FakeSettings(gap_s=0.03, log_attempts_max=1_000_000)
    with (
        FakeUpstream.threaded(settings) as upstream,
        house(tmp_path, upstream, store_url) as place,
        ThreadPoolExecutor(60) as threads,
    ):
        place.start()
        organisation = place.admin("/organisations", {"name": "o", "terms": {"prepaid": True}})["id"]
        prepaid = place.admin("/keys", {"name": "p", "organisation": organisation})["key"]
        budget = {"budgets": [{"usd": 100, "window": "total"}]}
        postpaid = place.admin("/keys", {"name": "k", **budget})["key"]
        given = kills * 8_000  # covers a part of what is asked for
        place.admin(f"/credit/{organisation}", {"usd": f"{given / 1e9:.9f}", "reference": "1"})
        for kill in range(kills):
            if kill:
                place.start()
            begun = place.load(threads, [prepaid, postpaid], dice.uniform(0.05, 0.6))
            if kill % 4 == 3:
                os.kill(place.pid, signal.SIGSTOP)
                time.sleep(dice.uniform(0.01, 0.1))
                os.kill(place.pid, signal.SIGCONT)
            assert place.tell("kill") == "gone"
            killed_s |= dict.fromkeys(begun, time.monotonic())
            complete |= {mark: s for mark, end in begun.items() if (s := end.result()) is not None}
        place.start()
        budgets = place.admin("/budgets")["data"]
        state = place.admin(f"/credit/{organisation}")
        assert place.tell("stop") == "gone"
        found = kept(place.store)
        place.start()  # what is in the journal once more changes nothing
        assert place.tell("stop") == "gone"
        assert kept(place.store) == found
        sent = {mark_of(attempt.body): attempt.body for attempt in upstream.log}
        attempts = upstream.full_log.arrived

    # every attempt that the upstream saw is in the books, once
    by_mark = {call.user: call for call in found}
    assert attempts == len(sent)
    assert len(sent) > 2 * kills
    assert len({call.id for call in found}) == len(found) == len(by_mark)
    assert sent.keys() <= by_mark.keys()
    # with what it cost, or marked as not known; who was told the whole answer finds it
    for mark, body in sent.items():
        call = by_mark[mark]
        (attempt,) = call.attempts
        if attempt.usage_source == "provider_reported" and call.outcome == "ok":
            assert attempt.cost_nano_usd == charge_of(call) == nano_usd(body) > 0
        else:
            assert call.usage_source in {"crash_recovered", "counted", "estimated_prompt"}, call
            was_told = mark in complete and killed_s[mark] - complete[mark] > 0.1
            assert not was_told, f"{mark} was complete and is not kept so"
    sources = Counter(by_mark[mark].usage_source for mark in sent)
    assert sources["provider_reported"] > 0
    assert sources["crash_recovered"] > 0
    # the books balance, nothing is held, no credit is overdrawn, and the counters are what the calls come to
    charged = {kid: sum(charge_of(call) for call in found if call.key_id == kid) for kid in {c.key_id for c in found}}
    with open_store(place.store) as store, store.read() as connection:
        assert credit.verify(connection) == []
        assert all(credit.used(connection, [kid]) == charge for kid, charge in charged.items())
    assert all(budget["held"] == 0 for budget in budgets)
    assert charged[postpaid[6:16]] in [budget["settled"] for budget in budgets]
    used = charged.get(prepaid[6:16], 0)
    assert 0 < used <= given
    assert place.statuses[429] > 0, place.statuses  # some were refused for want of credit
    assert round(float(state["used_usd"]) * 1e9) == used


@pytest.fixture
def own_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


def test_while_the_database_is_away_calls_are_served_and_then_booked(tmp_path: Path, own_server: Server):
    with (
        FakeUpstream.threaded(FakeSettings(log_attempts_max=1_000_000)) as upstream,
        house(tmp_path, upstream, own_server.new_url()) as place,
        ThreadPoolExecutor(60) as threads,
    ):
        place.start()
        key = place.admin("/keys", {"name": "k", "budgets": [{"usd": 100, "window": "total"}]})["key"]
        begun = place.load(threads, [key], 0.2)
        own_server.stop()
        begun |= place.load(threads, [key], AWAY_S)
        assert all(end.result() is not None for end in begun.values())
        assert place.statuses == {200: len(begun)}
        own_server.start()
        eventually(lambda: len(place.admin("/calls?limit=500")["data"]) == min(500, len(begun)), 20)
        [budget] = place.admin("/budgets")["data"]
        assert place.tell("stop") == "gone"

        found = kept(place.store)
        assert {call.user for call in found} == begun.keys()
        assert len(found) == len(begun)
        with open_store(place.store) as store, store.read() as connection:
            assert credit.verify(connection) == []
            used = credit.used(connection, [key[6:16]])
        assert budget["held"] == 0
        assert budget["settled"] == used == sum(map(charge_of, found)) > 0
