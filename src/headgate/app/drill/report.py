"""What a drill found, for people and machines: Markdown, HTML, JSON. Pure."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

import msgspec
from msgspec import Struct

from headgate.app.drill.judge import Result
from headgate.app.drill.running import Plan


class Drill(Struct, frozen=True, kw_only=True):
    """All of it. `results` by route."""

    version: str
    when: str
    plan: Plan
    results: Mapping[str, Sequence[Result]]
    notes: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Whether every bound of every scenario held on every route."""
        return all(result.holds for results in self.results.values() for result in results)


HEADINGS: Final = ("", "scenario", "answers", "lost", "dishonest", "switch", "added p50 / p99", "extra cost", "verdict")


def cells(result: Result) -> tuple[str, ...]:
    """One row: what users noticed, what it took, what it cost."""
    seen = result.measures
    switch, extra = seen.get("switch_s"), seen.get("extra_cost_pct")
    added = seen.get("added_p50_ms"), seen.get("added_p99_ms")
    missed = [
        f"{each.bound} (is {each.value:.4g})" for each in result.findings if not each.holds and each.value is not None
    ]
    return (
        result.scenario,
        result.title,
        "streamed" if result.is_stream else "whole",
        f"{result.lost} of {result.calls}",
        f"{seen.get('dishonest', 0):g}",
        "-" if switch is None else f"{switch:.2f} s",
        "-" if added[0] is None or added[1] is None else f"{added[0]:.1f} / {added[1]:.1f} ms",
        "-" if extra is None else f"{extra:.1f} %",
        "holds" if result.holds else f"MISSED {', '.join(missed)}",
    )


def _summary(drill: Drill) -> str:
    results = [result for each in drill.results.values() for result in each]
    held = sum(result.holds for result in results)
    return f"{held} of {len(results)} scenarios hold."


def _method(drill: Drill) -> str:
    plan = drill.plan
    return (
        f"Headgate {drill.version}, {drill.when}: {plan.rate_per_s:g} calls per second at random times, "
        f"{plan.warm_s:g} s before each fault, {plan.fault_s:g} s with it, {plan.after_s:g} s after it, with simulated "
        "upstreams in place of the providers. Lost: calls of the fault's time without the whole right answer."
    )


def markdown(drill: Drill) -> str:
    """A page of Markdown."""
    lines = ["# Drill", "", _summary(drill), "", _method(drill), ""]
    for route, results in drill.results.items():
        lines += [f"## {route}", "", f"| {' | '.join(HEADINGS)} |", "|" + "---|" * len(HEADINGS)]
        lines += [f"| {' | '.join(cells(result))} |" for result in results]
        lines.append("")
    return "\n".join([*lines, *(f"* {note}" for note in drill.notes)]).rstrip() + "\n"


_STYLE: Final = (
    "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{padding:.35rem .6rem;border-bottom:1px solid #8884;text-align:left}"
    "td.holds{color:#18794e}td.missed{color:#ca3214;font-weight:600}"
)


def html(drill: Drill) -> str:
    """A page on its own: no script, nothing fetched."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Headgate drill</title>',
        f"<style>{_STYLE}</style></head><body><h1>Drill</h1><p><strong>{escape(_summary(drill))}</strong></p>",
        f"<p>{escape(_method(drill))}</p>",
    ]
    for route, results in drill.results.items():
        head = "".join(f"<th>{escape(each)}</th>" for each in HEADINGS)
        parts.append(f"<h2>{escape(route)}</h2><table><thead><tr>{head}</tr></thead><tbody>")
        parts += map(_row, results)
        parts.append("</tbody></table>")
    parts += [f"<p>{escape(note)}</p>" for note in drill.notes]
    return "".join([*parts, "</body></html>\n"])


def _row(result: Result) -> str:
    *rest, verdict = cells(result)
    kind = "holds" if result.holds else "missed"
    return f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in rest)}<td class={kind}>{escape(verdict)}</td></tr>"


def json(drill: Drill) -> str:
    """Everything that was measured."""
    told = msgspec.to_builtins(drill)
    return msgspec.json.format(msgspec.json.encode({"holds": drill.holds, **told})).decode() + "\n"


FORMS: Final[Mapping[str, Callable[[Drill], str]]] = {".md": markdown, ".html": html, ".json": json}
"""By the end of a file's name."""
