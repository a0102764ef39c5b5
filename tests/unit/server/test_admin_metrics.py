"""`/metrics` as Prometheus reads it: well-formed, of closed labels, counters that only grow."""

import re
from collections import Counter
from pathlib import Path

import yaml

from headgate.server.admin.measured import Measured
from headgate.server.admin.metrics import exposition
from headgate.store.queries.rollups import ATTEMPT_ROLLUP, CALL_ROLLUP, Found

ROOT = Path(__file__).parents[3]
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9.]+)')


def sums(**numbers: int) -> dict[str, int]:
    return dict.fromkeys(CALL_ROLLUP.sums, 0) | numbers


def measured(*calls: Found) -> Measured:
    attempts = [Found(("p", "slow"), {"attempts": 3})]
    assert "attempts" in ATTEMPT_ROLLUP.sums
    return Measured(
        calls=calls,
        attempts=attempts,
        deployments=Counter({("p", "open"): 2}),
        in_flight={"p": 1},
        lag_s=0.25,
        lag_bytes=7,
        rejected=0,
        names={"fast"},
    )


def parsed(text: str) -> dict[str, float]:
    """Every sample; refuses what Prometheus would."""
    types: dict[str, str] = {}
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} twice"
            types[name] = kind
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found is not None, line
            family = re.sub(r"_(bucket|sum|count)$", "", found[1])
            assert found[1] in types or types.get(family) in ("histogram", "summary"), line
            key = line.rpartition(" ")[0]
            assert key not in samples, f"{key} twice"
            samples[key] = float(found[3])
    assert text.endswith("\n")
    return samples


def test_calls_are_told_in_prometheus_units():
    numbers = sums(calls=10, failed=2, refused=1, gone=1, input_tokens=50, output_tokens=5, cost_nano_usd=1_500_000_000)
    told = parsed(exposition(measured(Found(("p", "fast"), numbers | {"overhead_us": 2_000_000, "d3": 4, "d24": 6}))))
    where = 'provider="p",model="fast"'
    assert told[f'headgate_requests_total{{{where},status="ok"}}'] == 6
    assert told[f'headgate_requests_total{{{where},status="failed"}}'] == 2
    assert told[f'headgate_tokens_total{{{where},type="output"}}'] == 5
    assert told[f"headgate_cost_usd_total{{{where}}}"] == 1.5
    assert told[f"headgate_overhead_seconds_sum{{{where}}}"] == 2
    assert told[f'headgate_request_duration_seconds_bucket{{{where},le="0.022"}}'] == 0
    assert told[f'headgate_request_duration_seconds_bucket{{{where},le="0.033"}}'] == 4
    assert told[f'headgate_request_duration_seconds_bucket{{{where},le="+Inf"}}'] == 10
    assert told[f"headgate_request_duration_seconds_count{{{where}}}"] == 10
    assert told['headgate_upstream_attempts_total{provider="p",outcome="slow"}'] == 3
    assert told['headgate_deployments{provider="p",state="open"}'] == 2
    assert told['headgate_inflight_attempts{provider="p"}'] == 1
    assert told["headgate_journal_lag_seconds"] == 0.25


def test_names_that_nobody_lists_are_one():
    strange = [Found(("p", f"model-{number}"), sums(calls=1)) for number in range(10_000)]
    told = parsed(exposition(measured(Found(("p", "fast"), sums(calls=1)), *strange)))
    assert told['headgate_requests_total{provider="p",model="other",status="ok"}'] == 10_000
    assert len(told) < 200


def test_what_stands_in_a_label_is_escaped():
    text = exposition(measured(Found(('a"b\\c\nd', "fast"), sums(calls=1))))
    assert parsed(text)
    assert r'provider="a\"b\\c\nd"' in text


def test_the_rules_for_other_names_read_what_there_is():
    told = exposition(measured(Found(("p", "fast"), sums(calls=1))))
    names = {line.partition("{")[0].partition(" ")[0] for line in told.splitlines() if not line.startswith("#")}
    rules = yaml.safe_load((ROOT / "docs" / "prometheus" / "litellm-names.rules.yml").read_text())["groups"][0]["rules"]
    assert len({rule["record"] for rule in rules}) == len(rules) == 15
    for rule in rules:
        assert set(re.findall(r"headgate_\w+", rule["expr"])) <= names, rule
