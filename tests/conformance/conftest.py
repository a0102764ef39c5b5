"""Says at the end of a run what recorded traffic was looked at, and what was not, and why."""

from collections import Counter
from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Exchanges read, excepted and passed over, told by the tests themselves."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    told = [value for report in reports for name, value in report.user_properties if name == "conformance"]
    if not told:
        return
    reasons: Counter[str] = Counter()
    for _, _, _, passed_over in told:
        reasons.update(passed_over)
    read, excepted = sum(row[1] for row in told), sum(row[2] for row in told)
    terminalreporter.section("recorded traffic")
    terminalreporter.write_line(f"{read} exchanges read, {excepted} of them excepted from a check (exceptions.py)")
    terminalreporter.write_line("  ".join(f"{family} {count}" for family, count, _, _ in sorted(told)))
    terminalreporter.write_line(f"{reasons.total()} calls passed over:")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:6} {reason}")
