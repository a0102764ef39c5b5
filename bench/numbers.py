"""From samples to numbers: medians over rounds, ratios within a round, and the targets. Prints nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Literal

import msgspec

from bench import wire
from bench.callers import Outcome
from bench.measure import DIRECT, Results, Sample

SMALL, LARGE = wire.BODY_BYTES
OURS = "Headgate"
BUSY_FULL = 0.9

Read = Callable[[Sample], float]


class Row(msgspec.Struct):
    """One gateway, medians over its rounds. Latency is what it adds to the upstream's own."""

    name: str
    version: str
    rounds: int
    calls_per_s: dict[str, float]
    cpu_us_per_call: dict[str, float]
    busy: dict[str, float]
    events_per_s: float
    cpu_us_per_event: float
    added_ms_p50: float
    added_ms_p99: float
    offered: int
    unanswered: int
    start_s: float
    idle_mb: float
    loaded_mb: float
    failed: int
    first_fault: str
    others_share: float


class Target(msgspec.Struct):
    """A promise, what was measured, and whether it holds; `measured` None when a side of it is absent."""

    text: str
    measured: float | None
    bound: Literal["at most", "at least"]
    limit: float
    unit: str

    @property
    def holds(self) -> bool:
        if self.measured is None:
            return False
        return self.measured <= self.limit if self.bound == "at most" else self.measured >= self.limit


def calls_per_s(load: str) -> Read:
    return lambda sample: sample.outcomes[load].calls / sample.outcomes[load].seconds


def cpu_us_per_call(load: str) -> Read:
    return lambda sample: sample.outcomes[load].cpu_s * 1e6 / max(1, sample.outcomes[load].calls)


def _busy(load: str) -> Read:
    """The share of its core that was worked, by the gateway or anyone else: below full, the load was the limit."""
    return lambda sample: (sample.outcomes[load].cpu_s + sample.outcomes[load].others_s) / sample.outcomes[load].seconds


def _events_per_s(sample: Sample) -> float:
    return sample.outcomes["stream"].events / sample.outcomes["stream"].seconds


def _cpu_us_per_event(sample: Sample) -> float:
    return sample.outcomes["stream"].cpu_s * 1e6 / max(1, sample.outcomes["stream"].events)


def _median(samples: list[Sample], read: Read) -> float:
    return statistics.median(map(read, samples))


def _added(results: Results, name: str, read: Callable[[Outcome], float]) -> float:
    pairs = zip(results.samples[name], results.samples[DIRECT], strict=False)
    return statistics.median(read(one.outcomes["open"]) - read(bare.outcomes["open"]) for one, bare in pairs)


def _others_share(outcome: Outcome) -> float:
    return outcome.others_s / outcome.seconds if outcome.seconds else 0.0


def row(results: Results, name: str) -> Row:
    samples = results.samples[name]
    outcomes = [outcome for sample in samples for outcome in sample.outcomes.values()]
    loads = (SMALL, LARGE)
    return Row(
        name=name,
        version=results.versions.get(name, ""),
        rounds=len(samples),
        calls_per_s={load: _median(samples, calls_per_s(load)) for load in loads},
        cpu_us_per_call={load: _median(samples, cpu_us_per_call(load)) for load in loads},
        busy={load: _median(samples, _busy(load)) for load in loads},
        events_per_s=_median(samples, _events_per_s),
        cpu_us_per_event=_median(samples, _cpu_us_per_event),
        added_ms_p50=_added(results, name, lambda outcome: outcome.latency_ms_p50),
        added_ms_p99=_added(results, name, lambda outcome: outcome.latency_ms_p99),
        offered=sum(sample.outcomes["open"].calls + sample.outcomes["open"].unanswered for sample in samples),
        unanswered=sum(sample.outcomes["open"].unanswered for sample in samples),
        start_s=_median(samples, lambda one: one.start_s),
        idle_mb=_median(samples, lambda one: one.idle_mb),
        loaded_mb=_median(samples, lambda one: one.loaded_mb),
        failed=sum(outcome.failed for outcome in outcomes),
        first_fault=next((outcome.first_fault for outcome in outcomes if outcome.first_fault), ""),
        others_share=statistics.median(_others_share(one.outcomes[load]) for one in samples for load in loads),
    )


def rows(results: Results) -> list[Row]:
    return [row(results, name) for name in results.samples]


def ratio(results: Results, ours: str, theirs: str, read: Read) -> float | None:
    """Median of the ratios within each round: what slows a whole round down cancels out."""
    pairs = list(zip(results.samples.get(ours, []), results.samples.get(theirs, []), strict=False))
    found = [read(one) / below for one, other in pairs if (below := read(other))]
    return statistics.median(found) if found else None


RATIOS: dict[str, Read] = {
    f"calls per second, {SMALL}": calls_per_s(SMALL),
    f"calls per second, {LARGE}": calls_per_s(LARGE),
    f"CPU per call, {SMALL}": cpu_us_per_call(SMALL),
    f"CPU per call, {LARGE}": cpu_us_per_call(LARGE),
    "streamed events per second": _events_per_s,
    "CPU per streamed event": _cpu_us_per_event,
    "resident memory after load": lambda sample: sample.loaded_mb,
    "start to first answer": lambda sample: sample.start_s,
}


def targets(results: Results) -> list[Target]:
    def against(other: str, read: Read) -> float | None:
        return ratio(results, OURS, other, read)

    found: list[Target] = []
    for load in (SMALL, LARGE):
        cpu, calls = cpu_us_per_call(load), calls_per_s(load)
        found += [
            Target(f"CPU per call, {load}, against nginx", against("nginx", cpu), "at most", 6, "×"),
            Target(f"CPU per call, {load}, against TensorZero", against("TensorZero", cpu), "at most", 0.5, "×"),
            Target(f"calls per second, {load}, against LiteLLM", against("LiteLLM", calls), "at least", 80, "×"),
            Target(f"calls per second, {load}, against Portkey", against("Portkey", calls), "at least", 12, "×"),
        ]
    samples = results.samples.get(OURS, [])
    start_s = _median(samples, lambda one: one.start_s) if samples else None
    resident_mb = _median(samples, lambda one: max(one.idle_mb, one.loaded_mb)) if samples else None
    found += [
        Target("start to first answer", start_s, "at most", 1.0, "s"),
        Target("`import headgate`", results.import_s.get("headgate"), "at most", 0.3, "s"),
        Target("resident memory", resident_mb, "at most", 100, "MB"),
    ]
    failed = sum(outcome.failed for sample in samples for outcome in sample.outcomes.values())
    found.append(Target("failed calls", float(failed) if samples else None, "at most", 0, ""))
    return found
