"""The report: one set of Markdown tables for the terminal and for the file, and the same numbers as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import numbers, wire
from bench.gateways import GATEWAYS
from bench.measure import DIRECT, TREE, Cores, Plan, Results
from bench.numbers import LARGE, OURS, SMALL, Row, Target

JSON_FILE = TREE / "bench" / "results" / "latest.json"
MARKDOWN_FILE = TREE / "docs" / "benchmarks" / "throughput.md"
OTHERS_SHARE_NOISY = 0.1
UNANSWERED_SHARE_MAX = 0.01
SPEED_NOTE = (
    "› the load was the limit, not the gateway: its core had time left. *others* is what other processes took of the "
    "gateway's core meanwhile: it lowers calls per second, and hardly touches CPU per call."
)


def _short(value: float | None, unit: str = "") -> str:
    """Three figures that mean something."""
    if value is None:
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 or size == int(size) else 1 if size >= 10 else 2
    text = f"{value:,.{digits}f}" if size >= 0.1 or size == 0 else f"{value:.2g}"
    return f"{text} {unit}" if unit and unit != "×" else f"{text}{' ×' if unit else ''}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table with columns of one width, so that it reads in a terminal too."""
    cells = [list(head), *map(list, lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (cells[0], rule, *cells[1:])
    )


def _throughput_line(row: Row) -> list[str]:
    line = [row.name]
    for load in (SMALL, LARGE):
        waits = row.name != DIRECT and row.busy[load] < numbers.BUSY_FULL
        line += [
            _short(row.calls_per_s[load]) + (" ›" if waits else ""),
            _short(row.cpu_us_per_call[load]) if row.name != DIRECT else "–",
        ]
    if row.name == DIRECT:
        return [*line, _short(row.events_per_s), "–", "–"]
    return [*line, _short(row.events_per_s), _short(row.cpu_us_per_event), f"{row.others_share:.0%}"]


def _living_line(row: Row) -> list[str]:
    carries = row.unanswered <= row.offered * UNANSWERED_SHARE_MAX
    latency = [_short(row.added_ms_p50, "ms"), _short(row.added_ms_p99, "ms")] if carries else ["cannot carry it"] * 2
    memory = [_short(row.idle_mb, "MB"), _short(row.loaded_mb, "MB")]
    return [row.name, *latency, *memory, _short(row.start_s, "s"), str(row.failed)]


def _absent_lines(results: Results, width: int) -> list[list[str]]:
    names = [name for name in results.absent if name not in results.samples]
    return [[name, "absent"] + [""] * (width - 2) for name in names]


def _speed(results: Results, rows: list[Row]) -> list[str]:
    head = ["gateway", *(f"{what}, {load}" for load in (SMALL, LARGE) for what in ("calls/s", "CPU µs/call"))]
    head += ["events/s", "CPU µs/event", "others"]
    lines = [_throughput_line(row) for row in rows]
    text = table(head, lines + _absent_lines(results, len(head)))
    return ["## Throughput of one core", text, SPEED_NOTE]


def _living(results: Results, rows: list[Row], plan: Plan) -> list[str]:
    head = ["gateway", f"added p50 at {plan.rate_per_s}/s", "added p99", "memory idle", "after load", "start", "failed"]
    lines = [_living_line(row) for row in rows if row.name != DIRECT]
    return ["## Latency, memory, start", table(head, lines + _absent_lines(results, len(head)))]


def _faults(results: Results, rows: list[Row]) -> list[str]:
    lines = [f"- **{name}** is absent or fell out: {reason}" for name, reason in results.absent.items()]
    lines += [
        f"- **{row.name}**: {row.failed} failed calls, the first: {row.first_fault}" for row in rows if row.failed
    ]
    return ["## What failed", "\n".join(lines) or "No call failed, and no gateway is absent."]


def _ratios(results: Results) -> list[str]:
    ours = OURS if OURS in results.samples else "nginx"
    others = [gateway.name for gateway in GATEWAYS if gateway.name not in (ours, OURS)]
    lines = [
        [what, *(_short(numbers.ratio(results, ours, other, read), "×") for other in others)]
        for what, read in numbers.RATIOS.items()
    ]
    return [f"## {ours} as a multiple of the others", table([f"{ours} ÷", *others], lines)]


def _imports(results: Results) -> list[str]:
    lines = [[f"`import {module}`", _short(seconds, "s")] for module, seconds in results.import_s.items()]
    return ["## Import, over a bare interpreter", table(["", "median"], lines)] if lines else []


def verdicts(found: list[Target]) -> str:
    lines = [
        [
            "holds" if target.holds else "MISSED" if target.measured is not None else "not measured",
            target.text,
            _short(target.measured, target.unit),
            f"{target.bound} {_short(target.limit, target.unit)}",
        ]
        for target in found
    ]
    return table(["", "target", "measured", "promised"], lines)


def machine() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return (
        f"{os.cpu_count()} cores of {model}, {memory_gb:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def method(plan: Plan, cores: Cores) -> str:
    apart = f"the gateway alone on core {cores.gateway}, upstream and load generator on core {cores.load}"
    if cores.load == cores.gateway:
        apart = "ALL ON ONE CORE, so the numbers are not comparable"
    bodies = " and ".join(f"{size:,}" for size in wire.BODY_BYTES.values())
    return (
        f"{plan.rounds} interleaved rounds, medians; {apart}; every gateway started anew in every round. "
        "Ratios are taken within a round. "
        f"Throughput: {plan.connections} connections, each with one call under way, {plan.seconds:g} s after "
        f"{plan.warm_s:g} s of warming or more, bodies of exactly {bodies} bytes, an answer of "
        f"{len(wire.whole_answer())} bytes at once. "
        f"Streams: {plan.streams} connections reading streams of {plan.events} text events, each event its own write, "
        "as fast as they are taken. "
        f"Latency: calls leave at {plan.rate_per_s} per second at set times and are timed from those times; the "
        "upstream's own is subtracted. "
        "CPU is user and system time of the gateway's whole process tree; memory is its resident memory (pages that "
        "processes share count in each); start is from the start of the process to the first right answer. "
        "Every answer is checked: status, length, and one in 64 by its text and usage; every stream by the number of "
        "its events and its end."
    )


def _settings(results: Results) -> list[str]:
    lines: list[str] = []
    for gateway in GATEWAYS:
        version = results.versions.get(gateway.name, "")
        note = f" Note: {note}." if (note := results.notes.get(gateway.name)) else ""
        lines.append(f"- **{f'{gateway.name} {version}'.strip()}**: {gateway.settings}.{note}")
    return ["## How each was run", "\n".join(lines)]


def render(results: Results, plan: Plan, when: datetime) -> str:
    rows = numbers.rows(results)
    noise = max((row.others_share for row in rows), default=0.0)
    warning = f" **Noisy: others took {noise:.0%} of the gateways' core.**" if noise > OTHERS_SHARE_NOISY else ""
    parts = [
        "# Throughput",
        f"Made by `make bench` on {when:%Y-%m-%d %H:%M} UTC. {machine()}.{warning}",
        "## Targets",
        verdicts(numbers.targets(results)),
        *_ratios(results),
        *_speed(results, rows),
        *_living(results, rows, plan),
        *_imports(results),
        *_faults(results, rows),
        *_settings(results),
        "## Method",
        method(plan, results.cores),
    ]
    return "\n\n".join(parts) + "\n"


def write_json(results: Results, plan: Plan, when: datetime) -> None:
    found = numbers.targets(results)
    whole = {
        "when": when.isoformat(timespec="seconds"),
        "machine": machine(),
        "plan": msgspec.to_builtins(plan),
        "rows": numbers.rows(results),
        "targets": [msgspec.to_builtins(target) | {"holds": target.holds} for target in found],
        "results": results,
    }
    JSON_FILE.parent.mkdir(parents=True, exist_ok=True)
    JSON_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")


def write_markdown(text: str) -> None:
    MARKDOWN_FILE.parent.mkdir(parents=True, exist_ok=True)
    MARKDOWN_FILE.write_text(text)


def now() -> datetime:
    return datetime.now(UTC)
