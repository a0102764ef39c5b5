"""`headgate cache` and `headgate savings`: open the store themselves; a running gateway hears of what was purged."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headgate.app.commands.options import AsJson, ConfigFile, load_setup, print_json, print_table
from headgate.core.problems import InvalidRequest

if TYPE_CHECKING:
    from headgate.cache.shelf import Purge

cache = typer.Typer(help="Look after answers that are used again.", no_args_is_help=True)
_NAMES: Final = ("key", "tenant", "tag", "model", "namespace")
_HEX: Final = frozenset("0123456789abcdef")


@cache.command("show")
def show(config: ConfigFile = None, json: AsJson = False) -> None:
    """Say how many answers are kept in the database."""
    from headgate.cache.database import DatabaseKeeper  # noqa: PLC0415
    from headgate.store.opening import open_store  # noqa: PLC0415

    with open_store(load_setup(config).config.store_url) as store:
        count, size = DatabaseKeeper(store).held()
    if json:
        print_json({"entries": count, "bytes": size})
    else:
        typer.echo(f"{count} answers, {size} bytes")


@cache.command("purge")
def purge(
    what: Annotated[
        list[str],
        typer.Argument(
            help="key=…, tenant=… (an organisation, team or key), tag=…, model=… or namespace=…: those that fit all of "
            "it. Or all.",
            metavar="WHAT...",
        ),
    ],
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Take answers out; a running gateway does so within seconds."""
    from headgate.cache.database import DatabaseKeeper, note  # noqa: PLC0415
    from headgate.store.opening import open_store  # noqa: PLC0415

    wanted = parse_purge(what)
    with open_store(load_setup(config).config.store_url) as store:
        count = DatabaseKeeper(store).purge(wanted)
        note(store, wanted)
    if json:
        print_json({"purged": count})
    else:
        typer.echo(f"{count} answers are gone from the database")


def parse_purge(words: Sequence[str]) -> "Purge":
    """What is meant by the words of a command."""
    from headgate.cache.shelf import Purge  # noqa: PLC0415

    if list(words) == ["all"]:
        return Purge()
    said: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in _NAMES or not equals or name in said or (not value and name != "namespace"):
            raise InvalidRequest(f"{word!r} is not known here; write one each of {', '.join(_NAMES)}=…, or all.")
        said[name] = value
    key = said.pop("key", "")
    if key and (len(key) != 64 or not set(key) <= _HEX):
        raise InvalidRequest("key= takes 64 hexadecimal digits, as x-headgate-cache-key tells them.")
    return Purge(
        key=bytes.fromhex(key),
        tenant=said.get("tenant", ""),
        tag=said.get("tag", ""),
        model=said.get("model", ""),
        namespace=said.get("namespace"),
    )


def savings(
    by: Annotated[str, typer.Option(help="day, key, team, route or model.")] = "day",
    since: Annotated[str, typer.Option(help="The first day (UTC), as 2026-11-01. Not given: a month ago.")] = "",
    until: Annotated[str, typer.Option(help="The day after the last one. Not given: tomorrow.")] = "",
    config: ConfigFile = None,
    json: AsJson = False,
) -> None:
    """Say what answers that were used again have saved, and what providers' own caches of prompts have."""
    from headgate.core.money import shown_usd  # noqa: PLC0415
    from headgate.ledger.saving import at_day, grouped, parse_by  # noqa: PLC0415
    from headgate.policies.issuing import list_keys  # noqa: PLC0415
    from headgate.store.opening import open_store  # noqa: PLC0415
    from headgate.store.queries.savings import DAY_US, between  # noqa: PLC0415

    wanted = parse_by(by)
    before_us = at_day(until) if until else (time.time_ns() // 1000 // DAY_US + 1) * DAY_US
    since_us = at_day(since) if since else before_us - 31 * DAY_US
    with open_store(load_setup(config).config.store_url) as store:
        teams = {row.kid: row.team for row in list_keys(store)} if wanted == "team" else {}
        with store.read() as connection:
            found = between(connection, since_us, before_us)
    rows = [
        {**line._asdict(), "usd": shown_usd(line.nano_usd)}
        for line in grouped(found, wanted, lambda key_id: teams.get(key_id, ""))
    ]
    if json:
        print_json(rows)
    else:
        print_table(rows, ("what", "how", "calls", "input_tokens", "output_tokens", "ms", "usd"))


def add_cache_commands(cli: typer.Typer) -> None:
    """Adds them to the command line."""
    cli.add_typer(cache, name="cache")
    cli.command()(savings)
