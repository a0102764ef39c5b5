"""Pages that are figures, charts and tables: one template for all of them."""

from collections.abc import Sequence

from msgspec import Struct

from headgate.server.dashboard.asking import filters
from headgate.server.dashboard.measures import Chart, Figure
from headgate.server.dashboard.periods import PERIODS
from headgate.server.dashboard.tables import Table
from headgate.server.dashboard.visiting import Page, Visit


class Choices(Struct, frozen=True, kw_only=True):
    """A switch in the head of a page."""

    label: str
    field: str
    names: Sequence[str]
    chosen: str


class Board(Struct, frozen=True, kw_only=True):
    """What such a page shows."""

    title: str
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    choices: Choices | None = None
    has_periods: bool = False
    template: str = "board.html"
    more: dict[str, object] = {}
    """What a template of its own needs besides."""


def page_of(visit: Visit, board: Board) -> Page:
    """The page."""
    context: dict[str, object] = {
        "visit": visit,
        "title": board.title,
        "figures": board.figures,
        "notes": board.notes,
        "charts": board.charts,
        "tables": board.tables,
        "choices": board.choices,
        "period_names": list(PERIODS) if board.has_periods else [],
        "filters": filters(visit),
    }
    return Page(template=board.template, context={**context, **board.more})
