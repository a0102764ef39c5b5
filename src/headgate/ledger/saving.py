"""What was saved by answers that were used again: the sums, and the report of them. Must not know who may see it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, get_args

from headgate.core.problems import InvalidRequest
from headgate.core.record import CallRecord
from headgate.core.usage import Usage
from headgate.ledger.charging import OF_ONE_CALL_MAX
from headgate.store.queries.savings import DAY_US, Saving

By = Literal["day", "key", "team", "route", "model"]
_NO_USAGE: Final = Usage()


class Line(NamedTuple):
    """What one day, key, team, route or model has saved, in one way."""

    what: str
    how: str
    calls: int
    input_tokens: int
    """Of `provider`: those that its cache knew."""
    output_tokens: int
    nano_usd: int
    """What it would have cost. Of `provider`: less, on what it keeps, than plain input; below zero where writing to the
    cache has cost more than reading from it saved."""
    ms: int


def saved(records: Iterable[CallRecord]) -> list[Saving]:
    """What calls have saved, summed up."""
    sums: dict[tuple[int, str, str, str, str], list[int]] = {}
    for record in records:
        for how, numbers in _of(record):
            place = (record.started_us - record.started_us % DAY_US, record.key_id, record.route, record.model, how)
            so_far = sums.setdefault(place, [0, 0, 0, 0, 0])
            for at, number in enumerate(numbers):
                so_far[at] += max(min(number, OF_ONE_CALL_MAX), -OF_ONE_CALL_MAX)
    return [Saving(*place, *numbers) for place, numbers in sums.items()]


def _of(record: CallRecord) -> list[tuple[str, tuple[int, int, int, int, int]]]:
    reused = record.reused
    if reused is not None:
        usage = reused.usage or _NO_USAGE
        tokens = usage.input_tokens, usage.output_tokens
        return [(reused.how, (1, *tokens, reused.cost_nano_usd, int(reused.saved_ms)))]
    cached = sum(attempt.usage.cached_tokens for attempt in record.attempts if attempt.usage is not None)
    nano_usd = sum(attempt.prompt_cache_nano_usd for attempt in record.attempts)
    return [("provider", (1, cached, 0, nano_usd, 0))] if cached or nano_usd else []


def grouped(savings: Iterable[Saving], by: By, team_of: Callable[[str], str]) -> list[Line]:
    """The report, in the order of what it is by; `team_of` says whose a key is."""
    naming: dict[By, Callable[[Saving], str]] = {
        "day": lambda saving: day_of(saving.day_us),
        "key": lambda saving: saving.key_id,
        "team": lambda saving: team_of(saving.key_id),
        "route": lambda saving: saving.route,
        "model": lambda saving: saving.model,
    }
    name, sums = naming[by], dict[tuple[str, str], list[int]]()
    for saving in savings:
        so_far = sums.setdefault((name(saving), saving.how), [0, 0, 0, 0, 0])
        for at, number in enumerate(saving[5:]):
            so_far[at] += number
    return [Line(*place, *sums[place]) for place in sorted(sums)]


def parse_by(text: str) -> By:
    """By what a report is. Raises `InvalidRequest`."""
    for by in get_args(By):
        if text == by:
            return by
    raise InvalidRequest(f"{text[:40]!r} is nothing to report by; there are {', '.join(get_args(By))}.", param="by")


def day_of(at_us: int) -> str:
    """YYYY-MM-DD, in UTC."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d")


def at_day(text: str) -> int:
    """When a day begins, in microseconds. Raises `InvalidRequest`."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError:
        raise InvalidRequest(f"{text[:40]!r} is no day; write one as 2026-11-29.", param="day") from None
