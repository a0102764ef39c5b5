"""Alerts from the books to the wire: signed, mailed, kept until they have arrived, and told once."""

import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from headgate.app.alert_channels import Undelivered, channels
from headgate.app.alerting import Alerting
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.core.problems import ConfigError
from headgate.ledger.credit import Credit, grant
from headgate.limits.terms import BudgetTerm, Terms
from headgate.policies.issuing import NewKey, create_key
from headgate.store.queries import meta, outbox, spend
from headgate.store.queries.outbox import Message
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums

SECRET = "a secret of some length"
USD = 1_000_000_000


class Hook:
    """A server that webhooks go to."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []


@contextmanager
def hooked() -> Iterator[tuple[Hook, str]]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook, f"http://127.0.0.1:{server.server_port}/in?a=b"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_core(folder: Path, alerts: dict, work: Callable[[Core, Alerting], None]) -> None:
    async def inside() -> None:
        setup = build({"data_dir": str(folder), "alerts": alerts}, environ={"SECRET": SECRET})
        async with open_core(setup) as core:
            work(core, Alerting(core, setup.config.alerts, channels(setup.config.alerts)))

    asyncio.run(inside())


def limited_key(core: Core, used: int) -> str:
    terms = Terms(budgets=(BudgetTerm(window="total", nano_usd=USD),))
    _, row = create_key(core.store, core.pepper, NewKey(name="k", terms=terms), actor="t")
    with core.store.write() as connection:
        now_us = core.now_us()
        place = Place(now_us - now_us % QUARTER_US, row.kid, "", "demo/echo", "demo", "echo")
        spend.add(connection, [Spent(place, Sums(1, 1, 1, used, used))])
    core.keys.refresh()
    return row.kid


def kept(core: Core) -> list[Message]:
    with core.store.read() as connection:
        return outbox.newest(connection, 10)


def test_a_budget_that_runs_out_is_posted_signed_and_once(tmp_path: Path):
    with hooked() as (hook, url):

        def work(core: Core, alerting: Alerting) -> None:
            key = limited_key(core, USD * 8 // 10)
            alerting.look()
            alerting.look()
            assert alerting.send() == 1
            assert alerting.send() == 0
            [(headers, body)] = hook.got
            told = json.loads(body)
            assert (told["kind"], told["account"], told["data"]["threshold"]) == ("budget.threshold", key, 80)
            fields = dict(part.split("=") for part in headers["headgate-signature"].split(","))
            expected = hmac.new(SECRET.encode(), f"{fields['t']}.".encode() + body, hashlib.sha256).hexdigest()
            assert fields["v1"] == expected
            assert abs(int(fields["t"]) - time.time()) < 600
            assert headers["headgate-alert-id"] == kept(core)[0].id

        with_core(tmp_path, {"webhook": {"url": url, "secret": "env:SECRET"}}, work)
        with_core(tmp_path, {"webhook": {"url": url, "secret": "env:SECRET"}}, lambda core, alerting: alerting.look())
        assert len(hook.got) == 1


@pytest.mark.parametrize("status", [500, 302, 404])
def test_what_does_not_arrive_is_sent_again_later_even_after_a_new_start(tmp_path: Path, status: int):
    with hooked() as (hook, url):
        hook.statuses = [status]
        alerts = {"webhook": {"url": url, "secret": "env:SECRET"}}

        def fails(core: Core, alerting: Alerting) -> None:
            limited_key(core, USD)
            alerting.look()
            assert alerting.send() == 0
            [message] = kept(core)
            assert (message.attempts, message.sent_us, message.error) == (1, None, f"answered with {status}")
            assert 0 < message.next_us - core.now_us() <= 10_000_000
            assert alerting.send() == 0
            assert len(hook.got) == 1

        def arrives(core: Core, alerting: Alerting) -> None:
            with core.store.write() as connection:
                outbox.failed(connection, kept(core)[0].id, "", core.now_us())
            assert alerting.send() == 1
            assert kept(core)[0].attempts == 2

        with_core(tmp_path, alerts, fails)
        with_core(tmp_path, alerts, arrives)
        assert hook.got[0][0]["headgate-alert-id"] == hook.got[1][0]["headgate-alert-id"]


def test_a_message_that_another_process_has_claimed_is_left_to_it(tmp_path: Path):
    with hooked() as (hook, url):

        def work(core: Core, alerting: Alerting) -> None:
            limited_key(core, USD)
            alerting.look()
            [message] = kept(core)
            with core.store.write() as connection:
                assert outbox.claim(connection, message, message.next_us + 1)
                assert not outbox.claim(connection, message, message.next_us + 2)

        with_core(tmp_path, {"webhook": {"url": url, "secret": "env:SECRET"}}, work)
        assert hook.got == []


class Inbox:
    def __init__(self) -> None:
        self.got: list[object] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        self.got.append(envelope)
        return "250 OK"


def test_little_credit_and_new_prices_are_mailed(tmp_path: Path):
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    try:

        def work(core: Core, alerting: Alerting) -> None:
            key = limited_key(core, 1)
            grant(core.store, Credit(key, "top-up", 2 * USD, "p1"), [key], actor="t")
            alerting.look()
            with core.store.write() as connection:
                seen = json.loads(meta.get(connection, "alerts.prices"))
                assert list(seen) == ["demo/echo"]
                meta.put(connection, "alerts.prices", json.dumps({"demo/echo": "prompt 7"}))
            alerting.look()
            assert alerting.send() == 2

        email = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "h@example.com"}
        with_core(tmp_path, {"email": email | {"to": ["a@example.com", "b@example.com"]}}, work)
    finally:
        server.stop()
    texts = [message_from_bytes(each.content, policy=default).get_content() for each in inbox.got]
    assert [each.rcpt_tos for each in inbox.got] == [["a@example.com", "b@example.com"]] * 2
    assert any("2 USD of credit is left to k" in text for text in texts)
    assert any("The price of demo/echo is now" in text and "it was prompt 7" in text for text in texts)


def test_a_server_that_is_not_there_is_told_as_undelivered():
    gone = {"host": "127.0.0.1", "port": 1, "sender": "a@b", "to": ["c@d"]}
    hook = {"url": "http://127.0.0.1:1/", "secret": "env:SECRET"}
    ways = channels(build({"alerts": {"email": gone, "webhook": hook}}, environ={"SECRET": SECRET}).config.alerts)
    body = b'{"id":"x","kind":"credit.low","account":"","text":"t\\nBcc: x","data":{}}'
    for send in ways.values():
        with pytest.raises(Undelivered, match="ConnectionRefusedError"):
            send("x", body)


@pytest.mark.parametrize(
    ("alerts", "told"),
    [
        ({"webhook": {"url": "ftp://x", "secret": "env:SECRET"}}, "must be a URL"),
        ({"webhook": {"url": "https://u:p@x", "secret": "env:SECRET"}}, "must be a URL"),
        ({"webhook": {"url": "https://x", "secret": "env:SHORT"}}, "at least 16 characters"),
        ({"webhook": {"url": "https://x"}}, "secret"),
        ({"thresholds": [0]}, "thresholds"),
        ({"low_balance_usd": -1}, "low_balance_usd"),
        ({"email": {"host": "x", "sender": "a", "to": ["a@b"]}}, "sender"),
        ({"email": {"host": "x", "sender": "a@b", "to": []}}, "to"),
    ],
)
def test_faults_of_the_configuration_are_told(alerts: dict, told: str):
    with pytest.raises(ConfigError, match=told):
        build({"alerts": alerts}, environ={"SECRET": SECRET, "SHORT": "short"})
