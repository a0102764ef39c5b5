"""`headgate credit` and `headgate coupons`: opens the store itself; a running gateway notices by itself."""

import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.app.commands.options import AsJson, ConfigFile, load_setup, print_json, print_table
from headgate.core.money import NANO_PER_USD, shown_usd
from headgate.core.problems import InvalidRequest

if TYPE_CHECKING:
    from headgate.ledger.credit import CreditKind
    from headgate.store.base import Store

ACTOR = "command line"
_COLUMNS = ("id", "usd", "uses", "redeemed", "note", "created", "expires", "lasts_days", "revoked")
credit = typer.Typer(help="Give credit, pay it back, and see what is left of it.", no_args_is_help=True)
coupons = typer.Typer(help="Make, list and end codes that credit is given for.", no_args_is_help=True)
Account = Annotated[str, typer.Argument(help="The id of an organisation, team or key.", metavar="ACCOUNT")]
Usd = Annotated[str, typer.Argument(help="Such as 12.50.", metavar="USD")]
Reference = Annotated[str, typer.Option(help="What it stands for, such as a payment's number: posted once.")]


def _store(config: Path | None) -> "Store":
    from headgate.store.opening import open_store  # noqa: PLC0415 - the store, only when it is wanted

    return open_store(load_setup(config).config.store_url)


def _nano_usd(text: str) -> int:
    """Dollars as people write them. Raises `InvalidRequest` for what is none, or finer than nano-dollars."""
    try:
        amount = Decimal(text) * NANO_PER_USD
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount) > 10**18 or amount != int(amount):
        raise InvalidRequest(f"{text!r} is no amount of dollars; write 12.50.", param="usd")
    return int(amount)


@credit.command("show")
def show(account: Account, config: ConfigFile = None, json: AsJson = False) -> None:
    """Say what an account was given, has used and has left, and of which credit. A running gateway may know of more."""
    from headgate.ledger import credit as ledger  # noqa: PLC0415
    from headgate.policies.accounts import find_payer  # noqa: PLC0415
    from headgate.server.admin.expiry import shown_time  # noqa: PLC0415

    with _store(config) as store, store.read() as connection:
        kids = list(find_payer(connection, account).keys)
        credited, used = ledger.credited(connection, account), ledger.used(connection, kids)
        held, parts = ledger.held(connection, account), ledger.parts(connection, account, kids).parts
    rows = [
        {
            "credit": each.id,
            "left_usd": shown_usd(each.left),
            "paid": each.is_paid,
            "expires": shown_time(each.expires_us or None),
        }
        for each in parts
        if each.left
    ]
    amounts = {"credited": credited, "used": used, "held": held, "available": credited - used - held}
    if json:
        print_json({f"{name}_usd": shown_usd(nano) for name, nano in amounts.items()} | {"parts": rows})
        return
    typer.echo(", ".join(f"{shown_usd(nano)} USD {name}" for name, nano in amounts.items()))
    if rows:
        print_table(rows, ("credit", "left_usd", "paid", "expires"))


@credit.command("give")
def give(account: Account, usd: Usd, reference: Reference, config: ConfigFile = None) -> None:
    """Give credit that was paid for. A running gateway knows within seconds."""
    _grant(config, account, "top-up", usd, (reference, ""))


@credit.command("promote")
def promote(
    account: Account,
    usd: Usd,
    reference: Reference,
    expires: Annotated[str, typer.Option(help="When it ends: 30d, or a date. Else never.")] = "",
    config: ConfigFile = None,
) -> None:
    """Give credit away. A running gateway knows within seconds."""
    _grant(config, account, "promotion", usd, (reference, expires))


@credit.command("pay-back")
def pay_back(account: Account, usd: Usd, reference: Reference, config: ConfigFile = None) -> None:
    """Pay back credit that was paid for and is left. A running gateway knows within seconds."""
    _grant(config, account, "refund", usd, (reference, ""))


def _grant(config: Path | None, account: str, kind: "CreditKind", usd: str, about: tuple[str, str]) -> None:
    from headgate.ledger.credit import Credit, grant  # noqa: PLC0415
    from headgate.policies.accounts import find_payer  # noqa: PLC0415
    from headgate.server.admin.expiry import parse_expiry  # noqa: PLC0415

    reference, expires = about
    expires_us = parse_expiry(expires, time.time_ns() // 1000) if expires else 0
    wanted = Credit(account, kind, _nano_usd(usd), reference, expires_us=expires_us)
    with _store(config) as store:
        with store.read() as connection:
            kids = list(find_payer(connection, account).keys)
        posted = grant(store, wanted, kids, actor=ACTOR)
    typer.echo(f"{posted.id}: {shown_usd(posted.nano_usd)} USD")


@coupons.command("create")
def create_coupon(
    usd: Annotated[str, typer.Argument(help="What it is worth, such as 5.", metavar="USD")],
    uses: Annotated[int, typer.Option(help="How many organisations may redeem it.")] = 1,
    expires: Annotated[str, typer.Option(help="Until when it can be redeemed: 30d, or a date.")] = "",
    lasts_days: Annotated[int | None, typer.Option(help="How many days its credit lasts. Else for ever.")] = None,
    config: ConfigFile = None,
) -> None:
    """Make a coupon and print its code, alone, this once."""
    from headgate.ledger.coupons import NewCoupon, make_coupon  # noqa: PLC0415
    from headgate.server.admin.expiry import parse_expiry  # noqa: PLC0415

    wanted = NewCoupon(
        nano_usd=_nano_usd(usd),
        uses_max=uses,
        expires_us=parse_expiry(expires, time.time_ns() // 1000) if expires else None,
        lasts_us=None if lasts_days is None else lasts_days * 86_400_000_000,
    )
    with _store(config) as store:
        code, _ = make_coupon(store, wanted, actor=ACTOR)
    typer.echo(code)


@coupons.command("list")
def list_coupons(config: ConfigFile = None, json: AsJson = False) -> None:
    """List coupons; their codes are not kept."""
    from headgate.ledger import coupons as ledger  # noqa: PLC0415
    from headgate.server.admin.coupons import coupon_view  # noqa: PLC0415

    with _store(config) as store:
        rows = [coupon_view(*each).model_dump() for each in ledger.list_coupons(store)]
    if json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)


@coupons.command("revoke")
def revoke_coupon(
    coupon: Annotated[str, typer.Argument(help="The id, as `headgate coupons list` shows it.", metavar="ID")],
    config: ConfigFile = None,
) -> None:
    """End a coupon: nobody redeems it any more. What came of it stays."""
    from headgate.ledger import coupons as ledger  # noqa: PLC0415

    with _store(config) as store:
        ledger.revoke_coupon(store, coupon, actor=ACTOR)
    typer.echo(f"{coupon} is revoked")
