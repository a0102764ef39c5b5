"""What pages ask the rollups: the time, and who and what the address says that it is about."""

from typing import Final

from headgate.server.dashboard.visiting import Visit
from headgate.store.queries.rollups import CALL_ROLLUP, Question, Window

FILTERS: Final = {"model": "model", "provider": "provider", "key": "key_id", "route": "route", "upstream": "upstream"}
"""Fields of the query, and what they stand for in the rollups."""


def filters(visit: Visit) -> dict[str, str]:
    """The fields of the query that narrow down what a page is about."""
    return {name: visit.query[name] for name in FILTERS if name in visit.query}


def question(visit: Visit, window: Window, sums: tuple[str, ...], *by: str) -> Question:
    """Of calls, as the address says."""
    wanted = {FILTERS[name]: [value] for name, value in filters(visit).items()}
    return Question(rollup=CALL_ROLLUP, window=window, by=by, sums=sums, wanted=wanted)
