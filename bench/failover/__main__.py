"""`python -m bench.failover`: runs the scenarios, prints verdicts, and with `--write` records them for the docs."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

import uvloop

from bench import procs
from bench.failover import lab, record, singles
from bench.failover.rows import HEADGATE, PEERS, RETRYING, Row
from bench.installs import Installed, Unavailable
from headgate.app.drill.judge import Result, judge
from headgate.app.drill.running import Plan, run
from headgate.app.drill.scenarios import BY_ID, SCENARIOS, Scenario


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="LiteLLM in three configurations and Portkey too")
    parser.add_argument("--only", help="names of gateways, separated by semicolons")
    parser.add_argument("--scenarios", help="such as F1,F3; else all; `none` for the single faults alone")
    parser.add_argument("--singles", action="store_true", help="the single faults S01 to S16 too")
    parser.add_argument("--rps", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long the fault lasts")
    parser.add_argument("--warm", type=float, default=8.0, help="seconds before it")
    parser.add_argument("--mode", choices=("stream", "whole", "both"), default="stream")
    parser.add_argument("--write", action="store_true", help=f"write {record.MARKDOWN} from all that was ever kept")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where Headgate misses a bound")
    given = parser.parse_args()
    if not 1 <= given.rps <= 200 or not 3 <= given.seconds <= 120 or not 1 <= given.warm <= 120:
        parser.error("--rps is 1 to 200, --seconds 3 to 120, --warm 1 to 120")
    if given.scenarios and given.scenarios != "none" and (unknown := set(given.scenarios.split(",")) - set(BY_ID)):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(BY_ID)}")
    return given


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def once(row: Row, installed: Installed, scenario: Scenario, plan: Plan, *, is_stream: bool) -> Result | None:
    """One run with everything fresh; None, with the reason said, where the gateway does not start."""
    try:
        with lab.opened(row, installed, is_stream=is_stream) as place:
            result = judge(uvloop.run(run(scenario, place, plan)), is_stream=is_stream)
    except (procs.StartFailed, OSError, asyncio.IncompleteReadError) as failure:
        say(f"{row.name} {scenario.id}: {failure!r}")
        return None
    missed = [finding for finding in result.findings if not finding.holds]
    told = "; ".join(f"{finding.bound} is {finding.value:.4g}" for finding in missed)
    say(f"{row.name} {scenario.id} {'stream' if is_stream else 'whole'}: {f'MISSED {told}' if missed else 'holds'}")
    for note in result.notes if missed else ():
        say(f"    {note}")
    return result


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    os.sched_setaffinity(0, {lab.cores().rest})
    plan = Plan(rate_per_s=given.rps, warm_s=given.warm, fault_s=given.seconds)
    wanted = () if given.scenarios == "none" else given.scenarios.split(",") if given.scenarios else BY_ID
    rows = (HEADGATE, RETRYING, *PEERS) if given.peers else (HEADGATE, RETRYING)
    if given.only:
        rows = tuple(row for row in (HEADGATE, RETRYING, *PEERS) if row.name in given.only.split(";"))
    book = record.Book()
    for row in rows:
        try:
            installed = row.install()
        except Unavailable as reason:
            say(f"{row.name}: {reason}")
            continue
        book.new.versions[row.name] = installed.version
        for scenario in SCENARIOS if row is not RETRYING else ():
            modes = {"stream": [True], "whole": [False], "both": [True, False]}[given.mode]
            for is_stream in [mode for mode in modes if mode or not scenario.streams_only]:
                if scenario.id in wanted and (found := once(row, installed, scenario, plan, is_stream=is_stream)):
                    book.add(row.name, found, plan)
                    book.keep()
        if given.singles and row is not HEADGATE:
            book.new.singles[row.name] = singles.run_all(row, installed, say)
            book.keep()
    if given.write:
        book.write()
    print(record.page(book.new))
    return 1 if given.strict and book.has_missed(HEADGATE.name) else 0


if __name__ == "__main__":
    sys.exit(main())
