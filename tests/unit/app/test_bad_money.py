"""Every way to say something wrong about money, in one table: each is refused in words, and no balance changes."""

from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit.app.stripe_double import event, signed
from tests.unit.app.test_till import PAID, Shop, open_shop


class Wrong(NamedTuple):
    """What is sent to `{}`, an account's own path, and what is said of it."""

    method: str
    path: str
    body: dict[str, object]
    param: str
    told: str


CREDIT = "/credit/{}"
WRONG = {
    "negative": Wrong("POST", CREDIT, {"usd": "-5", "reference": "r"}, "usd", "greater than 0"),
    "zero": Wrong("POST", CREDIT, {"usd": "0", "reference": "r"}, "usd", "greater than 0"),
    "overflow": Wrong("POST", CREDIT, {"usd": "9223372036854775808", "reference": "r"}, "usd", "usd"),
    "finer than nano": Wrong("POST", CREDIT, {"usd": "0.0000000001", "reference": "r"}, "usd", "9 decimal"),
    "unknown currency": Wrong(
        "POST", CREDIT, {"usd": "5", "currency": "eur", "reference": "r"}, "currency", "not known"
    ),
    "no reference": Wrong("POST", CREDIT, {"usd": "5"}, "reference", "required"),
    "more back than in": Wrong("POST", CREDIT, {"usd": "5", "kind": "refund", "reference": "r"}, "usd", "0 USD"),
    "payment that expires": Wrong(
        "POST", CREDIT, {"usd": "5", "expires": "1d", "reference": "r"}, "expires", "promotion"
    ),
    "negative payment": Wrong("POST", f"{CREDIT}/checkout", {"usd": "-5"}, "usd", "greater than 0"),
    "part of a cent": Wrong("POST", f"{CREDIT}/checkout", {"usd": "5.001"}, "usd", "2 decimal"),
    "negative coupon": Wrong("POST", "/coupons", {"usd": "-5"}, "usd", "greater than 0"),
    "made-up coupon": Wrong("POST", "/redemptions", {"code": "A-B", "account": "{}"}, "code", "not valid"),
    "negative budget": Wrong(
        "PATCH",
        "/organisations/{}",
        {"terms": {"budgets": [{"usd": "-1", "window": "day"}]}},
        "terms.budgets.0.usd",
        "0",
    ),
    "price below nothing": Wrong(
        "PATCH",
        "/organisations/{}",
        {"terms": {"prices": [{"markup_percent": "-101"}]}},
        "terms.prices.0.markup_percent",
        "",
    ),
    "more than its parent": Wrong(
        "POST",
        "/keys",
        {"name": "k", "organisation": "{}", "budgets": [{"usd": "6", "window": "day"}]},
        "budgets[0]",
        "5 USD",
    ),
    "a tag more than its parent": Wrong(
        "POST",
        "/keys",
        {"name": "k", "organisation": "{}", "budgets": [{"usd": "6", "window": "day", "tag": "red"}]},
        "budgets[0]",
        "5 USD",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_and_changes_nothing(tmp_path: Path, what: str):
    async def work(shop: Shop) -> None:
        account = await shop.organisation(budgets=[{"usd": "5", "window": "day"}])
        wrong = WRONG[what]
        body = {name: account if value == "{}" else value for name, value in wrong.body.items()}
        refused = (await shop(wrong.method, wrong.path.format(account), body, 400))["error"]
        assert refused["param"] == wrong.param
        assert wrong.told in refused["message"]
        told = await shop("GET", f"/credit/{account}")
        assert (told["balance_usd"], told["postings"], told["pending"]) == ("0", [], [])

    open_shop(tmp_path, work)


def test_a_replayed_webhook_and_one_with_an_empty_secret_change_nothing(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account = await shop.organisation()
        body = event("checkout.session.completed", account, await shop.ordered(account), **PAID)
        assert (await shop.tell(body, signed(body, ""))).json()["error"]["code"] == "signature_invalid"
        assert await shop.balance(account) == "0"
        signature = signed(body)
        assert [(await shop.tell(body, signature)).json() for _ in range(3)] == [{"booked": True}] + [
            {"booked": False}
        ] * 2
        assert await shop.balance(account) == "10"

    open_shop(tmp_path, work)
