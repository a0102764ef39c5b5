"""Says whether every room is tested enough: each line and branch of the pure ones, nine in ten of the others.

Reads what `pytest --cov --cov-report=json` wrote: tools/coverage.py FILE
"""

import json
import sys
from collections import Counter
from pathlib import Path

# All of the pure rooms is meant to be reached; in the dialects a handful of branches are so by chance only, in
# property tests, so that a run may miss one or two of eleven thousand.
PERCENT_MIN = {"core": 100.0, "dialects": 99.9, "limits": 100.0, "providers": 100.0, "routing": 100.0}
PERCENT_MIN_ELSEWHERE = 90.0


def main(path: str) -> int:
    """Prints one line for each room; 1 if any is below its minimum."""
    report = json.loads(Path(path).read_text())
    total: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    gaps: dict[str, list[str]] = {}
    for name, file in report["files"].items():
        room = _room(name)
        summary = file["summary"]
        total[room] += summary["num_statements"] + summary["num_branches"]
        covered[room] += summary["covered_lines"] + summary["covered_branches"]
        missing = [f"{name}:{line}" for line in file["missing_lines"]]
        missing += [
            f"{name}:{start}->{end}" for start, end in file["missing_branches"] if end not in file["missing_lines"]
        ]
        gaps.setdefault(room, []).extend(missing)
    is_short = False
    for room in sorted(total):
        percent = 100.0 * covered[room] / total[room] if total[room] else 100.0
        wanted = PERCENT_MIN.get(room, PERCENT_MIN_ELSEWHERE)
        is_below = percent < wanted
        is_short |= is_below
        sys.stdout.write(f"{room:10} {percent:6.2f} % of {wanted:g} %{'  below' if is_below else ''}\n")
        if is_below:
            sys.stdout.writelines(f"    {gap}\n" for gap in gaps[room][:40])
    return int(is_short)


def _room(name: str) -> str:
    parts = Path(name).parts
    place = parts.index("headgate") + 1
    return parts[place] if len(parts) > place + 1 else "headgate"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
