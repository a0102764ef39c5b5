"""Commands over the books. Each opens the store itself and reads only; imports as the command line does."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from headgate.app.commands.options import AsJson, ConfigFile, load_setup, print_json, print_table
from headgate.core.money import NANO_PER_USD, shown_usd

if TYPE_CHECKING:
    from headgate.app.accounting import Accounting

_COLUMNS: Final = ("account", "kind", "name", "month", "charge_usd", "closing_usd", "due_usd")
Output = Annotated[Path | None, typer.Option(help="A file to write to. Else stdout.")]


@contextmanager
def opened(config: Path | None) -> Generator["Accounting"]:
    """The books of this machine."""
    from headgate.app.accounting import Accounting  # noqa: PLC0415 - the store, only when it is wanted
    from headgate.store.opening import open_store  # noqa: PLC0415

    with open_store(load_setup(config).config.store_url) as store:
        yield Accounting(store, lambda: time.time_ns() // 1000)


def write_out(data: bytes, output: Path | None) -> None:
    """To a file, or as it is to stdout."""
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        output.write_bytes(data)


def invoices(
    month: Annotated[str, typer.Argument(help="Such as 2026-11, in UTC.", metavar="MONTH")],
    account: Annotated[
        str, typer.Argument(help="The id of an organisation, team or key. Else a list of all.", metavar="ACCOUNT")
    ] = "",
    form: Annotated[
        str, typer.Option("--format", help="html (the usual), json, csv, or pdf, which needs `headgate[pdf]`.")
    ] = "",
    output: Output = None,
    config: ConfigFile = None,
) -> None:
    """Write the invoice of an account and month, or list those of a month."""
    from headgate.ledger.billing.forms import form_of, told, write_invoice  # noqa: PLC0415

    with opened(config) as books:
        if account:
            wanted = form_of(form or "html")
            write_out(write_invoice(books.invoice(account, month), wanted), output)
            return
        rows = [told(each) for each in books.invoices(month)]
    if form == "json":
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
        typer.echo(f"due: {shown_usd(sum(int(str(row['due_nano_usd'])) for row in rows))} USD")


def focus(
    month: Annotated[str, typer.Argument(help="Such as 2026-11, in UTC.", metavar="MONTH")],
    account: Annotated[str, typer.Option(help="The id of an organisation, team or key. Else all.")] = "",
    version: Annotated[str, typer.Option(help="Of FOCUS: 1.4 or 1.2.")] = "1.4",
    output: Annotated[Path | None, typer.Option(help="A file; .jsonl is JSON a line. Else CSV on stdout.")] = None,
    config: ConfigFile = None,
) -> None:
    """Write a month of usage in FOCUS, the FinOps Foundation's form of cost data."""
    from headgate.ledger.billing.focus import focus_version, write_focus  # noqa: PLC0415

    wanted = focus_version(version)
    with opened(config) as books:
        rows = books.focus(month, account, wanted)
    is_jsonl = output is not None and output.suffix == ".jsonl"
    write_out(write_focus(rows, wanted, "jsonl" if is_jsonl else "csv"), output)


def forecast(
    account: Annotated[
        str, typer.Argument(help="The id of an organisation, team or key. Else all.", metavar="ACCOUNT")
    ] = "",
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Say what this month will probably come to, and between which bounds."""
    from msgspec import to_builtins  # noqa: PLC0415

    with opened(config) as books:
        found = books.forecast(account)
    if json:
        print_json(to_builtins(found))
        return
    typer.echo(f"{found.month}: {shown_usd(found.so_far_nano_usd)} USD so far")
    typer.echo(f"at its end probably {_cents(found.expected_nano_usd)}, judging by {found.days_known} whole days")
    typer.echo(f"nine times in ten from {_cents(found.low_nano_usd)} to {_cents(found.high_nano_usd)}")


def reconcile(
    file: Annotated[Path, typer.Argument(help="OpenAI's or Anthropic's usage as JSON, or CSV.", metavar="FILE")],
    provider: Annotated[str, typer.Option(help="The provider's name in the configuration.")],
    tolerance: Annotated[float, typer.Option(help="Drift that is let be, as a share of theirs.", min=0, max=1)] = 0.0,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Compare a provider's export of usage with our books, by model. Exit code 1: they drift further than TOLERANCE."""
    from headgate.ledger.billing.months import shown_time  # noqa: PLC0415
    from headgate.ledger.billing.reconciling import drifting  # noqa: PLC0415

    with opened(config) as books:
        report, found = books.reconcile(file.read_bytes(), provider)
    rows = [{**each._asdict(), "difference": each.difference, "drift": _share(each.share)} for each in found]
    if json:
        print_json(rows)
    else:
        typer.echo(f"{report.form}, {shown_time(report.start_us)} to {shown_time(report.end_us)}")
        print_table(rows, ("model", "what", "ours", "theirs", "difference", "drift"))
    if any(True for _ in drifting(found, tolerance)):
        raise typer.Exit(1)


def prices(
    model: Annotated[str, typer.Argument(help="The provider's name of it.", metavar="MODEL")],
    provider: Annotated[str, typer.Option(help="The provider's name in the configuration. Else all.")] = "",
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Say what a model that was used has cost, by edition of the price book, as `price_version` of a call names it."""
    from headgate.app.price_keeping import history  # noqa: PLC0415
    from headgate.ledger.billing.months import shown_time  # noqa: PLC0415
    from headgate.store.opening import open_store  # noqa: PLC0415

    with open_store(load_setup(config).config.store_url) as store:
        found = history(store, provider, model)
    rows = [{**row, "since": shown_time(cast("int", row["since_us"]))} for row in found]
    if json:
        print_json(rows)
        return
    words = [", ".join(f"{name} {usd}" for name, usd in cast("dict[str, str]", row["usd"]).items()) for row in rows]
    shown = [{**row, "usd": told} for row, told in zip(rows, words, strict=True)]
    print_table(shown, ("since", "provider", "usd", "version"))


def alerts(
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 50,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """List what was told of budgets, credit and prices, newest first, and whether it has arrived."""
    from headgate.server.admin.alerts import alert_view  # noqa: PLC0415
    from headgate.store.opening import open_store  # noqa: PLC0415
    from headgate.store.queries import outbox  # noqa: PLC0415

    with open_store(load_setup(config).config.store_url) as store, store.read() as connection:
        rows = [alert_view(each).model_dump() for each in outbox.newest(connection, limit)]
    if json:
        print_json(rows)
    else:
        print_table(rows, ("at", "channel", "state", "attempts", "text", "error"))


def _share(share: float | None) -> str:
    return "unknown to them" if share is None else f"{share:+.3%}"


def _cents(nano_usd: int) -> str:
    return f"{nano_usd / NANO_PER_USD:.2f} USD"


def add_commands(cli: typer.Typer) -> None:
    """Adds them to the command line."""
    for command in (invoices, focus, forecast, reconcile, prices, alerts):
        cli.command()(command)
