"""Made-up calls as a busy house would have them, for tries and measurements. The same number makes the same call."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from headgate.core.problems import Outcome
from headgate.core.record import Attempt, CallRecord, Weighed, Why
from headgate.core.usage import Usage

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 86_400_000_000


class Place(NamedTuple):
    """A deployment, with made-up speed and prices."""

    provider: str
    model: str
    dialect: str
    ttft_ms: float
    tokens_per_s: float
    failures: float
    input_nano: int
    """Per token."""
    output_nano: int


class Served(NamedTuple):
    """A name that is asked for, how often, and where it goes."""

    name: str
    share: float
    route: str
    places: tuple[Place, ...]


_SONNET = Place("anthropic", "claude-sonnet-4-5", "anthropic", 720, 68, 0.012, 3000, 15_000)
_SONNET_BEDROCK = Place(
    "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock_converse", 910, 61, 0.02, 3000, 15_000
)
_HAIKU = Place("anthropic", "claude-haiku-4-5", "anthropic", 380, 140, 0.008, 1000, 5000)
_MINI = Place("openai", "gpt-4o-mini", "openai_chat", 430, 95, 0.01, 150, 600)
_MINI_AZURE = Place("azure", "gpt-4o-mini", "openai_chat", 510, 88, 0.015, 150, 600)
_FLASH = Place("gemini", "gemini-2.5-flash", "gemini", 340, 170, 0.009, 300, 2500)
_LLAMA = Place("groq", "llama-3.3-70b-versatile", "openai_chat", 190, 270, 0.03, 590, 790)

SERVED: Final = (
    Served("smart", 0.26, "smart", (_SONNET, _SONNET_BEDROCK)),
    Served("fast", 0.30, "fast", (_MINI, _MINI_AZURE, _FLASH)),
    Served("claude-haiku-4-5", 0.16, "model", (_HAIKU,)),
    Served("gemini-2.5-flash", 0.14, "model", (_FLASH,)),
    Served("llama-3.3-70b", 0.09, "model", (_LLAMA,)),
    Served("gpt-4o-mini", 0.05, "model", (_MINI,)),
)
_FAULTS: Final = (
    (Outcome.RATE, 429, "rate limit reached"),
    (Outcome.OVERLOAD, 529, "overloaded"),
    (Outcome.SERVER, 500, "internal error"),
    (Outcome.SLOW, 0, "no first token in time"),
    (Outcome.CONNECT, 0, "connection refused"),
)
_SURFACES: Final = (("openai_chat", 0.62), ("anthropic", 0.25), ("gemini", 0.08), ("openai_responses", 0.05))


def seeded_call(number: int, key_ids: Sequence[str], started_us: int) -> CallRecord:
    """A call of that moment with one of these keys, the first of which are used most."""
    dice = Random(number)  # noqa: S311
    served = dice.choices(SERVED, [each.share for each in SERVED])[0]
    surface = dice.choices([name for name, _ in _SURFACES], [share for _, share in _SURFACES])[0]
    is_stream = dice.random() < 0.82
    key_id = key_ids[min(int(dice.expovariate(0.35)), len(key_ids) - 1)]
    record = CallRecord(
        id=f"req_seed{number:012d}",
        started_us=started_us,
        key_id=key_id,
        surface=surface,
        operation="generate",
        model=served.name,
        is_stream=is_stream,
        user=f"user-{int(dice.paretovariate(1.1)) % 5000:04d}" if dice.random() < 0.5 else "",
        session=f"session-{number // 12:09d}" if dice.random() < 0.4 else "",
        route=served.route,
        strategy="ordered" if len(served.places) > 1 else "",
        candidates=[f"{each.provider}/{each.model}" for each in served.places],
        weighed=tuple(Weighed(f"{each.provider}/{each.model}", "chosen") for each in served.places),
        overhead_ms=round(0.6 + dice.expovariate(2.5), 3),
    )
    if dice.random() < 0.012:
        _refuse(record)
        return record
    _attempts(record, served, dice)
    return record


def moments(begin_us: int, hours: int) -> list[float]:
    """How many of all calls have come by the end of each hour, as a share."""
    weights = [_busy(begin_us + at * HOUR_US) for at in range(hours)]
    return [each / sum(weights) for each in accumulate(weights)]


def _busy(at_us: int) -> float:
    hour, day = at_us % DAY_US / HOUR_US, at_us // DAY_US % 7
    return (0.25 + 0.75 * math.exp(-(((hour - 14) / 4.5) ** 2))) * (0.45 if day in (2, 3) else 1.0)


def moment(share: float, begin_us: int, shares: Sequence[float]) -> int:
    """When the call comes that so many come before."""
    hour = bisect_left(shares, share)
    before = shares[hour - 1] if hour else 0.0
    return begin_us + int((hour + (share - before) / (shares[hour] - before)) * HOUR_US)


def _refuse(record: CallRecord) -> None:
    record.status, record.outcome = 429, Outcome.LOCAL
    record.error = "The key's limit of 60 requests per minute is reached."
    record.duration_ms = record.overhead_ms


def _attempts(record: CallRecord, served: Served, dice: Random) -> None:
    usage = _usage(dice)
    at_ms = record.overhead_ms
    for number, place in enumerate((*served.places, served.places[0]), 1):
        why: Why = "first" if number == 1 else "retry" if len(served.places) > 1 else "again"
        is_bad = dice.random() < place.failures * _trouble(record.started_us, place)
        attempt = Attempt(
            number=number,
            provider=place.provider,
            model=place.model,
            dialect=place.dialect,
            lane="verbatim" if place.dialect == record.surface else "translated",
            why=why,
            started_ms=round(at_ms, 3),
            price_version="seeded",
        )
        record.attempts.append(attempt)
        if is_bad:
            attempt.outcome, attempt.status, attempt.message = dice.choice(_FAULTS)
            attempt.duration_ms = round(dice.lognormvariate(math.log(place.ttft_ms), 0.6), 3)
            at_ms += attempt.duration_ms
            record.status, record.outcome, record.error = 502, attempt.outcome, attempt.message
            continue
        _answer(record, attempt, usage, place, dice)
        return
    record.duration_ms = round(at_ms, 3)


def _answer(record: CallRecord, attempt: Attempt, usage: Usage, place: Place, dice: Random) -> None:
    ttft_ms = dice.lognormvariate(math.log(place.ttft_ms), 0.35) + usage.input_tokens * 0.02
    talk_ms = usage.output_tokens / (place.tokens_per_s * dice.uniform(0.8, 1.2)) * 1000
    attempt.status, attempt.ttft_ms, attempt.duration_ms = 200, round(ttft_ms, 3), round(ttft_ms + talk_ms, 3)
    attempt.usage, attempt.usage_source = usage, "provider_reported"
    plain = usage.input_tokens - usage.cached_tokens
    attempt.cost_nano_usd = (
        plain * place.input_nano
        + usage.cached_tokens * place.input_nano // 10
        + usage.output_tokens * place.output_nano
    )
    record.status, record.outcome, record.error = 200, Outcome.OK, ""
    record.usage, record.usage_source, record.finish_reason = usage, "provider_reported", "stop"
    record.cost_nano_usd = sum(each.cost_nano_usd for each in record.attempts)
    record.ttft_ms = round(attempt.started_ms + ttft_ms, 3) if record.is_stream else None
    record.duration_ms = round(attempt.started_ms + attempt.duration_ms, 3)
    if dice.random() < 0.006:
        record.outcome, record.error = Outcome.CLIENT_GONE, "the client went away"


def _usage(dice: Random) -> Usage:
    inputs = max(8, int(dice.lognormvariate(math.log(900), 1.1)))
    cached = int(inputs * dice.uniform(0.4, 0.95)) if inputs > 1024 and dice.random() < 0.45 else 0
    return Usage(
        input_tokens=inputs, cached_tokens=cached, output_tokens=max(1, int(dice.lognormvariate(math.log(220), 0.8)))
    )


def _trouble(at_us: int, place: Place) -> float:
    """Every provider has a bad hour now and then, at a time of its own."""
    hour = at_us // 3_600_000_000
    return 25.0 if Random(f"{place.provider} {hour}").random() < 0.012 else 1.0  # noqa: S311
