"""Single faults S01 to S16, one request each, after FailoverBench's list: the upstreams' own logs decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import msgspec
import uvloop

from bench.failover import lab
from bench.failover.rows import Row
from bench.installs import Installed
from bench.procs import StartFailed
from headgate.app.drill.calls import Call, Due, End, make_call
from headgate.app.drill.house import WORDS
from headgate.app.drill.judge import Seen
from headgate.app.drill.running import Control, Place, log_of
from headgate.app.drill.scenarios import Planned
from headgate.transport.fake import (
    BlackHole,
    CutAt,
    Fault,
    LacksLast,
    MalformedEvent,
    RejectsPrefill,
    Reset,
    SlowFirstByte,
    StallAt,
    Status,
)

PATIENCE_S = 120.0
SLOW_S = 35.0
BRISK_S = 5.0
FLAPS = 20
FLAP_EVERY_S = 0.5


class Single(msgspec.Struct, frozen=True):
    """What one gateway made of one fault; attempts at the first and the second upstream."""

    id: str
    verdict: str
    seconds: float
    first: int
    second: int
    note: str = ""


class Story(msgspec.Struct, frozen=True):
    """What happened in one: the calls, and the attempts at each upstream."""

    calls: list[Call]
    logs: list[list[Seen]]

    @property
    def call(self) -> Call:
        return self.calls[0]

    @property
    def seconds(self) -> float:
        return (self.call.ended_s or self.call.due_s + PATIENCE_S) - self.call.due_s


class Spec(msgspec.Struct, frozen=True):
    """`times`: how many requests the fault hits; None: all."""

    id: str
    title: str
    fault: Fault
    judge: Callable[[Story], str]
    times: int | None = None
    second: Fault | None = None
    flaps: bool = False


def _ended(story: Story) -> str:
    """What is wrong with an end that is not complete."""
    return {End.COMPLETE: "pass", End.HONEST: "safe"}.get(story.call.end, "fail")


def within(limit_s: float) -> Callable[[Story], str]:
    def judge(story: Story) -> str:
        verdict = _ended(story)
        return "partial" if verdict == "pass" and story.seconds > limit_s else verdict

    return judge


def same_first(wait_s: float) -> Callable[[Story], str]:
    """Answered by the first upstream at a second try, not too soon."""

    def judge(story: Story) -> str:
        first = story.logs[0]
        stayed = len(first) == 2 and not story.logs[1] and first[1].arrived_s - first[0].arrived_s >= wait_s
        return "partial" if _ended(story) == "pass" and not stayed else _ended(story)

    return judge


def told(story: Story) -> str:
    """The refusal reached the caller, and nobody else was asked."""
    if story.call.end is End.HONEST:
        return "pass" if len(story.logs[0]) == 1 and not story.logs[1] else "partial"
    return "partial" if story.call.end is End.COMPLETE else "fail"


def told_or_served(story: Story) -> str:
    """Another model may have a longer window."""
    return "pass" if story.call.end in {End.COMPLETE, End.HONEST} and len(story.logs[0]) == 1 else "partial"


def flapped(story: Story) -> str:
    ends = [call.end for call in story.calls]
    if End.DISHONEST in ends or End.HANGING in ends:
        return "fail"
    return "pass" if all(end is End.COMPLETE for end in ends) else "safe"


def accounted(story: Story) -> str:
    """The usage that the client was told is the answering upstream's own."""
    winner = next((seen for seen in story.logs[1] if seen.has_answered), None)
    if _ended(story) != "pass" or winner is None:
        return _ended(story)
    return "pass" if story.call.output_tokens == WORDS else "fail"


def _error(code: str) -> str:
    return f'{{"error":{{"message":"no","type":"invalid_request_error","code":"{code}"}}}}'


SINGLES: Sequence[Spec] = (
    Spec("S01", "429 once, with Retry-After 2", Status(status=429, retry_after_s=2), same_first(1.8), times=1),
    Spec("S02", "429 always", Status(status=429), within(BRISK_S)),
    Spec("S03", "500 once", Status(status=500), same_first(0.0), times=1),
    Spec("S04", "503 always", Status(status=503), within(BRISK_S)),
    Spec("S05", "connection reset", Reset(), within(BRISK_S)),
    Spec("S06", "no answer at all", BlackHole(), within(SLOW_S)),
    Spec("S07", "first token after 20 s", SlowFirstByte(s=20), within(SLOW_S)),
    Spec("S08", "cut after two thirds", CutAt(share=0.66), within(SLOW_S)),
    Spec("S09", "stands still for 30 s", StallAt(share=0.66, s=30), within(SLOW_S)),
    Spec("S10", "a chunk that is not JSON", MalformedEvent(index=8), within(SLOW_S)),
    Spec("S11", "no [DONE]", LacksLast(chunks=1), within(BRISK_S)),
    Spec("S12", "prompt too long", Status(status=400, body=_error("context_length_exceeded")), told_or_served),
    Spec("S13", "refused by a content filter", Status(status=400, body=_error("content_filter")), told),
    Spec("S14", "cut, and the fallback refuses prefill", CutAt(share=0.66), within(SLOW_S), second=RejectsPrefill()),
    Spec("S15", "comes and goes, 20 requests", Status(status=503), flapped, flaps=True),
    Spec("S16", "what the fallback used is what is told", Status(status=503), accounted),
)


async def tell(spec: Spec, place: Place) -> Story:
    """Sets the fault, makes the call or calls, and reads the logs."""
    async with AsyncExitStack() as stack:
        controls = [await Control.open(port, stack) for port in place.upstream_ports]
        await controls[0].fail(Planned(place=0, fault=spec.fault), times=spec.times)
        if spec.second is not None:
            await controls[1].fail(Planned(place=1, fault=spec.second))
        calls: list[Call] = []
        for number in range(FLAPS if spec.flaps else 1):
            if spec.flaps and number:
                await controls[0].heal()
                if number % 4 >= 2:
                    await controls[0].fail(Planned(place=0, fault=spec.fault))
            due = Due(number, time.monotonic() + (FLAP_EVERY_S if number else 0.05), 100)
            calls.append(await make_call(place.target, due, PATIENCE_S))
        logs = [await log_of(control, number) for number, control in enumerate(controls)]
    return Story(calls, [[seen for seen in log if "drill-call-" in seen.body] for log in logs])


def run_all(row: Row, installed: Installed, say: Callable[[str], None]) -> list[Single]:
    """Every fault, each with a fresh gateway."""
    found: list[Single] = []
    for spec in SINGLES:
        try:
            with lab.opened(row, installed, is_stream=True) as place:
                story = uvloop.run(tell(spec, place))
        except (StartFailed, OSError) as failure:
            say(f"{row.name} {spec.id}: {failure!r}")
            continue
        one = Single(
            spec.id, spec.judge(story), round(story.seconds, 2), *map(len, story.logs[:2]), note=story.call.note
        )
        found.append(one)
        say(f"{row.name} {spec.id} {one.verdict} {one.seconds:.1f} s, {one.first}+{one.second} {one.note[:120]}")
    return found
