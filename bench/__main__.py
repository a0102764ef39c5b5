"""`python -m bench`: measures, prints, and with `--write` records for the documentation."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys

from bench import numbers, report
from bench.gateways import GATEWAYS
from bench.measure import Plan, measure

QUICK = Plan(
    rounds=1, seconds=0.5, warm_s=0.2, patience_s=3.0, warm_calls=50, streams=64, imports=2, modules=("headgate",)
)


def arguments() -> argparse.Namespace:
    names = ", ".join(gateway.name for gateway in GATEWAYS)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=float, help="length of one measurement (3)")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one short round, numbers mean little")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"some gateways alone: {names}")
    parser.add_argument("--write", action="store_true", help=f"write {report.MARKDOWN_FILE.relative_to(report.TREE)}")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed or not measured")
    given = parser.parse_args()
    known = {gateway.name.lower() for gateway in GATEWAYS}
    if unknown := {name.lower() for name in given.only or ()} - known:
        parser.error(f"--only knows {names}, not {', '.join(sorted(unknown))}")
    if given.write and (given.quick or given.only):
        parser.error("only a whole run is for the record: --write goes with neither --quick nor --only")
    if (given.rounds is not None and not 1 <= given.rounds <= 50) or (given.seconds and not 0.2 <= given.seconds <= 60):
        parser.error("--rounds is 1 to 50, --seconds 0.2 to 60")
    return given


def plan_of(given: argparse.Namespace) -> Plan:
    base = QUICK if given.quick else Plan()
    changes = {name: value for name in ("rounds", "seconds") if (value := getattr(given, name)) is not None}
    return dataclasses.replace(base, **changes)


def end(number: int, frame: object) -> None:
    """Leaves by way of every context manager, so that what was started is ended."""
    sys.exit(128 + number)


def main() -> int:
    given = arguments()
    plan = plan_of(given)
    only = {name.lower() for name in given.only or ()}
    chosen = tuple(gateway for gateway in GATEWAYS if not only or gateway.name.lower() in only)
    signal.signal(signal.SIGTERM, end)
    when = report.now()
    results = measure(plan, chosen, lambda text: print(text, file=sys.stderr, flush=True))
    text = report.render(results, plan, when)
    print(text)
    report.write_json(results, plan, when)
    if given.write:
        report.write_markdown(text)
    missed = [target for target in numbers.targets(results) if not target.holds]
    return 1 if given.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
