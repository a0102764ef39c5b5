"""What a call costs the one who made it, and the sums of that. Must not know who pays, nor in advance.

The operator pays for every attempt; the caller for the one that answered, and for no answer without a word in it.
"""

from collections.abc import Iterable
from typing import Final

from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums

OF_ONE_CALL_MAX: Final = 10**15
"""Tokens or nano-USD that a sum takes from one call: an upstream may claim any number, and sums must fit the store."""
_NO_USAGE: Final = Usage()


def winner(record: CallRecord) -> Attempt | None:
    """The attempt whose answer the caller got, in whole or in part."""
    usage, attempts = record.usage, record.attempts
    if usage is None or not attempts:
        return None
    if len(attempts) == 1:
        return attempts[0]
    same = [attempt for attempt in attempts if attempt.usage == usage]
    if not same:  # the usage of an answer that another one continued is both of theirs
        return next((attempt for attempt in reversed(attempts) if attempt.why == "continue"), None)
    return next((attempt for attempt in same if attempt.outcome == record.outcome), same[-1])


def is_empty(record: CallRecord) -> bool:
    """Whether its caller got no answer, or one without a word in it."""
    usage = record.usage
    return usage is None or (record.operation == "generate" and not usage.output_tokens)


def charge_of(record: CallRecord) -> int:
    """What the caller is charged, in nano-USD."""
    if record.charge_nano_usd is not None:
        return record.charge_nano_usd
    if is_empty(record):
        return 0
    answered = winner(record)
    return 0 if answered is None else answered.cost_nano_usd


def spent(records: Iterable[CallRecord]) -> list[Spent]:
    """What calls used, summed up; those that used nothing are left out."""
    sums: dict[Place, list[int]] = {}
    for record in records:
        usage = record.usage
        if usage is None and not record.cost_nano_usd and not record.charge_nano_usd:
            continue
        answered = winner(record)
        place = Place(
            record.started_us - record.started_us % QUARTER_US,
            record.key_id,
            record.user,
            record.model,
            answered.provider if answered is not None else "",
            answered.model if answered is not None else "",
        )
        so_far = sums.setdefault(place, [0, 0, 0, 0, 0])
        used = usage or _NO_USAGE
        for at, number in enumerate(
            (1, used.input_tokens, used.output_tokens, record.cost_nano_usd, charge_of(record))
        ):
            so_far[at] += min(number, OF_ONE_CALL_MAX)
    return [Spent(place, Sums(*numbers)) for place, numbers in sums.items()]


def spent_by_tag(records: Iterable[CallRecord]) -> list[tuple[str, Spent]]:
    """The same for each tag; of calls that have some."""
    by_tag: dict[str, list[CallRecord]] = {}
    for record in records:
        for tag in record.tags:
            by_tag.setdefault(tag, []).append(record)
    return [(tag, line) for tag, its in by_tag.items() for line in spent(its)]
