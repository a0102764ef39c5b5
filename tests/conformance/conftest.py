"""Says at the end of a run what recorded traffic was looked at, and what was not, and why."""

from collections import defaultdict
from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Exchanges read, excepted and passed over, and the classes of errors: told by the tests themselves."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    told: dict[str, list[Any]] = defaultdict(list)
    for report in reports:
        for name, value in report.user_properties:
            told[name].append(value)
    if not told:
        return
    terminalreporter.section("recorded traffic")
    write = terminalreporter.write_line
    read, excepted = sum(row[1] for row in told["conformance"]), sum(row[2] for row in told["conformance"])
    write(f"{read} exchanges read, {excepted} of them excepted from a check (exceptions.py)")
    write("  ".join(f"{family} {count}" for family, count, _ in sorted(told["conformance"])))
    for readers, reasons in told["accounting"]:
        write(f"\n{sum(readers.values())} exchanges are read, {sum(reasons.values())} passed over:")
        for sign, counts in (("read", readers), ("not", reasons)):
            for what, count in sorted(counts.items(), key=lambda item: -item[1]):
                write(f"{count:6} {sign:4} {what}")
    for rows in told["errors"]:
        write(f"\n{sum(row[3] for row in rows)} errors, by host, status and class:")
        for host, status, outcome, count in rows:
            write(f"{count:6} {host or 'no host':50} {status} {outcome}")
