"""Tables as pages show them: columns with a unit, cells with a value and maybe a link. Pure."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Unit = Literal["text", "code", "number", "usd", "ms", "share", "moment", "tag"]


class Column(Struct, frozen=True):
    """What a column holds."""

    label: str
    unit: Unit = "text"


class Cell(Struct, frozen=True):
    """One value. `link`: where it leads; `tone`: `good`, `bad`, `warn` or nothing."""

    value: str | float | None
    link: str = ""
    tone: str = ""


class Table(Struct, frozen=True, kw_only=True):
    """Rows under a title. The first cell of each names it."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    empty: str = "No calls in this time."


def cells(*values: str | float | None) -> list[Cell]:
    """Plain ones."""
    return [Cell(value) for value in values]
