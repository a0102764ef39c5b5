"""`headgate explain`: what the record of a call says of every decision, for people. Reads the store alone."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from headgate.app.config import Setup
from headgate.core.problems import ConfigError, Outcome
from headgate.core.record import Attempt, CallRecord, Weighed, Why
from headgate.engine.answer import usd
from headgate.ledger.calls import Calls
from headgate.store.opening import open_store

REASONS: Final[dict[str, str]] = {
    "chosen": "may have the call",
    "sticky": "has had the calls that this one belongs to",
    "open": "passed over: its failures have opened it",
    "suspect": "put last: overdue more often than by chance",
    "quota": "passed over: its quota wants it left alone",
    "busy": "put last: it has as many calls as it takes",
}
"""What `Weighed.why` means; what is not here explains itself."""


WHY: Final[dict[Why, str]] = {
    "first": "the first choice",
    "hedge": "beside one that was slow",
    "move": "in place of one that was given up",
    "retry": "after a failure",
    "again": "the same again after a failure",
    "instead": "where the route lets such a call go on",
}
"""What `Attempt.why` means."""


def find(setup: Setup, call_id: str) -> CallRecord:
    """The record of a call. Raises `ConfigError` where the store has none."""
    store = open_store(setup.config.store_url)
    try:
        record = asyncio.run(Calls(store).find(call_id))
    finally:
        store.close()
    if record is None:
        raise ConfigError(
            f"no call {call_id!r} is in {setup.config.store_name}. The id stands in x-headgate-request-id of the "
            "answer; what ended within the last second may still be on its way there."
        )
    return record


def lines(record: CallRecord) -> list[str]:
    """What was asked, what was weighed, what was tried, how it ended."""
    return [*_asked(record), "", *_candidates(record), "", *_attempts(record), "", *_ended(record)]


def _asked(record: CallRecord) -> Iterator[str]:
    started = datetime.fromtimestamp(record.started_us / 1e6, UTC)
    yield f"call        {record.id}"
    yield f"began       {started:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
    who = f"key {record.key_id}"
    who += f", user {record.user}" if record.user else ""
    who += f", session {record.session}" if record.session else ""
    yield f"caller      {who}"
    yield f"asked for   {record.model}: {record.operation} in {record.surface}, " + (
        "as a stream" if record.is_stream else "whole"
    )
    if record.route:
        meant = "a model by its name" if record.route == "model" else f"the route {record.route}"
        yield f"understood  {meant}, strategy {record.strategy}"
    if record.path:
        yield f"sent on     {record.path}"


def _candidates(record: CallRecord) -> Iterator[str]:
    yield "candidates, in the order in which they would be tried"
    for place, name in enumerate(record.candidates, 1):
        yield f"  {place}. {name}"
    if not record.candidates:
        yield "  none"
    if record.weighed:
        yield "weighed"
        width = max(len(each.deployment) for each in record.weighed)
        yield from (f"  {each.deployment:{width}}  {_why(each)}" for each in record.weighed)
    elif len(record.candidates) > 1:
        yield "nothing had to be weighed: all were well, and the order is the operator's"


def _why(weighed: Weighed) -> str:
    told = [REASONS.get(weighed.why, weighed.why)]
    if weighed.cost:
        told.append("cost not known" if weighed.cost < 0 else f"cost {weighed.cost:.6g}")
    if weighed.weight != 1.0:
        told.append(f"gets {weighed.weight:.0%} of its usual traffic")
    if weighed.wait_s:
        told.append(f"for {weighed.wait_s:.1f} s")
    return ", ".join(told)


def _attempts(record: CallRecord) -> Iterator[str]:
    yield f"attempts: {len(record.attempts)}"
    for attempt in record.attempts:
        how = f"({attempt.dialect}, {attempt.lane}), {WHY[attempt.why]}"
        yield f"  {attempt.number}. {attempt.provider}/{attempt.model} {how}"
        yield f"     {_course(attempt)}"
        yield f"     {_bill(attempt)}"


def _course(attempt: Attempt) -> str:
    told = [f"sent at {attempt.started_ms:.1f} ms"]
    if attempt.ttft_ms is not None:
        told.append(f"first token after {attempt.ttft_ms:.1f} ms")
    told.append(f"over after {attempt.duration_ms:.1f} ms")
    told.append(f"HTTP {attempt.status}" if attempt.status else "no answer was begun")
    told.append(str(attempt.outcome) + (f" ({attempt.message})" if attempt.message else ""))
    return ", ".join(told)


def _bill(attempt: Attempt) -> str:
    usage = attempt.usage
    counted = "no tokens" if usage is None else f"{usage.input_tokens} tokens in, {usage.output_tokens} out"
    cost = f"USD {usd(attempt.cost_nano_usd)}" if attempt.is_priced else "no price is known"
    return f"{counted} ({attempt.usage_source}), {cost}"


def _ended(record: CallRecord) -> Iterator[str]:
    how = "answered" if record.outcome is Outcome.OK else f"{record.outcome}: {record.error}"
    yield f"ended       HTTP {record.status}, {how}"
    times = [f"{record.duration_ms:.1f} ms in all", f"{record.overhead_ms:.1f} ms of it our own"]
    if record.ttft_ms is not None:
        times.insert(0, f"first token after {record.ttft_ms:.1f} ms")
    yield f"took        {', '.join(times)}"
    cost = f"USD {usd(record.cost_nano_usd)}" if record.is_priced else "not known: a model without a price took part"
    yield f"cost        {cost}"
    if record.dropped:
        yield f"dropped     {', '.join(record.dropped)}"
