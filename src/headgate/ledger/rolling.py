"""Sums up calls by minute, hour and day, and says whether the sums that are kept are right. Must not know who looks.

A row is a time, who asked for what, and who answered; its sums and the bins of its times can be added up over any
rows. Days are those of UTC.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from sqlalchemy import Connection

from headgate.core.problems import Outcome
from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.ledger.charging import OF_ONE_CALL_MAX, charge_of, winner
from headgate.ledger.histograms import bin_of
from headgate.store.queries import calls, meta, rollups
from headgate.store.queries.rollups import (
    ATTEMPT_ROLLUP,
    CALL_ROLLUP,
    DAY_S,
    GRAINS_S,
    HOUR_S,
    MINUTE_S,
    Question,
    Rollup,
    Row,
    Window,
)

KEPT_S: Final = {MINUTE_S: 2 * DAY_S, HOUR_S: 100 * DAY_S}
"""How long rows of a grain are kept at least. Days stay for good."""
SECOND_US: Final = 1_000_000
_VERSION: Final = "1"
"""Of what is counted as what. Another one in the store: everything is counted anew."""
_VERSION_NAME: Final = "rollups version"
_ALWAYS: Final[Mapping[int, int]] = {}
_CHUNK: Final = 10_000
_NO_USAGE: Final = Usage()

_FAILED: Final = frozenset(
    {
        *(Outcome.ACCOUNT, Outcome.RATE, Outcome.OVERLOAD, Outcome.SERVER, Outcome.CONNECT),
        *(Outcome.SLOW, Outcome.STALL, Outcome.CUT, Outcome.PROTOCOL),
    }
)
_REFUSED: Final = frozenset({Outcome.CLIENT, Outcome.CONTEXT, Outcome.POLICY})
_FAILOVERS: Final = frozenset({"move", "retry", "instead", "continue"})
_DURATIONS: Final = CALL_ROLLUP.sums.index("d0")
_TTFTS: Final = CALL_ROLLUP.sums.index("t0")
_ATTEMPT_TTFTS: Final = ATTEMPT_ROLLUP.sums.index("t0")

Place = tuple[int | str, ...]
Cells = dict[Place, list[int]]


class Off(NamedTuple):
    """Sums that are not those of the calls."""

    what: str
    rollups: int
    calls: int


def add(connection: Connection, records: Iterable[CallRecord], since: Mapping[int, int] = _ALWAYS) -> None:
    """Adds calls that are kept in this transaction for the first time. `since`: rows of these grains that begin earlier
    are left out, as they would be forgotten next; see `kept_since`."""
    by_call: Cells = {}
    by_attempt: Cells = {}
    for record in records:
        _count(record, by_call, by_attempt)
    rollups.add(connection, CALL_ROLLUP, _rows(by_call, since))
    rollups.add(connection, ATTEMPT_ROLLUP, _rows(by_attempt, since))


def is_current(connection: Connection) -> bool:
    """Whether all calls are counted, by today's rules."""
    return meta.get(connection, _VERSION_NAME) == _VERSION


def rebuild(connection: Connection, now_us: int) -> int:
    """Counts all calls anew. Returns how many there are."""
    rollups.clear(connection)
    for grain_s in KEPT_S:
        meta.put(connection, _since_name(grain_s), "0")
    counted, every = 0, calls.everything(connection)
    while some := list(islice(every, _CHUNK)):
        add(connection, some, kept_since(now_us))
        counted += len(some)
    forget(connection, now_us)
    meta.put(connection, _VERSION_NAME, _VERSION)
    return counted


def kept_since(now_us: int) -> Mapping[int, int]:
    """When the oldest rows begin that are kept, for the grains that are not kept for good."""
    return {grain_s: _floor(now_us - kept_s * SECOND_US, HOUR_S) for grain_s, kept_s in KEPT_S.items()}


def forget(connection: Connection, now_us: int) -> None:
    """Takes out minutes and hours that are older than they are kept."""
    for grain_s, since_us in kept_since(now_us).items():
        rollups.forget(connection, grain_s, since_us)
        meta.put(connection, _since_name(grain_s), str(since_us))


def verify(connection: Connection) -> list[Off]:
    """Where rollups and calls differ, per grain and day, and per place in all days together; empty: nowhere."""
    kept_since = {grain_s: meta.get_number(connection, _since_name(grain_s)) for grain_s in GRAINS_S}
    found: list[Off] = []
    for rollup, which in ((CALL_ROLLUP, 0), (ATTEMPT_ROLLUP, 1)):
        right: Cells = {}
        for record in calls.everything(connection):
            cells: tuple[Cells, Cells] = {}, {}
            _count(record, *cells)
            for (start_us, *place), sums in cells[which].items():
                _into(right, (0, *place), sums)
                day_us = _floor(int(start_us), DAY_S)
                for grain_s in GRAINS_S:
                    if day_us >= kept_since[grain_s]:
                        _into(right, (grain_s, day_us), sums)
        found += _off(rollup, right, _kept(connection, rollup, kept_since))
    return found


def _kept(connection: Connection, rollup: Rollup, kept_since: dict[int, int]) -> Cells:
    """The same sums of what is kept."""
    kept: Cells = {}
    everything = Window(grain_s=DAY_S, since_us=-(2**62), before_us=2**62)
    places = Question(rollup=rollup, window=everything, by=rollup.place[2:], sums=rollup.sums)
    for place, sums in rollups.summed(connection, places):
        _into(kept, (0, *place), list(sums.values()))
    for grain_s in GRAINS_S:
        window = Window(
            grain_s=grain_s, since_us=kept_since[grain_s] if grain_s in KEPT_S else -(2**62), before_us=2**62
        )
        days = Question(rollup=rollup, window=window, by=("start_us",), sums=rollup.sums)
        for (start_us,), sums in rollups.summed(connection, days):
            day_us = _floor(start_us, DAY_S)
            if day_us >= kept_since[grain_s]:
                _into(kept, (grain_s, day_us), list(sums.values()))
    return kept


def _off(rollup: Rollup, right: Cells, kept: Cells) -> Iterator[Off]:
    none = [0] * len(rollup.sums)
    for place in sorted({*right, *kept}, key=str):
        for name, theirs, ours in zip(rollup.sums, kept.get(place, none), right.get(place, none), strict=True):
            if theirs != ours:
                grain_s, *rest = place
                where = f"{grain_s} s from {rest[0]}" if grain_s else " ".join(map(repr, rest))
                yield Off(f"{rollup.table.name}, {where}: {name}", theirs, ours)


def _count(record: CallRecord, by_call: Cells, by_attempt: Cells) -> None:
    """Adds one call to the cells of its minute."""
    minute_us = _floor(record.started_us, MINUTE_S)
    answered = winner(record)
    provider, upstream = ("", "") if answered is None else (answered.provider, answered.model)
    place = (minute_us, record.key_id, record.model, provider, upstream, record.route)
    cell = _cell(by_call, place, CALL_ROLLUP)
    for at, number in enumerate(_sums(record)):
        cell[at] += number
    cell[_DURATIONS + bin_of(record.duration_ms)] += 1
    if record.ttft_ms is not None:
        cell[_TTFTS + bin_of(record.ttft_ms)] += 1
    for attempt in record.attempts:
        place = (minute_us, attempt.provider, attempt.model, str(attempt.outcome))
        cell = _cell(by_attempt, place, ATTEMPT_ROLLUP)
        for at, number in enumerate(_attempt_sums(attempt)):
            cell[at] += number
        if attempt.ttft_ms is not None:
            cell[_ATTEMPT_TTFTS + bin_of(attempt.ttft_ms)] += 1


def _cell(cells: Cells, place: Place, rollup: Rollup) -> list[int]:
    found = cells.get(place)
    if found is None:
        found = cells[place] = [0] * len(rollup.sums)
    return found


def _sums(record: CallRecord) -> tuple[int, ...]:
    """In the order of the columns."""
    usage, ttft_ms, reasons = record.usage or _NO_USAGE, record.ttft_ms, [each.why for each in record.attempts]
    is_refused = record.outcome in _REFUSED or (record.outcome is Outcome.LOCAL and 400 <= record.status < 500)
    is_failed = record.outcome in _FAILED or (record.outcome is Outcome.LOCAL and not is_refused)
    is_timed = ttft_ms is not None and record.is_stream and record.duration_ms > ttft_ms
    return (
        1,
        int(is_failed),
        int(is_refused),
        int(record.outcome is Outcome.CLIENT_GONE),
        len(reasons),
        sum(why in _FAILOVERS for why in reasons),
        reasons.count("hedge"),
        min(usage.input_tokens, OF_ONE_CALL_MAX),
        min(usage.cached_tokens, OF_ONE_CALL_MAX),
        min(usage.output_tokens, OF_ONE_CALL_MAX),
        min(record.cost_nano_usd, OF_ONE_CALL_MAX),
        min(charge_of(record), OF_ONE_CALL_MAX),
        _us(record.duration_ms),
        _us(record.overhead_ms),
        _us(ttft_ms or 0.0),
        min(usage.output_tokens, OF_ONE_CALL_MAX) if is_timed else 0,
        _us(record.duration_ms - (ttft_ms or 0.0)) if is_timed else 0,
    )


def _attempt_sums(attempt: Attempt) -> tuple[int, ...]:
    cost = min(attempt.cost_nano_usd, OF_ONE_CALL_MAX)
    return (1, int(attempt.why == "hedge"), cost, _us(attempt.duration_ms), _us(attempt.ttft_ms or 0.0))


def _rows(cells: Cells, since: Mapping[int, int]) -> list[Row]:
    """The cells of minutes as rows of every grain."""
    grains: Cells = {}
    for (start_us, *place), sums in cells.items():
        for grain_s in GRAINS_S:
            begin_us = _floor(int(start_us), grain_s)
            if begin_us >= since.get(grain_s, begin_us):
                _into(grains, (grain_s, begin_us, *place), sums)
    return [(*place, *sums) for place, sums in grains.items()]


def _into(cells: Cells, place: Place, sums: list[int]) -> None:
    so_far = cells.get(place)
    cells[place] = list(sums) if so_far is None else [a + b for a, b in zip(so_far, sums, strict=True)]


def _us(ms: float) -> int:
    return min(round(ms * 1000), OF_ONE_CALL_MAX)


def _floor(at_us: int, grain_s: int) -> int:
    return at_us - at_us % (grain_s * SECOND_US)


def _since_name(grain_s: int) -> str:
    return f"rollups {grain_s} s since"
