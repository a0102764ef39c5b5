"""What a call may use of its caller's limits: held before anything is sent, grown with a stream.

Only for callers that have limits; the others never come here. Nothing in it waits. What was used is booked by
`policies/limiting.py` when the call has ended.
"""

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec import Struct, structs

from headgate.core.money import shown_usd
from headgate.core.problems import InvalidRequest, LimitReached, Outcome, Problem, UpstreamError
from headgate.core.usage import Usage
from headgate.dialects.side import Asked as Operation
from headgate.engine.call import Call
from headgate.limits.amounts import UNITS, Amounts, Denial
from headgate.limits.holds import Allowance, Asked, Hold, Place
from headgate.limits.terms import checked_tags
from headgate.providers.catalog import Deployment

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

BYTES_PER_TOKEN_HELD: Final = 3
"""Fewer than text usually has, so that what is held is enough."""
TOKENS_BESIDES: Final = 16
SLICE_TOKENS: Final = 1024
"""How much of a streamed answer is held at a time."""
OUTPUT_TOKENS_USUAL: Final = 16_384
"""How long an answer may become where neither the call nor what is known of the model says it."""
ANSWERS_MAX: Final = 128
"""To one call (`n`)."""
MEDIA_BYTES_MIN: Final = 1024
MEDIA_TOKENS: Final = 2000
"""What a picture takes at most, or the first part of a longer file."""
MEDIA_BYTES_PER_TOKEN: Final = 100

A_LITTLE: Final = Amounts(requests=1, input_tokens=1, tokens=1, nano_usd=1, budget_tokens=1)

_MEDIA = re.compile(rb"[A-Za-z0-9+/=_-]{%d,}" % MEDIA_BYTES_MIN)
_REQUESTS, _TOKENS = UNITS.index("requests"), UNITS.index("tokens")


class Foreseen(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a call's use beforehand."""

    usage: Usage
    """The input at most; of the output what is known."""
    max_tokens: int | None = None
    """The answer may have so many; None: nobody says. 0: it has no tokens."""
    is_stream: bool = False


class _Said(Struct, gc=False):
    """What a body says besides, in any of the dialects."""

    user: object = ""
    safety_identifier: object = ""
    metadata: object = None
    n: object = 1


_NOTHING_SAID: Final = _Said()
_decode_said = msgspec.json.Decoder(_Said).decode


def foreseen_in_chat(body: bytes, max_tokens: int | None, *, is_stream: bool) -> Foreseen:
    """Of a call for an answer in words."""
    text = len(body)
    media = 0
    if _may_have_media(body):
        for match in _MEDIA.finditer(body):
            length = match.end() - match.start()
            text -= length
            media += max(MEDIA_TOKENS, length // MEDIA_BYTES_PER_TOKEN)
    tokens = text // BYTES_PER_TOKEN_HELD + media + TOKENS_BESIDES
    written = tokens if b'"cache_control"' in body or b'"cachePoint"' in body else 0
    return Foreseen(
        usage=Usage(input_tokens=tokens, cache_write_tokens=written), max_tokens=max_tokens, is_stream=is_stream
    )


def _may_have_media(body: bytes) -> bool:
    """Whether some aligned half of the least length has neither a space nor a quote, as each file has one at least. To
    look for files themselves takes ten times as long, and most calls have none."""
    half = MEDIA_BYTES_MIN // 2
    for start in range(0, len(body) - half + 1, half):
        end = start + half
        if body.find(b" ", start, end) < 0 and body.find(b'"', start, end) < 0:
            return True
    return False


def foreseen_beside(asked: Operation) -> Foreseen:
    """Of what is one request and one answer: what it is known to measure."""
    return Foreseen(usage=asked.measured, max_tokens=asked.measured.output_tokens, is_stream=asked.is_stream)


def admitted(
    engine: "Engine",
    call: Call,
    allowance: Allowance | None,
    deployments: tuple[Deployment, ...],
    foreseen: Foreseen,
) -> tuple[Deployment, ...]:
    """Holds what the call may use until it has ended, and gives back those deployments that its limits leave. Raises
    `LimitReached`."""
    if call.cost_nano_usd_max is not None:
        deployments = _affordable(engine, call, call.cost_nano_usd_max, deployments, foreseen)
    return deployments if allowance is None else _admit(engine, call, allowance, deployments, foreseen)


def _affordable(
    engine: "Engine", call: Call, most: int, deployments: Sequence[Deployment], foreseen: Foreseen
) -> tuple[Deployment, ...]:
    """Those where the call costs no more than its caller lets it, however long the answer may become."""
    usage = structs.replace(foreseen.usage, output_tokens=output_limit(deployments, foreseen) * answers_to(call.body))
    costs = [engine.metering.charge(call.principal, call.record.model, each, usage) for each in deployments]
    left = tuple(each for each, cost in zip(deployments, costs, strict=True) if cost <= most)
    if not left:
        raise InvalidRequest(
            f"This call may cost {shown_usd(min(costs))} USD, which is more than its max_cost_usd or "
            "x-headgate-max-cost-usd. Ask for a shorter answer (max_tokens) or a cheaper model, or allow more.",
            code="max_cost_exceeded",
        )
    return left


def _admit(
    engine: "Engine", call: Call, allowance: Allowance, deployments: Sequence[Deployment], foreseen: Foreseen
) -> tuple[Deployment, ...]:
    record = call.record
    is_asked = allowance.each_user is not None or allowance.has_tags or b'"n"' in call.body
    said = _said(call.body) if is_asked else _NOTHING_SAID
    if allowance.has_tags:
        record.tags = _tags_of(said, record.tags)
    if allowance.each_user is not None and not record.user:
        record.user = _user_of(said)
    limit = output_limit(deployments, foreseen)
    is_sliced = foreseen.is_stream and not any(_reasons(each) for each in deployments)
    first = min(limit, SLICE_TOKENS) if is_sliced else limit
    answers = _answers(said)
    usage = structs.replace(foreseen.usage, output_tokens=first * answers)
    probably = min(limit, SLICE_TOKENS if foreseen.max_tokens is None else foreseen.max_tokens) * answers
    read, charge, whose = usage.input_tokens, engine.metering.charge, (call.principal, record.model)
    nano = max([charge(*whose, each, usage) for each in deployments], default=0)
    hold = Amounts(1, read, probably, read + probably, nano, read + usage.output_tokens)
    places = () if allowance.is_plain else tuple(_place(engine, record.model, each) for each in deployments)
    asked = Asked(record.started_us, hold, places, record.user, record.tags)
    held = engine.metering.limits.hold(call.id, allowance, asked)
    call.fields = _shown(allowance, record.started_us)
    if not isinstance(held, Hold):
        raise _refusal(call, held)
    call.holding = Holding(engine, call, held, deployments, (usage.output_tokens, limit * answers))
    if len(held.places) == len(places):
        return tuple(deployments)
    left = set(held.places)
    return tuple(each for each, place in zip(deployments, places, strict=True) if place in left)


def enter(engine: "Engine", call: Call) -> None:
    """Lets in a call whose use nobody can tell beforehand, if there is something left at every level; it is booked as
    it becomes known. Raises `LimitReached`."""
    limits, record = engine.metering.limits, call.record
    allowance = limits.allowance(call.principal.key_id)
    if allowance is None:
        return
    held = limits.hold(call.id, allowance, Asked(record.started_us, A_LITTLE, (), record.user, record.tags))
    call.fields = _shown(allowance, record.started_us)
    if not isinstance(held, Hold):
        raise _refusal(call, held)


class Holding:
    """What one call holds. Made known to the call alone, and without it: neither must keep the other alive."""

    __slots__ = ("_began_us", "_deployments", "_engine", "_hold", "_limit", "_model", "_output", "_principal")

    def __init__(
        self, engine: "Engine", call: Call, hold: Hold, deployments: Sequence[Deployment], output: tuple[int, int]
    ) -> None:
        self._engine = engine
        self._began_us = call.record.started_us - int(call.started_s * 1e6)
        """Of the monotonic clock, as of the call's own."""
        self._hold = hold
        self._principal, self._model = call.principal, call.record.model
        self._deployments = deployments
        self._output, self._limit = output
        """How many tokens of the answer are held, and how many it may have."""

    def grow(self, chars: int) -> None:
        """Holds the next slice when most of the last one has been said. Raises `UpstreamError` if a budget has no
        room for it: the answer ends there."""
        while chars // BYTES_PER_TOKEN_HELD * 4 > self._output * 3 and self._output < self._limit:
            more = min(SLICE_TOKENS, self._limit - self._output)
            metering = self._engine.metering
            usage, whose = Usage(output_tokens=more), (self._principal, self._model)
            nano = max(metering.charge(*whose, each, usage) for each in self._deployments)
            now_us = self._began_us + int(time.monotonic() * 1e6)
            denial = self._hold.grow(now_us, Amounts(nano_usd=nano, budget_tokens=more))
            if denial is not None:
                raise UpstreamError(
                    Problem(
                        kind="billing",
                        message=f"The answer was cut: {_over(denial)}",
                        outcome=Outcome.LOCAL,
                        code="budget_exhausted",
                    )
                )
            self._output += more


def _said(body: bytes) -> _Said:
    try:
        return _decode_said(body)
    except (msgspec.DecodeError, ValueError):  # a form: it says nothing of these
        return _NOTHING_SAID


def answers_to(body: bytes) -> int:
    """How many answers a body asks for."""
    return _answers(_said(body))


def _answers(said: _Said) -> int:
    """How many answers are asked for."""
    return max(1, min(said.n, ANSWERS_MAX)) if isinstance(said.n, int) else 1


def _user_of(said: _Said) -> str:
    """The end user that a body names: OpenAI's `safety_identifier` and `user`, Anthropic's `metadata.user_id`."""
    metadata = cast("dict[str, object]", said.metadata) if isinstance(said.metadata, dict) else {}
    names = (said.safety_identifier, said.user, metadata.get("user_id"))
    return next((name[:512] for name in names if isinstance(name, str) and name), "")


def _tags_of(said: _Said, tags: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the head and of the body (`metadata.tags`, a list or words with commas). Raises `InvalidRequest`."""
    metadata = cast("dict[str, object]", said.metadata) if isinstance(said.metadata, dict) else {}
    told = metadata.get("tags")
    if not told:
        return tags
    words = [part.strip() for part in told.split(",")] if isinstance(told, str) else told
    if not isinstance(words, list) or not all(isinstance(each, str) for each in cast("list[object]", words)):
        raise InvalidRequest("metadata.tags takes a list of words.", param="metadata.tags")
    return checked_tags([*tags, *cast("list[str]", words)], "metadata.tags")


def output_limit(deployments: Sequence[Deployment], foreseen: Foreseen) -> int:
    """How long the answer may become."""
    if foreseen.max_tokens is not None:
        return max(0, foreseen.max_tokens)
    known = [each.facts.output_tokens for each in deployments if each.facts is not None and each.facts.output_tokens]
    return max(known, default=OUTPUT_TOKENS_USUAL)


def _reasons(deployment: Deployment) -> bool:
    """Whether it may think before it speaks: that is billed, and seen only at the end."""
    return deployment.facts is not None and "reasoning" in deployment.facts.can


def _place(engine: "Engine", model: str, deployment: Deployment) -> Place:
    names = engine.metering.limits.names(model, deployment.provider, deployment.model)
    return Place(deployment.provider, names)


def _refusal(call: Call, denial: Denial) -> LimitReached:
    wait_s = None if denial.wait_us is None else denial.wait_us / 1e6
    if denial.is_money or wait_s is None:
        call.fields += "x-should-retry: false\r\n"
    if denial.unit in ("nano_usd", "budget_tokens"):
        is_priced_there = call.path.startswith("/api/v1/")
        kind, code, status = "billing", "insufficient_quota", 402 if is_priced_there else 0
        return LimitReached(
            Problem(
                kind=kind,
                message=_over(denial),
                outcome=Outcome.LOCAL,
                code=code,
                status=status,
                retry_after_s=wait_s,
            )
        )
    what = "requests" if denial.unit == "requests" else "tokens"
    if wait_s is None:
        told = f"This call is larger than this {denial.level} may make: {denial.what}. Send less, or lower max_tokens."
    else:
        told = f"Rate limit of this {denial.level} reached: {denial.what}. Try again in {wait_s:.3g} s."
    return LimitReached(
        Problem(
            kind="rate_limit",
            message=told,
            outcome=Outcome.LOCAL,
            code="rate_limit_exceeded",
            type=what,
            retry_after_s=wait_s,
        )
    )


def _over(denial: Denial) -> str:
    """Why money or tokens do not last."""
    if not denial.is_money:
        return f"The budget of this {denial.level} ({denial.what}) is held by calls under way. Try again in a moment."
    if denial.wait_us is None:
        return (
            f"This call may cost more than is left of the budget of this {denial.level}: {denial.what}. Ask for "
            "shorter answer (max_tokens), or have the budget raised."
        )
    return (
        f"The budget of this {denial.level} is used up: {denial.what}. It begins anew in {_duration(denial.wait_us)}."
    )


def _shown(allowance: Allowance, now_us: int) -> str:
    """OpenAI's header fields, of the caller's own tightest limits.

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers (2026-11)
    """
    lines = ""
    for name, unit in (("requests", _REQUESTS), ("tokens", _TOKENS)):
        rates = allowance.shown.get(unit)
        if rates is not None:
            tightest = rates[0] if len(rates) == 1 else min(rates, key=lambda rate: rate.remaining(now_us))
            lines += (
                f"x-ratelimit-limit-{name}: {tightest.most}\r\n"
                f"x-ratelimit-remaining-{name}: {tightest.remaining(now_us)}\r\n"
                f"x-ratelimit-reset-{name}: {_duration(tightest.reset_us(now_us))}\r\n"
            )
    return lines


def _duration(us: int) -> str:
    """As OpenAI writes it: `12ms`, `1s`, `6m0s`, `3h2m1s`."""
    if us < 1_000_000:
        return f"{-(-us // 1000)}ms"
    seconds = -(-us // 1_000_000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if seconds >= 60 else "") + f"{seconds % 60}s"
