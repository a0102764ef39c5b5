"""`/metrics`: the sums of calls and attempts, and how this process does, in Prometheus' text form. Pure but its path.

Labels are closed sets: providers, the names that are listed (all others are `other`), outcomes, states. No key, user or
session is ever one. Counters are the sums that the store keeps, so they go on over restarts and are the same in every
process on one store; gauges are of the process that is asked.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from fastapi import APIRouter, Response

from headgate import __version__
from headgate.core.problems import NotFound
from headgate.server.admin.doors import Doors
from headgate.server.admin.measured import Measured
from headgate.store.queries.rollups import Found
from headgate.store.tables import BOUNDS_MS, DURATION_BINS, TTFT_BINS

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"


class _Sample(NamedTuple):
    labels: dict[str, str]
    value: float
    suffix: str = ""


def metrics_router(doors: Doors) -> APIRouter:
    """The path, joined to the books."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics", summary="Counters and gauges, for Prometheus", response_class=Response)
    def metrics() -> Response:
        if doors.measured is None:
            raise NotFound("This process measures nothing.")
        return Response(exposition(doors.measured()), media_type=MEDIA_TYPE)

    _ = metrics  # the router has it
    return router


def exposition(measured: Measured) -> str:
    """The whole text."""
    calls = _by_names(measured)
    lines: list[str] = []
    for name, kind, told, samples in (
        *_counters(calls),
        ("headgate_request_duration_seconds", "histogram", "How long calls took.", _times(calls, DURATION_BINS)),
        ("headgate_time_to_first_token_seconds", "histogram", "Until the first token.", _times(calls, TTFT_BINS)),
        ("headgate_overhead_seconds", "summary", "Of calls, our own time.", _overhead(calls)),
        ("headgate_upstream_attempts_total", "counter", "Attempts at providers.", _attempts(measured.attempts)),
        ("headgate_deployments", "gauge", "Called since the start, by how they do.", _deployments(measured)),
        ("headgate_inflight_attempts", "gauge", "Attempts under way.", _in_flight(measured)),
        *_gauges(measured),
    ):
        lines += (f"# HELP {name} {told}", f"# TYPE {name} {kind}")
        lines += (_line(name, sample) for sample in samples)
    return "\n".join(lines) + "\n"


_Family = tuple[str, str, str, Iterable[_Sample]]
_Calls = Mapping[tuple[str, str], Mapping[str, int]]
_STATUSES: Final = ("failed", "refused", "gone")
_TOKENS: Final = {"input": "input_tokens", "cached_input": "cached_tokens", "output": "output_tokens"}
_SUMS: Final = (
    ("headgate_failovers_total", "Attempts made in place of others.", "failovers", 1),
    ("headgate_hedges_total", "Attempts made beside slow ones.", "hedges", 1),
    ("headgate_cost_usd_total", "What calls cost.", "cost_nano_usd", 10**9),
    ("headgate_charge_usd_total", "What callers are charged.", "charge_nano_usd", 10**9),
)


def _by_names(measured: Measured) -> _Calls:
    """With every name that is not listed as one."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (provider, model), sums in measured.calls:
        place = (provider or "none", model if model in measured.names else OTHER)
        so_far = found.setdefault(place, dict.fromkeys(sums, 0))
        for name, number in sums.items():
            so_far[name] += number
    return found


def _counters(calls: _Calls) -> Iterator[_Family]:
    statuses = [
        _Sample(_labels(place) | {"status": status}, number)
        for place, sums in calls.items()
        for status, number in (
            ("ok", sums["calls"] - sum(sums[name] for name in _STATUSES)),
            *((name, sums[name]) for name in _STATUSES),
        )
    ]
    yield "headgate_requests_total", "counter", "Calls by how they ended.", statuses
    tokens = [
        _Sample(_labels(place) | {"type": kind}, sums[name])
        for place, sums in calls.items()
        for kind, name in _TOKENS.items()
    ]
    yield "headgate_tokens_total", "counter", "Tokens; cached ones are part of the input.", tokens
    for name, told, column, unit in _SUMS:
        yield name, "counter", told, [_Sample(_labels(place), sums[column] / unit) for place, sums in calls.items()]


def _times(calls: _Calls, bins: tuple[str, ...]) -> Iterator[_Sample]:
    total = {DURATION_BINS: "duration_us", TTFT_BINS: "ttft_us"}[bins]
    bounds = [f"{bound / 1000:g}" for bound in BOUNDS_MS] + ["+Inf"]
    for place, sums in calls.items():
        labels, so_far = _labels(place), 0
        for name, bound in zip(bins, bounds, strict=True):
            so_far += sums[name]
            yield _Sample(labels | {"le": bound}, so_far, "_bucket")
        yield _Sample(labels, sums[total] / 1e6, "_sum")
        yield _Sample(labels, so_far, "_count")


def _overhead(calls: _Calls) -> Iterator[_Sample]:
    for place, sums in calls.items():
        yield _Sample(_labels(place), sums["overhead_us"] / 1e6, "_sum")
        yield _Sample(_labels(place), sums["calls"], "_count")


def _attempts(found: Collection[Found]) -> list[_Sample]:
    return [
        _Sample({"provider": provider, "outcome": outcome}, sums["attempts"]) for (provider, outcome), sums in found
    ]


def _deployments(measured: Measured) -> list[_Sample]:
    return [
        _Sample({"provider": provider, "state": state}, count)
        for (provider, state), count in sorted(measured.deployments.items())
    ]


def _in_flight(measured: Measured) -> list[_Sample]:
    return [_Sample({"provider": provider}, count) for provider, count in sorted(measured.in_flight.items())]


def _gauges(measured: Measured) -> Iterator[_Family]:
    yield (
        "headgate_journal_lag_seconds",
        "gauge",
        "How old what is not in the store yet is.",
        [_Sample({}, measured.lag_s)],
    )
    yield "headgate_journal_lag_bytes", "gauge", "How much is not in the store yet.", [_Sample({}, measured.lag_bytes)]
    rejected = [_Sample({}, measured.rejected)]
    yield "headgate_journal_rejected_records_total", "counter", "Records that could not be read.", rejected
    yield "headgate_build_info", "gauge", "Always 1.", [_Sample({"version": __version__}, 1)]


def _labels(place: tuple[str, str]) -> dict[str, str]:
    return {"provider": place[0], "model": place[1]}


def _line(name: str, sample: _Sample) -> str:
    labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels.items())
    number = f"{sample.value:.9f}".rstrip("0").rstrip(".") if isinstance(sample.value, float) else str(sample.value)
    return f"{name}{sample.suffix}{{{labels}}} {number}" if labels else f"{name}{sample.suffix} {number}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
