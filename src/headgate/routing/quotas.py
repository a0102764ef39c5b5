"""What an upstream has left for us, as its answers tell: shadow buckets, debited before each request. Pure.

A 429 is a state of a quota, not ill health. OpenAI and those who follow it send `x-ratelimit-{limit,remaining,reset}-
{requests,tokens}` (https://platform.openai.com/docs/guides/rate-limits, 2026-11) with durations such as `6m0s`;
Anthropic sends `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` with RFC 3339
times (https://docs.anthropic.com/en/api/rate-limits, 2026-11).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["requests", "tokens", "input", "output"]
"""What a bucket counts."""
HEADROOM: Final = 0.05
"""A member with less of its limit than this left after the request is passed over while there is another."""
SLACK: Final = 2.0
RESET_S: Final = 60.0
"""Where an upstream does not say when its bucket is full again."""
RESET_S_MAX: Final = 86_400.0
BACKOFF_S: Final = 1.0
"""After a 429 that names no time; twice as long after each further one."""
BACKOFF_S_MAX: Final = 30.0
RETRY_AFTER_S_MAX: Final = 3_600.0
"""A longer wait is asked for again after this."""

_PARTS: Final = ("limit", "remaining", "reset")
_OPENAI: Final[dict[str, Kind]] = {"requests": "requests", "tokens": "tokens"}
_ANTHROPIC: Final[dict[str, Kind]] = {
    "requests": "requests",
    "tokens": "tokens",
    "input-tokens": "input",
    "output-tokens": "output",
}
_FIELDS: Final[dict[str, tuple[Kind, str]]] = {
    **{f"x-ratelimit-{part}-{name}": (kind, part) for part in _PARTS for name, kind in _OPENAI.items()},
    **{f"anthropic-ratelimit-{name}-{part}": (kind, part) for part in _PARTS for name, kind in _ANTHROPIC.items()},
}
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION: Final = re.compile(rf"(?:{_PIECE.pattern})+")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


class Reading(Struct, frozen=True, gc=False):
    """One bucket as an answer told it."""

    remaining: float
    limit: float | None = None
    reset_s: float | None = None
    """Seconds until it is full again."""


class Need(Struct, frozen=True, gc=False):
    """What a request will take."""

    input_tokens: int
    output_tokens: int

    def of(self, kind: Kind) -> float:
        """In the unit of a bucket."""
        return _AMOUNTS[kind](self)


_AMOUNTS: Final[dict[Kind, Callable[[Need], float]]] = {
    "requests": lambda need: 1.0,
    "tokens": lambda need: float(need.input_tokens + need.output_tokens),
    "input": lambda need: float(need.input_tokens),
    "output": lambda need: float(need.output_tokens),
}


def parse_reset(text: str, now_unix_s: float) -> float | None:
    """Seconds until a reset: `6m0s`, `120ms`, bare seconds, a Unix time or an RFC 3339 time. None: not understood."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        if seconds > 1e12:  # Unix milliseconds
            seconds /= 1000.0
        seconds = seconds - now_unix_s if seconds > 1e9 else seconds
    elif _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    else:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            return None
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now_unix_s
    return min(max(seconds, 0.0), RESET_S_MAX)


def read_limits(fields: Iterable[tuple[str, str]], now_unix_s: float) -> dict[Kind, Reading]:
    """The buckets that an answer's header fields tell of, names in lower case. What is not understood is left out."""
    parts: dict[Kind, dict[str, float]] = {}
    for name, text in fields:
        known = _FIELDS.get(name)
        if known is None:
            continue
        kind, part = known
        value = parse_reset(text, now_unix_s) if part == "reset" else _amount(text)
        if value is not None:
            parts.setdefault(kind, {})[part] = value
    return {
        kind: Reading(seen["remaining"], seen.get("limit"), seen.get("reset"))
        for kind, seen in parts.items()
        if "remaining" in seen
    }


def _amount(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


class Mark(Struct, frozen=True, gc=False):
    """What had been sent in all, a request included: what was sent after it is the difference to now."""

    requests: float
    input: float
    output: float

    def of(self, kind: Kind) -> float:
        """In the unit of a bucket."""
        return _SENT[kind](self)


_SENT: Final[dict[Kind, Callable[[Mark], float]]] = {
    "requests": lambda mark: mark.requests,
    "tokens": lambda mark: mark.input + mark.output,
    "input": lambda mark: mark.input,
    "output": lambda mark: mark.output,
}


class Bucket:
    """A shadow of one of an upstream's buckets. Some are full again all at once at their reset, some fill evenly."""

    __slots__ = ("_at_s", "_left", "_missing", "_reset_at_s", "_told", "limit")

    def __init__(self) -> None:
        self.limit: float | None = None
        self._left = self._missing = 0.0
        self._at_s = self._reset_at_s = 0.0
        self._told: tuple[float, float] | None = None
        """What was left as told last, and what had been sent by then."""

    def tell(self, reading: Reading, sent: float, sent_after: float, now_s: float) -> bool:
        """What an answer says to a request up to which `sent` had been sent; `sent_after` it cannot know of.

        True: there is more than there can be if nothing flows in before the reset, by more than requests may have
        overtaken each other.
        """
        told, is_new = self._told, now_s >= self._reset_at_s
        self._told = reading.remaining, sent
        flows_in = (
            told is not None and not is_new and reading.remaining > told[0] - (sent - told[1]) + max(SLACK, sent_after)
        )
        self.limit = reading.limit if reading.limit is not None else self.limit
        self._left, self._at_s = reading.remaining - sent_after, now_s
        self._missing = max(0.0, (self.limit or 0.0) - reading.remaining)
        self._reset_at_s = now_s + (RESET_S if reading.reset_s is None else reading.reset_s)
        return flows_in

    def left(self, now_s: float, *, fills: bool) -> float:
        """What is left now. After its reset it is full, and without a known limit nothing is held against it."""
        if now_s >= self._reset_at_s:
            return float("inf") if self.limit is None else self.limit
        return self._left + (self._rate_per_s() * (now_s - self._at_s) if fills else 0.0)

    def debit(self, amount: float, now_s: float) -> None:
        """A request goes out."""
        if now_s >= self._reset_at_s and self.limit is not None:
            self._left, self._at_s, self._missing, self._told = self.limit, now_s, 0.0, None
            self._reset_at_s = now_s + RESET_S
        self._left -= amount

    def wait_s(self, amount: float, now_s: float, *, fills: bool) -> float:
        """How long until a request of that amount fits with some headroom; 0: now.

        One that is larger than the limit is left to the upstream to judge.
        """
        limit = self.limit or 0.0
        if limit and amount > limit:
            return 0.0
        short = amount + min(HEADROOM * limit, max(limit - amount, 0.0)) - self.left(now_s, fills=fills)
        if short <= 0.0:
            return 0.0
        until_reset_s = self._reset_at_s - now_s
        rate_per_s = self._rate_per_s() if fills else 0.0
        return min(short / rate_per_s, until_reset_s) if rate_per_s > 0.0 else until_reset_s

    def _rate_per_s(self) -> float:
        span_s = self._reset_at_s - self._at_s
        return self._missing / span_s if span_s > 0.0 else 0.0


class Quota:
    """One model of one account: its buckets, and until when it has asked to be left alone."""

    __slots__ = ("_backoff_s", "_fills", "_sent", "buckets", "not_before_s")

    def __init__(self) -> None:
        self.buckets: dict[Kind, Bucket] = {}
        """Those that the upstream has told of."""
        self._sent = Mark(0.0, 0.0, 0.0)
        self._fills = False
        """Whether the buckets have been seen to fill before their reset: told by the one whose debits are exact."""
        self._backoff_s = 0.0
        self.not_before_s = float("-inf")
        """No request before then."""

    def sent(self, need: Need, now_s: float) -> Mark:
        """A request goes out. The mark is to be given back with what its answer tells."""
        sent = self._sent
        self._sent = sent = Mark(sent.requests + 1.0, sent.input + need.input_tokens, sent.output + need.output_tokens)
        for kind, bucket in self.buckets.items():
            bucket.debit(need.of(kind), now_s)
        return sent

    def told(self, readings: Mapping[Kind, Reading], mark: Mark, now_s: float) -> None:
        """What the head of the answer to a request tells. Answers to later requests must not have been told before."""
        for kind, reading in readings.items():
            bucket = self.buckets.get(kind)
            if bucket is None:
                bucket = self.buckets[kind] = Bucket()
            sent = mark.of(kind)
            if bucket.tell(reading, sent, self._sent.of(kind) - sent, now_s) and kind == "requests":
                self._fills = True

    def limited(self, retry_after_s: float | None, now_s: float) -> None:
        """A 429: nothing until the time it names, else for a while that doubles."""
        if retry_after_s is None:
            if now_s >= self.not_before_s:
                self._backoff_s = min(max(2.0 * self._backoff_s, BACKOFF_S), BACKOFF_S_MAX)
            retry_after_s = self._backoff_s
        self.not_before_s = max(self.not_before_s, now_s + min(retry_after_s, RETRY_AFTER_S_MAX))

    def granted(self) -> None:
        """A good answer: the next 429 starts small again."""
        self._backoff_s = 0.0

    def wait_s(self, need: Need, now_s: float) -> float:
        """How long until a request of that size may go; 0: now."""
        wait_s = max(self.not_before_s - now_s, 0.0)
        for kind, bucket in self.buckets.items():
            wait_s = max(wait_s, bucket.wait_s(need.of(kind), now_s, fills=self._fills))
        return wait_s


class Concurrency:
    """How many requests at a time an upstream takes: additive increase, multiplicative decrease on 429, 503 and 529.

    Chiu and Jain (1989). Without any refusal there is no limit. One decrease per `REST_S`: a burst of refusals is one.
    """

    __slots__ = ("_next_s", "limit")

    CUT: Final = 0.8
    REST_S: Final = 1.0
    LIMIT_MAX: Final = 10_000.0

    def __init__(self) -> None:
        self.limit = self.LIMIT_MAX
        self._next_s = float("-inf")

    def refused(self, in_flight: int, now_s: float) -> None:
        """Too much for it."""
        if now_s >= self._next_s:
            self._next_s = now_s + self.REST_S
            self.limit = max(1.0, min(self.limit, float(in_flight)) * self.CUT)

    def took(self, in_flight: int) -> None:
        """A good answer: one more per limit's worth of them, while the limit is what binds."""
        if self.limit < self.LIMIT_MAX and in_flight >= 0.5 * self.limit:
            self.limit = min(self.limit + 1.0 / self.limit, self.LIMIT_MAX)

    def has_room(self, in_flight: int) -> bool:
        """Whether one more may go."""
        return in_flight < self.limit
