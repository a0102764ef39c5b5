"""The record of all runs: kept as JSON, run after run, and shown side by side in docs/benchmarks/failover.md."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from bench.failover.lab import UPSTREAMS
from bench.failover.rows import HEADGATE, PEERS, RETRYING
from bench.failover.singles import SINGLES, Single
from bench.installs import cache_folder
from headgate.app.drill.house import FIRST_S, GAP_S, WORDS
from headgate.app.drill.judge import Result
from headgate.app.drill.running import Plan
from headgate.app.drill.scenarios import SCENARIOS

TREE = Path(__file__).parents[2]
MARKDOWN = "docs/benchmarks/failover.md"
KEPT = "failover.json"


class Entry(msgspec.Struct, frozen=True):
    """One run of one scenario; `load` is the machine's load average right after it."""

    gateway: str
    result: Result
    warm_s: float
    fault_s: float
    when: str
    load: float

    @property
    def place(self) -> tuple[str, str, bool, float]:
        return self.gateway, self.result.scenario, self.result.is_stream, self.result.rate_per_s


class Kept(msgspec.Struct):
    entries: list[Entry] = []
    singles: dict[str, list[Single]] = {}
    versions: dict[str, str] = {}


class Book:
    """What this and earlier runs have found: the newest of each counts. Other runs may be writing at the same time."""

    def __init__(self) -> None:
        self._file = cache_folder() / KEPT
        self.new = Kept()

    def add(self, gateway: str, result: Result, plan: Plan) -> None:
        when = time.strftime("%Y-%m-%d", time.gmtime())
        self.new.entries.append(Entry(gateway, result, plan.warm_s, plan.fault_s, when, round(os.getloadavg()[0], 1)))

    def kept(self) -> Kept:
        old = msgspec.json.decode(self._file.read_bytes(), type=Kept) if self._file.exists() else Kept()
        taken = {each.place for each in self.new.entries}
        entries = [each for each in old.entries if each.place not in taken] + self.new.entries
        return Kept(entries, old.singles | self.new.singles, old.versions | self.new.versions)

    def keep(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(msgspec.json.format(msgspec.json.encode(self.kept())))

    def write(self) -> None:
        (TREE / MARKDOWN).write_text(page(self.kept()))

    def has_missed(self, gateway: str) -> bool:
        return any(not each.result.holds for each in self.new.entries if each.gateway == gateway)


def page(kept: Kept) -> str:
    """The whole page."""
    names = [row.name for row in (HEADGATE, *PEERS)]
    dates = sorted({each.when for each in kept.entries}) or ["never"]
    lines = [
        "# Failover under load",
        "",
        "<!-- Written by `python -m bench.failover --write`; run it instead of editing. -->",
        "",
        f"Measured {dates[0]}" + (f" to {dates[-1]}" if dates[-1] != dates[0] else "") + ", on two cores that others"
        " used too: read differences of a few milliseconds as none.",
        "",
        METHOD,
        *_settings(kept),
    ]
    rates = sorted({(each.result.rate_per_s, each.result.is_stream) for each in kept.entries}, reverse=False)
    for rate, is_stream in rates:
        lines += _tables(kept, names, rate, is_stream=is_stream)
    return "\n".join([*lines, *_singles(kept)]) + "\n"


METHOD = f"""\
{UPSTREAMS} simulated upstreams stand behind each gateway, in an order. Each answers {WORDS} words, {GAP_S * 1e3:.0f} ms
apart, after a first token that is log-normal: a median of {FIRST_S} s, two and a half times that at the 95th
percentile, longer for longer prompts (100 to 4000 tokens). Calls leave at random times whether or not earlier ones have
ended, and are timed from when they were due. The fault begins under load. The upstreams' own logs say what was tried;
every answer is compared with the right text. Gateway and upstreams are started afresh for each run.

*Lost*: calls that were due during the fault and did not get the whole right answer within 40 s. *Dishonest*: answers,
in the whole run, that looked whole and were not. *Switch*: from the fault until calls no longer begin at what fails;
`all` where they still did at its end; empty where a closed port leaves no log. *Added*: the part of the time to the
first token that was not the time of upstreams that were well, median and 99th percentile. *Extra cost*: of attempts
that did not answer, in percent of those that did, by the upstreams' meter. *Attempts*: for each call, once the scenario
has settled (2 to 5 s). A rate that the slowest of them can serve with ease is used where they stand side by side;
Headgate learns what is usual from the calls before the fault, and had more of them in some runs, as each table says.
"""
SINGLE = """\
One request for each fault, with one fallback. *pass*: what should happen. *partial*: answered, but late or elsewhere
than it should have been. *safe*: not answered, and said so. *fail*: wrong and not said. The sixteen faults are those of
FailoverBench; the harness is our own. Here Headgate's route has `retry_same_first: true`.
"""


def _settings(kept: Kept) -> list[str]:
    rows = [f"* **{row.name}** {kept.versions.get(row.name, '')}: {row.settings}." for row in (HEADGATE, *PEERS)]
    return [*rows, ""]


def _tables(kept: Kept, names: list[str], rate: float, *, is_stream: bool) -> list[str]:
    found = {
        (each.gateway, each.result.scenario): each
        for each in kept.entries
        if (each.result.rate_per_s, each.result.is_stream) == (rate, is_stream)
    }
    lines = [f"## {'Streams' if is_stream else 'Whole answers'} at {rate:g} calls per second", ""]
    spans = sorted({(each.warm_s, each.fault_s) for each in found.values()})
    told = ", ".join(f"{warm:g} s of calls before a fault of {fault:g} s" for warm, fault in spans)
    lines += [f"Each run: {told}. Load average of the machine: {_range([each.load for each in found.values()])}.", ""]
    lines += ["| | scenario | gateway | lost | dishonest | switch s | added ms | extra cost % | attempts | bounds |"]
    lines += ["|---|---|---|---:|---:|---:|---:|---:|---:|---|"]
    for scenario in SCENARIOS:
        for name in names:
            if entry := found.get((name, scenario.id)):
                first = name == names[0]
                title = scenario.title if first else ""
                lines.append(f"| {scenario.id if first else ''} | {title} | {name} | {_cells(entry)} |")
    return [*lines, ""]


def _range(values: list[float]) -> str:
    return f"{min(values):g} to {max(values):g}" if values else "unknown"


def _cells(entry: Entry) -> str:
    result = entry.result
    seen = result.measures
    switch = seen.get("switch_s")
    is_never = switch is not None and switch > entry.fault_s - 1.5
    cells = [
        f"{result.lost} of {result.calls}",
        f"{seen.get('dishonest', 0):g}",
        "" if switch is None else "all" if is_never else f"{switch:.2f}",
        _two(seen.get("added_p50_ms"), seen.get("added_p99_ms")),
        "" if "extra_cost_pct" not in seen else f"{seen['extra_cost_pct']:.1f}",
        "" if "attempts_per_call" not in seen else f"{seen['attempts_per_call']:.2f}",
        "holds" if result.holds else "MISSED " + _missed(result),
    ]
    return " | ".join(cells)


def _two(p50: float | None, p99: float | None) -> str:
    return "" if p50 is None or p99 is None else f"{p50:.0f} / {p99:.0f}"


def _missed(result: Result) -> str:
    return ", ".join(f"{each.bound} ({each.value:.4g})" for each in result.findings if not each.holds)


def _singles(kept: Kept) -> list[str]:
    names = [row.name for row in (RETRYING, *PEERS) if row.name in kept.singles]
    if not names:
        return []
    lines = [
        "## Single faults",
        "",
        SINGLE,
        "| | fault | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for spec in SINGLES:
        cells = [next((told(each) for each in kept.singles[name] if each.id == spec.id), "") for name in names]
        lines.append(f"| {spec.id} | {spec.title} | {' | '.join(cells)} |")
    counts = [sum(each.verdict == "pass" for each in kept.singles[name]) for name in names]
    return [*lines, "| | passed | " + " | ".join(f"{count} of {len(SINGLES)}" for count in counts) + " |", ""]


def told(single: Single) -> str:
    """A cell: the verdict, the seconds, the attempts at the first and at the second."""
    return f"{single.verdict} {single.seconds:.1f} s ({single.first}+{single.second})"
