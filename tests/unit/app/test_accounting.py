"""What leaves the books, through the administration and on the command line: one account's, to the nano-dollar."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
from typer.testing import CliRunner

from headgate.app.administration import admin_doors
from headgate.app.cli import cli
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.ledger.billing.months import month_of
from headgate.policies.roles import OPERATOR, Administrator
from headgate.server.admin.application import create_api
from headgate.server.admin.guard import as_known
from headgate.store.queries import spend
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums

NOW_US = time.time_ns() // 1000
MONTH = month_of(NOW_US)


class Office:
    def __init__(self, core: Core, client: httpx2.AsyncClient) -> None:
        self.core = core
        self.client = client

    async def ask(self, method: str, path: str, body: object = None, status: int = 0) -> httpx2.Response:
        answer = await self.client.request(method, f"/admin/v1{path}", json=body)
        assert answer.status_code == (status or {"POST": 201}.get(method, 200)), answer.text
        return answer

    async def account(self) -> tuple[str, str]:
        organisation = (await self.ask("POST", "/organisations", {"name": "Acme"})).json()["id"]
        team = (await self.ask("POST", "/teams", {"name": "Red", "organisation": organisation})).json()["id"]
        return organisation, (await self.ask("POST", "/keys", {"name": "ci", "team": team})).json()["id"]

    def use(self, key: str, charge: int, model: str = "demo/echo", at_us: int = NOW_US) -> None:
        place = Place(at_us - at_us % QUARTER_US, key, "", model, "demo", "echo")
        with self.core.store.write() as connection:
            spend.add(connection, [Spent(place, Sums(1, 10, 5, charge, charge))])


def run(folder: Path, work: Callable[[Office], Awaitable[None]], who: Administrator = OPERATOR) -> None:
    async def inside() -> None:
        async with open_core(build({"data_dir": str(folder)}, environ={})) as core:
            transport = httpx2.ASGITransport(as_known(create_api(admin_doors(core)), who))
            async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
                await work(Office(core, client))

    asyncio.run(inside())


def command(folder: Path, *words: str, code: int = 0) -> bytes:
    env = {"HEADGATE_DATA_DIR": str(folder), "HEADGATE_CONFIG": None}
    done = CliRunner().invoke(cli, words, env=env, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout_bytes


def test_an_invoice_is_the_same_wherever_it_is_asked_for(tmp_path: Path):
    shown: dict[str, object] = {}

    async def work(office: Office) -> None:
        organisation, key = await office.account()
        await office.ask("POST", f"/credit/{organisation}", {"usd": "2", "reference": "p1"})
        office.use(key, 1_500_000_001)
        office.use(key, 7, at_us=MONTH.start_us - 1)
        path = f"/invoices/{organisation}/{MONTH.name}"
        shown.update((await office.ask("GET", path)).json())
        assert shown["opening_nano_usd"] == -7
        assert shown["charge_usd"] == "1.500000001"
        assert shown["closing_nano_usd"] == 499_999_992
        assert shown["lines"][0]["key_name"] == "ci"
        for form, kind in (("csv", "text/csv"), ("html", "text/html"), ("pdf", "application/pdf")):
            answer = await office.ask("GET", f"{path}?format={form}")
            assert answer.headers["content-type"].startswith(kind)
            assert f"invoice-{organisation}-{MONTH.name}.{form}" in answer.headers["content-disposition"]
            shown[form] = answer.content

        [listed] = (await office.ask("GET", f"/invoices/{MONTH.name}")).json()["data"]
        assert listed["account"] == organisation
        refused = (await office.ask("GET", f"/invoices/org_x/{MONTH.name}", status=404)).json()
        assert refused["error"]["code"] == "account_not_found"
        refused = (await office.ask("GET", f"/invoices/{organisation}/november", status=400)).json()
        assert refused["error"]["param"] == "month"
        assert (await office.ask("GET", f"{path}?format=docx", status=400)).json()["error"]["param"] == "format"

    run(tmp_path, work)
    account = str(shown["account"])
    for form in ("csv", "html", "pdf"):
        assert command(tmp_path, "invoices", MONTH.name, account, "--format", form) == shown[form]
    assert json.loads(command(tmp_path, "invoices", MONTH.name, account, "--format", "json"))["due_usd"] == "0"
    command(tmp_path, "invoices", MONTH.name, account, "--output", str(tmp_path / "i.html"))
    assert (tmp_path / "i.html").read_bytes() == shown["html"]
    table = command(tmp_path, "invoices", MONTH.name).decode()
    assert account in table
    assert "due: 0 USD" in table
    assert [each["account"] for each in json.loads(command(tmp_path, "invoices", MONTH.name, "--format", "json"))] == [
        account
    ]


def test_keys_without_an_organisation_are_listed_by_themselves(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation, key = await office.account()
        alone = (await office.ask("POST", "/keys", {"name": "alone"})).json()["id"]
        rotated = (await office.ask("POST", f"/keys/{alone}/rotate", {})).json()["id"]
        await office.ask("POST", "/keys", {"name": "unused"})
        for each, charge in ((key, 1), (alone, 10), (rotated, 100)):
            office.use(each, charge)
        found = (await office.ask("GET", f"/invoices/{MONTH.name}")).json()["data"]
        assert [(each["account"], each["charge_nano_usd"]) for each in found] == [(organisation, 1), (alone, 110)]

    run(tmp_path, work)


def test_focus_a_forecast_and_a_comparison_rest_on_the_same_books(tmp_path: Path):
    asked: dict[str, bytes] = {}

    async def work(office: Office) -> None:
        organisation, key = await office.account()
        office.use(key, 5)
        office.use("of the library", 100)
        path = f"/focus/{MONTH.name}"
        asked["csv"] = (await office.ask("GET", path)).content
        lines = (await office.ask("GET", f"{path}?version=1.2&format=jsonl&account={organisation}")).text.splitlines()
        [row] = map(json.loads, lines)
        assert (row["BilledCost"], row["BillingAccountId"], row["SubAccountName"]) == (
            "0.000000005",
            organisation,
            "Red",
        )
        await office.ask("GET", f"{path}?version=1.3", status=400)

        found = (await office.ask("GET", f"/forecast?account={organisation}")).json()
        assert (found["month"], found["so_far_nano_usd"], found["so_far_usd"]) == (MONTH.name, 5, "0.000000005")
        assert (await office.ask("GET", "/forecast")).json()["so_far_nano_usd"] == 105
        await office.ask("GET", "/forecast?account=x", status=404)

    run(tmp_path, work)
    assert asked["csv"].count(b"\r\n") == 3
    assert command(tmp_path, "focus", MONTH.name) == asked["csv"]
    command(tmp_path, "focus", MONTH.name, "--output", str(tmp_path / "f.jsonl"))
    assert len((tmp_path / "f.jsonl").read_text().splitlines()) == 2
    assert b"0.000000105 USD so far" in command(tmp_path, "forecast")
    assert json.loads(command(tmp_path, "forecast", "--json"))["so_far_nano_usd"] == 105

    export = tmp_path / "theirs.csv"
    today = f"{MONTH.start:%Y-%m}-{time.gmtime(NOW_US // 1_000_000).tm_mday:02}"
    export.write_text(f"date,model,calls,input_tokens\n{today},echo,2,21\n")
    words = ("reconcile", str(export), "--provider", "demo")
    [calls, tokens] = json.loads(command(tmp_path, *words, "--json", code=1))
    assert (calls["ours"], calls["theirs"], calls["drift"]) == (2, 2, "+0.000%")
    assert (tokens["ours"], tokens["theirs"], tokens["drift"]) == (20, 21, "-4.762%")
    assert b"CSV, " in command(tmp_path, *words, "--tolerance", "0.05")


def test_whoever_is_of_one_organisation_sees_no_other(tmp_path: Path):
    ids: list[str] = []

    async def make(office: Office) -> None:
        for charge in (3, 40):
            organisation, key = await office.account()
            office.use(key, charge)
            ids.append(organisation)

    async def look(office: Office) -> None:
        own, other = ids
        assert (await office.ask("GET", f"/invoices/{own}/{MONTH.name}")).json()["charge_nano_usd"] == 3
        await office.ask("GET", f"/invoices/{other}/{MONTH.name}", status=404)
        assert (await office.ask("GET", "/forecast")).json()["so_far_nano_usd"] == 3
        await office.ask("GET", f"/forecast?account={other}", status=404)
        for path in (f"/invoices/{MONTH.name}", f"/focus/{MONTH.name}"):
            await office.ask("GET", path, status=403)

    run(tmp_path, make)
    run(tmp_path, look, Administrator(actor="a", role="viewer", organisation=ids[0]))
