"""`headgate credit` and `headgate coupons`, called as a shell calls them."""

import json

import pytest
from tests.unit.app.test_cli import Shell, shell

from headgate.app.config import build
from headgate.ledger.coupons import Redeemer, redeem
from headgate.store.opening import open_store

_ = shell


def made_key(shell: Shell) -> str:
    return json.loads(shell("keys", "create", "--name", "ci", "--json")[1])["id"]


def test_credit_is_given_once_and_shown(shell: Shell) -> None:
    key = made_key(shell)
    for _ in range(2):
        told = shell("credit", "give", key, "12.5", "--reference", "pay-1")
        assert told == (0, f"top-up {key} pay-1: 12.5 USD\n", "")
    shell("credit", "promote", key, "3", "--reference", "gift", "--expires", "30d")
    code, out, err = shell("credit", "show", key)
    assert (code, err) == (0, "")
    assert out.startswith("15.5 USD credited, 0 USD used, 0 USD held, 15.5 USD available\n")
    assert f"promotion {key} gift" in out
    assert shell("credit", "pay-back", key, "2.5", "--reference", "back")[0] == 0
    told = json.loads(shell("credit", "show", key, "--json")[1])
    assert (told["available_usd"], [part["left_usd"] for part in told["parts"]]) == ("13", ["10", "3"])


@pytest.mark.parametrize(
    ("command", "usd", "more", "told"),
    [
        ("give", "-1", (), "above 0"),
        ("give", "1e9", (), "above 0"),
        ("give", "nan", (), "no amount"),
        ("give", "Infinity", (), "no amount"),
        ("give", "1e400", (), "no amount"),
        ("give", "0.0000000001", (), "no amount"),
        ("give", "ten", (), "no amount"),
        ("pay-back", "1", (), "0 USD"),
        ("promote", "1", ("--expires", "2020-01-01"), "passed already"),
    ],
)
def test_what_cannot_be_given_is_told(shell: Shell, command: str, usd: str, more: tuple[str, ...], told: str) -> None:
    key = made_key(shell)
    code, out, err = shell("credit", command, "--reference", "r", *more, "--", key, usd)
    assert (code, out) == (2, "")
    assert told in err
    code, _, err = shell("credit", command, "--reference", "r", "nobody", "1")
    assert (code, "nobody" in err) == (2, True)


def test_a_coupon_is_printed_alone_listed_without_its_code_and_ended(shell: Shell) -> None:
    key = made_key(shell)
    code, out, err = shell("coupons", "create", "5", "--uses", "2", "--expires", "30d", "--lasts-days", "7")
    assert (code, err, len(out)) == (0, "", 30)
    with open_store(build({}).config.store_url) as store:
        redeem(store, out, Redeemer(account=key, organisation="", keys=[key]), actor="t")
    assert shell("coupons", "create", "1")[1] != out
    listed = json.loads(shell("coupons", "list", "--json")[1])
    assert [(each["usd"], each["uses"], each["redeemed"]) for each in listed] == [("5", 2, 1), ("1", 1, 0)]
    assert "code" not in listed[0]
    assert shell("coupons", "revoke", listed[1]["id"]) == (0, f"{listed[1]['id']} is revoked\n", "")
    assert shell("coupons", "list")[1].splitlines()[2].split()[-1] != "-"
    assert shell("coupons", "revoke", "x")[0] == 2
