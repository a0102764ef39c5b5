"""The command line. Every command's own imports stand inside it, so that `headgate keys create` does not wait for a
server it never starts. A fault of the operator is told in plain lines on stderr with exit code 2, never as a traceback.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from headgate import __version__
from headgate.app.commands.accounts import add_commands
from headgate.app.commands.caching import add_cache_commands
from headgate.app.commands.credit import coupons, credit
from headgate.app.commands.options import AsJson, ConfigFile, load_setup, print_json, print_table
from headgate.core.problems import HeadgateError

cli = typer.Typer(
    name="headgate",
    help="One self-hosted gateway in front of every model provider.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="Make, list and revoke the keys that clients call with.", no_args_is_help=True)
cli.add_typer(keys, name="keys")
admins = typer.Typer(help="Make, list and end the keys of organisations' administrators.", no_args_is_help=True)
cli.add_typer(admins, name="admins")
db = typer.Typer(help="Look after the database.", no_args_is_help=True)
cli.add_typer(db, name="db")
batch = typer.Typer(help="Run files of calls.", no_args_is_help=True)
cli.add_typer(batch, name="batch")
demo = typer.Typer(help="Try things out.", no_args_is_help=True)
cli.add_typer(demo, name="demo")
cli.add_typer(credit, name="credit")
cli.add_typer(coupons, name="coupons")
add_commands(cli)
add_cache_commands(cli)


def main() -> None:
    """The `headgate` command."""
    try:
        cli(prog_name="headgate")
    except HeadgateError as error:
        for line in str(error).splitlines():
            typer.echo(f"headgate: {line}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headgate {__version__}")
        raise typer.Exit


@cli.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """One self-hosted gateway in front of every model provider."""


@cli.command()
def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address that clients call.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that clients call.")] = None,
) -> None:
    """Run the gateway until it is told to stop."""
    given = {"server.host": host, "server.port": port}
    setup = load_setup(config, {name: value for name, value in given.items() if value is not None})
    from headgate.app.serving import run_until_stopped  # noqa: PLC0415 - the server, only when it is wanted

    run_until_stopped(setup, lambda lines: typer.echo("\n".join(lines)))


@batch.command("run")
def run_batch(
    file: Annotated[Path, typer.Argument(help="Calls, one a line, in the form of OpenAI's batches.", metavar="FILE")],
    route: Annotated[str, typer.Option(help="A model or route to ask in place of what the lines say.")] = "",
    concurrency: Annotated[int, typer.Option(help="How many calls at a time.", min=1, max=64)] = 4,
    output: Annotated[Path | None, typer.Option(help="Where the results go. Else FILE with .results.jsonl.")] = None,
    config: ConfigFile = None,
) -> None:
    """Run a file of calls to its end; given again after a stop, go on where it was. Exit code 1: some calls failed."""
    from headgate.app.commands.batches import Order, run  # noqa: PLC0415

    target = output or file.with_suffix(".results.jsonl")
    order = Order(file, route, concurrency, target)
    done = run(load_setup(config), order, lambda line: typer.echo(line, err=True))
    counts = done.request_counts
    typer.echo(f"{done.id} {done.status}: {counts.completed} of {counts.total} answered, {counts.failed} not; {target}")
    if counts.failed:
        raise typer.Exit(1)


@cli.command()
def models(config: ConfigFile = None, json: AsJson = False) -> None:
    """List the names that clients may ask for: what each can do, costs (USD per million tokens), and where it runs."""
    from headgate.app.commands.models import COLUMNS, model_rows, table_row  # noqa: PLC0415 - the catalogue is not small

    rows = model_rows(load_setup(config))
    if json:
        print_json(rows)
    else:
        print_table([table_row(row) for row in rows], COLUMNS)


@cli.command()
def providers(config: ConfigFile = None, json: AsJson = False) -> None:
    """List the packaged providers, which of them this configuration uses, and what the others would need."""
    from headgate.app.commands.listing import provider_rows  # noqa: PLC0415

    rows = provider_rows(load_setup(config), os.environ)
    if json:
        print_json(rows)
    else:
        print_table(rows, ("name", "title", "used", "missing", "dialects", "tier", "docs"))


@cli.command()
def check(
    config: ConfigFile = None,
    json: AsJson = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file instead.")] = False,
) -> None:
    """Say whether the configuration can be used, and what it comes to."""
    if schema:
        from headgate.app.config import Config  # noqa: PLC0415

        print_json(Config.model_json_schema())
        return
    from headgate.app.commands import checking  # noqa: PLC0415

    setup = load_setup(config)
    checking.check(setup)
    if json:
        print_json(checking.summary(setup, os.environ))
    else:
        typer.echo("\n".join(checking.summary_lines(setup)))


@cli.command()
def explain(
    call_id: Annotated[str, typer.Argument(help="As x-headgate-request-id of the answer says.", metavar="REQUEST_ID")],
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Say what was decided about one call: candidates, attempts, times, cost. Reads the store of this machine."""
    from headgate.app.commands import explaining  # noqa: PLC0415

    record = explaining.find(load_setup(config), call_id)
    if json:
        from headgate.server.listing import Listing  # noqa: PLC0415

        typer.echo(Listing.generation(record))
    else:
        typer.echo("\n".join(explaining.lines(record)))


@db.command("verify")
def verify_books(config: ConfigFile = None, json: AsJson = False) -> None:
    """Add up the ledger, the sums, the rollups and the calls, and say where they differ, and whether every line of the
    audit hangs on the one before it. Exit code 1: they differ, or one does not."""
    from headgate.app.commands.books import audit_broken_at, differences, rollups_off  # noqa: PLC0415

    setup = load_setup(config)
    found, off, broken = differences(setup), rollups_off(setup), audit_broken_at(setup)
    if json:
        print_json([each._asdict() for each in (*found, *off)])
    else:
        for each in found:
            typer.echo(f"{each.what}: {each.ledger} and {each.others} nano-USD")
        typer.echo("the books do not balance" if found else "the books balance")
        for each in off:
            typer.echo(f"{each.what}: {each.rollups} in the rollups, {each.calls} in the calls")
        if off:
            typer.echo("the rollups are wrong: make them anew with `headgate db rebuild`")
    if broken is not None:
        typer.echo(f"the audit was changed at line {broken} or before it", err=True)
    if found or off or broken is not None:
        raise typer.Exit(1)


@db.command("rebuild")
def rebuild_rollups(config: ConfigFile = None) -> None:
    """Make the sums by minute, hour and day anew from the calls. A gateway may run meanwhile."""
    from headgate.app.commands.books import rebuild  # noqa: PLC0415

    typer.echo(f"the rollups are made of {rebuild(load_setup(config))} calls")


@demo.command("seed")
def seed_demo(
    calls: Annotated[int, typer.Option(help="How many calls there shall be.", min=1)] = 20_000,
    days: Annotated[int, typer.Option(help="Of how many days.", min=1, max=3650)] = 30,
    config: ConfigFile = None,
) -> None:
    """Fill the store with made-up teams, keys and calls, to look at the dashboard with. Use a store of its own for it;
    stopped, and given again, it goes on where it was."""
    from headgate.app.commands.seeding import seed  # noqa: PLC0415

    state = seed(load_setup(config), calls, days, lambda line: typer.echo(line, err=True))
    typer.echo(f"the store has {state.done} made-up calls")


@cli.command()
def drill(
    route: Annotated[list[str] | None, typer.Option(help="A route; may be given several times. Else all.")] = None,
    scenarios: Annotated[str, typer.Option(help="Such as F1,F2. Else all.")] = "",
    load: Annotated[
        str, typer.Option(help="Calls per second, seconds of each fault, and `stream` or `whole` answers.")
    ] = "20,10,stream",
    report: Annotated[
        list[Path] | None, typer.Option(help="A file that ends in .html, .md or .json; may be given several times.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Let upstreams fail under load, simulated ones in place of the real, and say whether the routes hold. Exit code 1:
    something was missed."""
    from headgate.app.commands import drilling  # noqa: PLC0415
    from headgate.app.drill.report import markdown  # noqa: PLC0415

    setup, ids = load_setup(config), tuple(filter(None, scenarios.split(",")))
    wanted = drilling.Wanted(routes=route or (), scenarios=ids, load=drilling.parse_load(load), reports=report or ())
    found = drilling.drill(setup, wanted, lambda line: typer.echo(line, err=True))
    typer.echo(markdown(found), nl=False)
    if not found.holds:
        raise typer.Exit(1)


@cli.command()
def quote(
    file: Annotated[Path, typer.Argument(help="The body of a call, as JSON.", metavar="FILE")],
    surface: Annotated[str, typer.Option(help="Whose body it is: chat, messages or responses.")] = "chat",
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Say what a call would cost at each place it may go to, in USD, without making it."""
    from headgate.app.commands import quoting  # noqa: PLC0415

    told = quoting.quoted(load_setup(config), quoting.read(file), surface)
    if json:
        print_json(told)
    else:
        print_table(quoting.rows(told), ("deployment", "least", "expected", "most", "priced"))


@admins.command("create")
def create_admin(
    name: Annotated[str, typer.Option(help="Who, or what it is for.")],
    role: Annotated[str, typer.Option(help="viewer, member, admin or owner.")],
    of: Annotated[str, typer.Option(help="The id of the organisation, or of the only team, that it is for.")],
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Make an administrator's key and print it, alone, this once."""
    from headgate.app.commands.administrators import create  # noqa: PLC0415

    made = create(load_setup(config), name, role, of)
    if json:
        print_json(made)
    else:
        typer.echo(made["key"])


@admins.command("list")
def list_admins(config: ConfigFile = None, json: AsJson = False) -> None:
    """List administrators; their keys themselves are not kept."""
    from headgate.app.commands.administrators import listed  # noqa: PLC0415

    rows = listed(load_setup(config))
    if json:
        print_json(rows)
    else:
        print_table(rows, ("id", "name", "role", "organisation", "team", "created", "expires", "revoked"))


@admins.command("revoke")
def revoke_admin(
    kid: Annotated[str, typer.Argument(help="The id, as `headgate admins list` shows it.", metavar="ID")],
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """End an administrator's key: it is refused at once."""
    from headgate.app.commands.administrators import revoke  # noqa: PLC0415

    ended = revoke(load_setup(config), kid)
    if json:
        print_json(ended)
    else:
        typer.echo(f"{kid} is revoked")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    models: Annotated[
        list[str] | None, typer.Option(help="A model or route that the key may ask for; may be given several times.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 30d, 12h, or a date such as 2027-01-31T00:00Z.")
    ] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Make a key and print it, alone, this once."""
    from headgate.app.commands.keys import create  # noqa: PLC0415

    made = create(load_setup(config), name, models, expires)
    if json:
        print_json(made)
    else:
        typer.echo(made["key"])


@keys.command("list")
def list_keys(config: ConfigFile = None, json: AsJson = False) -> None:
    """List the keys; what they are themselves is not kept."""
    from headgate.app.commands.keys import listed  # noqa: PLC0415

    rows = listed(load_setup(config))
    if json:
        print_json(rows)
    else:
        print_table(rows, ("id", "name", "models", "created", "expires", "revoked"))


@keys.command("pass-through")
def pass_through(
    kid: Annotated[str, typer.Argument(help="The key's id, as `headgate keys list` shows it.", metavar="ID")],
    providers: Annotated[
        list[str] | None,
        typer.Argument(help="Providers that the key may call as they are; none takes it back.", metavar="PROVIDER"),
    ] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Let a key call providers as they are, at /PROVIDER/…, or none any more."""
    from headgate.app.commands.keys import pass_through  # noqa: PLC0415

    changed = pass_through(load_setup(config), kid, providers or ())
    if json:
        print_json(changed)
    else:
        typer.echo(f"{kid} may pass calls through to: {', '.join(providers or ()) or 'none'}")


@keys.command("limit")
def limit_key(
    kid: Annotated[str, typer.Argument(help="The key's id, as `headgate keys list` shows it.", metavar="ID")],
    limits: Annotated[
        list[str] | None,
        typer.Argument(
            help="60rpm, 9000tpm, 4concurrent, 5usd/month, 100000tokens/PT1H; none: no limits.", metavar="LIMIT"
        ),
    ] = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Set the limits and budgets of a key, in place of those that it has."""
    from headgate.app.commands.keys import limit, limit_words  # noqa: PLC0415

    changed = limit(load_setup(config), kid, limits or ())
    if json:
        print_json(changed)
    else:
        typer.echo(f"{kid}: {limit_words(limits or ())}")


@keys.command("revoke")
def revoke_key(
    kid: Annotated[str, typer.Argument(help="The key's id, as `headgate keys list` shows it.", metavar="ID")],
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """End a key: a running gateway refuses it within seconds."""
    from headgate.app.commands.keys import revoke  # noqa: PLC0415

    ended = revoke(load_setup(config), kid)
    if json:
        print_json(ended)
    else:
        typer.echo(f"{kid} is revoked")


if __name__ == "__main__":
    main()
