"""The list of what was told: page by page, in the administration and on the command line."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.unit.app.test_cli import Shell, shell
from tests.unit.app.test_tenants import Office, run

from headgate.app.config import build
from headgate.policies.alerting import Alert
from headgate.store.base import Store
from headgate.store.opening import open_store
from headgate.store.queries import outbox
from headgate.store.queries.outbox import Message
from headgate.store.tables import INT64_MAX

_ = shell


def told(store: Store) -> None:
    """Five alerts, two of one moment, in each state that there is."""
    alert = Alert(id="a", kind="credit.low", account="org_1", text="Low.", data={"balance_nano_usd": 5})
    messages = [
        Message(
            id=f"webhook a{number}",
            at_us=(5 if number == 4 else number) * 1_000_000,
            next_us=INT64_MAX if number == 2 else 9_000_000,
            channel="webhook",
            body=msgspec.json.encode(msgspec.structs.replace(alert, id=f"a{number}")).decode(),
            attempts=number,
            error="answered with 500" if number == 2 else "",
            sent_us=7_000_000 if number == 3 else None,
        )
        for number in (1, 2, 3, 4, 5)
    ]
    with store.write() as connection:
        outbox.add(connection, messages)


def test_alerts_are_listed_page_by_page(tmp_path: Path):
    async def work(office: Office) -> None:
        assert await office("GET", "/alerts") == {"data": [], "next": None}
        told(office.core.store)
        seen, after = [], ""
        for _ in range(3):
            page = await office("GET", f"/alerts?limit=2&after={after}")
            seen += page["data"]
            after = page["next"]
        assert after is None
        assert [(each["id"], each["state"]) for each in seen] == [
            ("a4", "waiting"),
            ("a5", "waiting"),
            ("a3", "sent"),
            ("a2", "given_up"),
            ("a1", "waiting"),
        ]
        assert seen[3] == {
            "id": "a2",
            "kind": "credit.low",
            "account": "org_1",
            "text": "Low.",
            "data": {"balance_nano_usd": 5},
            "at": "1970-01-01T00:00:02Z",
            "channel": "webhook",
            "state": "given_up",
            "sent": None,
            "next_try": None,
            "attempts": 2,
            "error": "answered with 500",
        }
        assert (seen[2]["sent"], seen[4]["next_try"]) == ("1970-01-01T00:00:07Z", "1970-01-01T00:00:09Z")

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("after=x", "after"), ("after=5", "after"), ("a=1", "a")],
)
def test_a_faulty_question_is_refused_by_field(tmp_path: Path, query: str, param: str):
    async def work(office: Office) -> None:
        refused = await office("GET", f"/alerts?{query}", None, 400)
        assert refused["error"]["param"] == param

    run(tmp_path, work)


def test_the_command_line_lists_them_too(shell: Shell) -> None:
    shell("keys", "list")
    with open_store(build({}).config.store_url) as store:
        told(store)
    listed = json.loads(shell("alerts", "--json", "--limit", "3")[1])
    assert [each["id"] for each in listed] == ["a4", "a5", "a3"]
    assert "answered with 500" in shell("alerts")[1]
