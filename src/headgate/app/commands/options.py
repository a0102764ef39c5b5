"""What the commands share: their common options, and the two ways to print. Imports nothing heavy."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headgate.app.config import Setup

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The configuration file. Else HEADGATE_CONFIG, else ./headgate.yaml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_setup(config: Path | None, options: Mapping[str, object] | None = None) -> "Setup":
    """The configuration that a command works with."""
    from headgate.app.config import load  # noqa: PLC0415 - pydantic, only when a command needs it

    return load(config, options=options)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Rows in columns as wide as their longest cell, headings first."""
    lines = [[column.replace("_", " ") for column in columns]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[position]) for line in lines) for position in range(len(columns))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return str(value)
