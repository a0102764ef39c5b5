"""Tables as CSV. Must not know what is in them."""

import csv
import io
from collections.abc import Iterable, Sequence


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A spreadsheet takes text that begins like a formula for one: such names are quoted. Numbers are as they are."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_safe(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


class Amount(str):
    """A number that is written as text: a minus in front of it begins no formula."""

    __slots__ = ()


def _safe(cell: str) -> str:
    is_formula = not isinstance(cell, Amount) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{cell}" if is_formula else cell
