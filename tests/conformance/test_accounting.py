"""Every recorded exchange is read by a test of this suite, or stands in the one table of those that none reads."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance import test_counting, test_errors, test_foreign_vectors, test_kept, test_operations, test_sides
from tests.conformance.exceptions import PASSED_OVER
from tests.conformance.traffic import FOLDER, dialect_of, families, records

Reads = Callable[[dict[str, Any]], object]

READERS: tuple[tuple[str, Reads], ...] = (
    ("talks: test_traffic.py", dialect_of),
    ("embeddings and ranking: test_operations.py", test_operations.operation_of),
    ("embeddings at foreign doors: test_foreign_vectors.py", test_foreign_vectors.dialect_of),
    ("pictures, sound, moderation, completions: test_sides.py", test_sides.side_of),
    ("counting: test_counting.py", test_counting.dialect_of),
    ("things that are kept: test_kept.py", test_kept.place_in),
    ("errors of whatever else: test_errors.py", test_errors.is_error),
)
"""By what is read, whether a test reads an exchange: the first that does is told."""


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_every_exchange_is_read_or_has_a_reason(record_property: Callable[[str, object], None]):
    read: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for family in families():
        for record in records(family):
            reader = next((name for name, reads in READERS if reads(record)), None)
            if reader is not None:
                read[reader] += 1
                continue
            call = f"{family} {record['method']} {record['url'].partition('?')[0]}"
            fitting = (reason for rule, reason in PASSED_OVER if re.search(rule, call))
            reasons[next(fitting, f"no reason: {call}")] += 1
    record_property("accounting", [dict(read), dict(reasons)])

    assert [reason for reason in reasons if reason.startswith("no reason")] == []
