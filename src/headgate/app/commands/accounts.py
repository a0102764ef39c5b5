"""Commands over the books. Each opens the store itself and reads only; imports as the command line does."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headgate.app.commands.options import ConfigFile, load_setup, print_json, print_table
from headgate.core.money import shown_usd

if TYPE_CHECKING:
    from headgate.app.accounting import Accounting

_COLUMNS: Final = ("account", "kind", "name", "month", "charge_usd", "closing_usd", "due_usd")
Output = Annotated[Path | None, typer.Option(help="A file to write to. Else stdout.")]


@contextmanager
def opened(config: Path | None) -> Generator["Accounting"]:
    """The books of this machine."""
    from headgate.app.accounting import Accounting  # noqa: PLC0415 - the store, only when it is wanted
    from headgate.store.sqlite import open_sqlite  # noqa: PLC0415

    with open_sqlite(load_setup(config).config.store_path) as store:
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


def add_commands(cli: typer.Typer) -> None:
    """Adds them to the command line."""
    for command in (invoices,):
        cli.command()(command)
