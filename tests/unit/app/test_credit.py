"""Credit through the administration: given, pending, posted, void, paid back, and promotions that end."""

from pathlib import Path

import pytest
from tests.unit.app.test_tenants import Office, run

from headgate.app.crediting import Lookout, end_promotions
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.usage import Usage
from headgate.ledger.credit import Credit, grant, verify
from headgate.policies.issuing import NewKey, create_key

USD = 10**9
DAY_US = 86_400_000_000


def key_of(office: Office, organisation: str = "") -> str:
    core = office.core
    wanted = NewKey(name="k", organisation=organisation)
    _, row = create_key(core.store, core.pepper, wanted, actor="t")
    core.keys.refresh()
    return row.kid


def use(office: Office, kid: str, nano_usd: int, id: str) -> None:
    """A call that cost so much, as the journal tells it."""
    words = {"surface": "s", "operation": "generate", "model": "m", "is_stream": False, "key_id": kid}
    place = {"provider": "p", "model": "m", "dialect": "d", "lane": "verbatim"}
    usage = Usage(input_tokens=1, output_tokens=1)
    at_us = office.core.now_us()
    start = CallStart(
        id=id, started_us=at_us, attempt=AttemptStart(call_id=id, number=1, started_us=at_us, **place), **words
    )
    attempt = Attempt(number=1, usage=usage, cost_nano_usd=nano_usd, **place)
    office.core.journal.call_started(start)
    office.core.journal.call_ended(
        CallRecord(
            id=id,
            started_us=at_us,
            status=200,
            attempts=[attempt],
            usage=usage,
            cost_nano_usd=nano_usd,
            **words,
        )
    )


def test_a_payment_that_may_come_is_pending_and_posted_once(tmp_path: Path):
    async def work(office: Office) -> None:
        account = await office.organisation(prepaid=True)
        path = f"/credit/{account}"
        waiting = {"usd": "10", "reference": "pay-1", "pending": True, "lasts_s": 3600}
        for _ in range(2):
            told = await office("POST", path, waiting)
            assert (told["balance_usd"], told["held_usd"], len(told["pending"])) == ("0", "0", 1)
        assert told["pending"][0] | {"at": ""} == {
            "id": f"top-up {account} pay-1",
            "at": "",
            "kind": "top-up",
            "usd": "10",
            "debit": "external:payments",
            "credit": f"credit:{account}",
        }
        refused = await office("POST", path, {"usd": "10", "reference": "pay-1"}, 400)
        assert "pending" in refused["error"]["message"]
        for _ in range(2):
            told = await office("POST", f"{path}/post", {"reference": "pay-1", "usd": "7.5"}, 200)
            assert (told["balance_usd"], told["pending"], len(told["postings"])) == ("7.5", [], 1)
        for usd, code in (("8", "transfer_posted"), (None, "transfer_posted")):
            refused = await office("POST", f"{path}/post", {"reference": "pay-1", "usd": usd}, 400)
            assert refused["error"]["code"] == code
        refused = await office("POST", f"{path}/void", {"reference": "pay-1"}, 400)
        assert refused["error"]["code"] == "transfer_posted"
        refused = await office("POST", f"{path}/void", {"reference": "nothing"}, 404)
        assert refused["error"]["code"] == "transfer_not_found"

    run(tmp_path, work)


def test_what_is_being_paid_back_cannot_be_used_meanwhile(tmp_path: Path):
    async def work(office: Office) -> None:
        account = await office.organisation(prepaid=True)
        kid = key_of(office, account)
        path = f"/credit/{account}"
        await office("POST", path, {"usd": "10", "reference": "pay-1"})
        await office("POST", path, {"usd": "5", "reference": "gift", "kind": "promotion"})
        use(office, kid, 7 * USD, "c1")  # the gift, and 2 of what was paid

        back = {"usd": "8.000000001", "reference": "back-1", "kind": "refund", "pending": True}
        refused = await office("POST", path, back, 400)
        assert "8 USD" in refused["error"]["message"]
        told = await office("POST", path, back | {"usd": "6"})
        assert (told["balance_usd"], told["held_usd"], told["available_usd"]) == ("8", "6", "2")
        [budget] = office.core.tenancy.gauges.budgets()
        assert budget.budget.terms.most == 9 * USD
        refused = await office("POST", path, {"usd": "3", "reference": "back-2", "kind": "refund"}, 400)
        assert "2 USD" in refused["error"]["message"]

        told = await office("POST", f"{path}/void", {"reference": "back-1", "kind": "refund"}, 200)
        assert (told["held_usd"], told["available_usd"]) == ("0", "8")
        assert budget.budget.terms.most == 15 * USD
        told = await office("POST", path, {"usd": "3", "reference": "back-2", "kind": "refund"})
        assert (told["balance_usd"], budget.budget.terms.most) == ("5", 12 * USD)
        with office.core.store.read() as connection:
            assert verify(connection) == []

    run(tmp_path, work)


def test_a_promotion_ends_with_what_is_left_of_it_and_once(tmp_path: Path):
    async def work(office: Office) -> None:
        account = await office.organisation(prepaid=True)
        kid = key_of(office, account)
        path = f"/credit/{account}"
        use(office, kid, USD, "before")
        await office("POST", path, {"usd": "10", "reference": "pay"})
        for name, expires in (("late", "2d"), ("soon", "1d"), ("other", "1d")):
            told = await office("POST", path, {"usd": "3", "reference": name, "kind": "promotion", "expires": expires})
        assert [(part["left_usd"], part["paid"]) for part in told["parts"]] == [
            ("9", True),
            ("3", False),
            ("3", False),
            ("3", False),
        ]
        assert [part["expires"] is None for part in told["parts"]] == [True, False, False, False]
        use(office, kid, 4 * USD, "after")
        await office("GET", path)
        assert end_promotions(office.core) == 0

        now_us = office.core.now_us()
        office.core.now_us = lambda: now_us + DAY_US + 60_000_000
        assert end_promotions(office.core) == 1
        assert end_promotions(office.core) == 0
        told = await office("GET", path)
        left = {part["id"].rsplit(" ", 1)[1]: part["left_usd"] for part in told["parts"]}
        assert (left, told["balance_usd"]) == ({"pay": "9", "late": "3"}, "12")
        [ended] = [each for each in told["postings"] if each["kind"] == "expiry"]
        assert (ended["id"], ended["usd"], ended["credit"]) == (
            f"expiry promotion {account} other",
            "2",
            "promotion",
        )
        [budget] = office.core.tenancy.gauges.budgets()
        assert budget.budget.terms.most == 17 * USD
        with office.core.store.read() as connection:
            assert verify(connection) == []

    run(tmp_path, work)


def test_what_was_credited_elsewhere_is_noticed(tmp_path: Path):
    async def work(office: Office) -> None:
        account = await office.organisation(prepaid=True)
        key_of(office, account)
        [budget] = office.core.tenancy.gauges.budgets()
        lookout = Lookout(office.core)
        grant(office.core.store, Credit(account, "top-up", USD, "elsewhere"), [], actor="another process")
        assert budget.budget.terms.most == 0
        lookout.look()
        assert budget.budget.terms.most == USD

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"usd": "0"}, "usd"),
        ({"usd": "-1"}, "usd"),
        ({"usd": "1000000.01"}, "usd"),
        ({"usd": "1e30"}, "usd"),
        ({"usd": "0.0000000001"}, "usd"),
        ({"usd": "nan"}, "usd"),
        ({"usd": "1", "kind": "gift"}, "kind"),
        ({"usd": "1", "currency": "eur"}, "currency"),
        ({"usd": "1", "expires": "1d"}, "expires"),
        ({"usd": "1", "kind": "promotion", "expires": "2020-01-01"}, "expires"),
        ({"usd": "1", "kind": "promotion", "pending": True}, "kind"),
        ({"usd": "1", "lasts_s": 1}, "lasts_s"),
        ({"usd": "1", "kind": "refund"}, "usd"),
    ],
)
def test_what_cannot_be_credited_is_refused_by_name(tmp_path: Path, body: dict, param: str):
    async def work(office: Office) -> None:
        account = await office.organisation()
        refused = await office("POST", f"/credit/{account}", {"reference": "r"} | body, 400)
        assert refused["error"]["param"] == param
        assert (await office("GET", f"/credit/{account}"))["postings"] == []

    run(tmp_path, work)
