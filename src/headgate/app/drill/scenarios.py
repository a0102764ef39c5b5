"""The scenarios: what fails where and when, and what has to hold meanwhile. Data alone; runs nothing.

Places count the targets of a route: 0 is the first. What cannot be shown on loopback by an upstream alone is not here:
name resolution and certificates, a lost store, a killed gateway.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from headgate.transport.fake import (
    BlackHole,
    CutAt,
    Drip,
    Empty200,
    Fault,
    HeadersThenSilence,
    HtmlBody,
    InBandError,
    LacksLast,
    MalformedEvent,
    PingsOnly,
    Quota,
    Refuse,
    Slower,
    StallAt,
    Status,
)

Measure = Literal[
    "complete_pct",  # whole, right answers among the calls of the fault's time
    "honest_pct",  # those, or an error that says that it is one
    "dishonest",  # answers that look whole and are not, in the whole run
    "hanging",  # calls without an end
    "switch_s",  # from the fault until calls no longer begin at what fails
    "share_pct",  # of the calls that begin at what fails, once the scenario's `settle_s` are over
    "attempts_per_call",  # once these are over
    "faulty_attempts",  # at what fails, while it does
    "throttled",  # attempts that were answered 429
    "strays",  # calls that began elsewhere although nothing failed
    "extra_cost_pct",  # of attempts that did not answer, in percent of those that did
    "beyond_cap_pct",  # the same, beyond the burst that the hedging budget may have
    "first_p99_s",  # a call's first token, from when the call was due
    "added_p50_ms",  # of that, what was not the time of upstreams that are well
    "added_p99_ms",  # likewise
    "error_p99_s",  # how long an error took, once `settle_s` are over
    "closed_p99_ms",  # from a client's leaving to the upstream's connection being closed
    "return_s",  # from repair until what had failed answers calls again
]


class Around(Struct, frozen=True):
    """What a limit may depend on."""

    rate_per_s: float
    p95_s: float = 1.0
    """The 95th percentile of the upstreams' own first tokens before the fault."""


class Bound(Struct, frozen=True, kw_only=True):
    """What a measure may be: `least`, or at most `most` + `calls` / calls per second + `p95s` × the usual p95."""

    measure: Measure
    least: float | None = None
    most: float = 0.0
    calls: float = 0.0
    p95s: float = 0.0

    def limit(self, around: Around) -> float:
        """The number to compare with."""
        if self.least is not None:
            return self.least
        return self.most + self.calls / around.rate_per_s + self.p95s * around.p95_s

    def holds(self, value: float, around: Around) -> bool:
        """Whether a measured value is allowed."""
        limit = self.limit(around)
        return value >= limit if self.least is not None else value <= limit

    def text(self, around: Around) -> str:
        """Such as `switch_s ≤ 1.65`."""
        return f"{self.measure} {'≥' if self.least is not None else '≤'} {self.limit(around):.4g}"


class Planned(Struct, frozen=True, kw_only=True):
    """A fault at a place, of a share of the requests there."""

    place: int
    fault: Fault
    probability: float = 1.0


class Scenario(Struct, frozen=True, kw_only=True):
    """One of them."""

    id: str
    title: str
    faults: tuple[Planned, ...] = ()
    bounds: tuple[Bound, ...] = ()
    settle_s: float = 2.0
    beat_s: float = 0.0
    """The faults come and go, each time for so long; 0: they stay."""
    surge: float = 1.0
    """So many times the load while they last."""
    leaving: float = 0.0
    """The share of clients that hang up in the midst of a stream."""
    stall_s: float = 0.0
    """The gateway's own process stands still for so long, every second."""
    streams_only: bool = False
    after_s: float | None = None
    """How long to watch after the repair; None: as usual."""

    is_everywhere: bool = False
    """It hits all targets there are."""

    @property
    def places(self) -> frozenset[int]:
        """Where something fails."""
        return frozenset(planned.place for planned in self.faults)


def _at(fault: Fault, place: int = 0, probability: float = 1.0) -> tuple[Planned, ...]:
    return (Planned(place=place, fault=fault, probability=probability),)


def _error(code: str, message: str) -> str:
    return f'{{"error":{{"message":"{message}","type":"invalid_request_error","code":"{code}"}}}}'


ALL: Final = Bound(measure="complete_pct", least=100)
NEARLY_ALL: Final = Bound(measure="complete_pct", least=99.9)
TRUE: Final = Bound(measure="dishonest", most=0)
ENDS: Final = Bound(measure="hanging", most=0)
HONEST: Final = Bound(measure="honest_pct", least=100)
SOON: Final = Bound(measure="switch_s", most=0.3, calls=7, p95s=1)
THRIFTY: Final = Bound(measure="beyond_cap_pct", most=3)
STEADY: Final = Bound(measure="strays", most=0)
SAFE: Final = (ALL, TRUE, ENDS)
ONLY_TARGET: Final = (HONEST, TRUE, ENDS)
"""What a route with nowhere else to go can promise."""
SILENT: Final = (*SAFE, SOON, Bound(measure="first_p99_s", most=3))


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(id="F0", title="nothing fails", bounds=(*SAFE, STEADY, THRIFTY)),
    Scenario(
        id="F1",
        title="port closed",
        faults=_at(Refuse()),
        bounds=(*SAFE, Bound(measure="added_p99_ms", most=50)),
    ),
    Scenario(id="F2", title="black hole: takes the request, sends nothing", faults=_at(BlackHole()), bounds=SILENT),
    Scenario(
        id="F2b", title="status and headers, then silence", faults=_at(HeadersThenSilence()), bounds=SILENT
    ),
    Scenario(id="F2c", title="keep-alives for ever", faults=_at(PingsOnly()), bounds=SILENT, streams_only=True),
    Scenario(
        id="F2e",
        title="half the requests vanish",
        faults=_at(BlackHole(), probability=0.5),
        bounds=(*SAFE, Bound(measure="switch_s", most=0.5, calls=18, p95s=1)),
    ),
    Scenario(
        id="F3",
        title="first token ten times as late",
        faults=_at(Slower(factor=10)),
        bounds=(*SAFE, Bound(measure="share_pct", most=5), THRIFTY),
        settle_s=3,
    ),
    Scenario(
        id="F4",
        title="30 % answer 500",
        faults=_at(Status(status=500), probability=0.3),
        bounds=(
            NEARLY_ALL, TRUE, ENDS, Bound(measure="share_pct", most=20), Bound(measure="attempts_per_call", most=1.15),
        ),
        settle_s=5,
    ),
    Scenario(
        id="F5",
        title="429 with Retry-After 5",
        faults=_at(Status(status=429, retry_after_s=5)),
        # those that were under way when the first came, and one or two more each time the rest is over
        bounds=(*SAFE, Bound(measure="share_pct", most=5)),
    ),
    Scenario(
        id="F5b",
        title="429 without a header",
        faults=_at(Status(status=429)),
        bounds=(*SAFE, Bound(measure="attempts_per_call", most=1.1)),
    ),
    Scenario(
        id="F5c",
        title="headers announce 40 requests in 10 s",
        faults=_at(Quota(requests=40, window_s=10)),
        bounds=(*SAFE, Bound(measure="throttled", most=0)),
    ),
    Scenario(id="F6", title="overloaded, as a status", faults=_at(Status(status=529)), bounds=SAFE),
    Scenario(
        id="F6b", title="overloaded, as the first event", faults=_at(InBandError()), bounds=SAFE, streams_only=True
    ),
    Scenario(
        id="F7",
        title="cut after two thirds",
        faults=_at(CutAt(share=0.66)),
        bounds=(HONEST, TRUE, ENDS, Bound(measure="share_pct", most=20)),
        settle_s=5,
        streams_only=True,
    ),
    Scenario(
        id="F8",
        title="stands still after a third",
        faults=_at(StallAt(share=0.33)),
        bounds=(HONEST, TRUE, ENDS, Bound(measure="error_p99_s", most=8)),
        streams_only=True,
    ),
    Scenario(
        id="F11",
        title="comes and goes",
        faults=_at(Status(status=503)),
        bounds=(NEARLY_ALL, TRUE, ENDS, Bound(measure="return_s", most=30)),
        beat_s=2.5,
        after_s=20,
    ),
    Scenario(
        id="F12",
        title="a chunk that is not JSON",
        faults=_at(MalformedEvent(index=3)),
        bounds=(HONEST, TRUE, ENDS),
        streams_only=True,
    ),
    Scenario(
        id="F13",
        title="ends without a finish reason",
        faults=_at(LacksLast(chunks=3)),
        bounds=(HONEST, TRUE, ENDS),
        streams_only=True,
    ),
    Scenario(
        id="F13b", title="ends without [DONE]", faults=_at(LacksLast(chunks=1)), bounds=SAFE, streams_only=True
    ),
    Scenario(id="F14", title="200 with a page for people", faults=_at(HtmlBody()), bounds=SAFE),
    Scenario(id="F14b", title="200 with nothing", faults=_at(Empty200()), bounds=SAFE),
    Scenario(
        id="F15",
        title="400: the prompt is too long",
        faults=_at(Status(status=400, body=_error("context_length_exceeded", "too long"))),
        bounds=(HONEST, TRUE, ENDS, Bound(measure="attempts_per_call", most=1)),
    ),
    Scenario(
        id="F15b",
        title="400: refused by policy",
        faults=_at(Status(status=400, body=_error("content_filter", "no"))),
        bounds=(HONEST, TRUE, ENDS, Bound(measure="attempts_per_call", most=1)),
    ),
    Scenario(
        id="F16",
        title="key revoked",
        faults=_at(Status(status=401, body=_error("invalid_api_key", "revoked"))),
        bounds=(*SAFE, Bound(measure="faulty_attempts", most=2)),
    ),
    Scenario(
        id="F17", title="one token each second", faults=_at(Drip(gap_s=1)), bounds=(HONEST, TRUE), streams_only=True
    ),
    Scenario(
        id="F18",
        title="first and second down",
        faults=(*_at(BlackHole()), *_at(Status(status=503), 1)),
        bounds=(*SAFE, Bound(measure="attempts_per_call", most=3)),
    ),
    Scenario(
        id="F19",
        title="all down",
        faults=tuple(Planned(place=place, fault=Status(status=503)) for place in range(64)),
        bounds=(
            HONEST, TRUE, ENDS, Bound(measure="error_p99_s", most=1), Bound(measure="attempts_per_call", most=0.2),
        ),
        settle_s=5,
        is_everywhere=True,
    ),
    Scenario(
        id="F20",
        title="five times the load, nothing fails",
        bounds=(HONEST, TRUE, ENDS, Bound(measure="added_p99_ms", most=50)),
        surge=5,
    ),
    Scenario(
        id="F21",
        title="black hole at five times the load",
        faults=_at(BlackHole()),
        bounds=(*SILENT, THRIFTY),
        surge=5,
    ),
    Scenario(
        id="F25", title="the gateway itself stands still", bounds=(*SAFE, STEADY), stall_s=0.3
    ),
    Scenario(
        id="F26",
        title="30 % of clients hang up",
        bounds=(TRUE, ENDS, STEADY, Bound(measure="closed_p99_ms", most=100)),
        leaving=0.3,
        streams_only=True,
    ),
)  # fmt: skip

BY_ID: Final[Mapping[str, Scenario]] = {scenario.id: scenario for scenario in SCENARIOS}
