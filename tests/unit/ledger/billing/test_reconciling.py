"""Reconciliation: providers' exports as they write them, our own books, and every fault told by its place."""

import json
from datetime import UTC, datetime

import pytest

from headgate.core.problems import InvalidRequest
from headgate.ledger.billing.reconciling import Count, Drift, compare, counted, drifting, read_report
from headgate.store.queries.spend import Place, Spent, Sums

START_S = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
DAY_S = 86_400


def openai(*results: dict, start: int = START_S, **more: object) -> bytes:
    bucket = {"object": "bucket", "start_time": start, "end_time": start + DAY_S, "results": list(results)}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False} | more).encode()


USAGE = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "output_tokens": 500,
    "input_cached_tokens": 800,
    "num_model_requests": 5,
    "model": "gpt-4o",
}
COST = {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"}}
ANTHROPIC = {
    "data": [
        {
            "starting_at": "2026-11-01T00:00:00Z",
            "ending_at": "2026-11-02T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
                    "cache_read_input_tokens": 200,
                    "output_tokens": 50,
                    "model": "claude-haiku-4-5",
                }
            ],
        }
    ],
    "has_more": False,
}


def test_openai_tells_usage_by_model():
    report = read_report(openai(USAGE, USAGE, USAGE | {"model": None}))
    assert (report.form, report.start_us, report.end_us) == (
        "OpenAI usage",
        START_S * 1_000_000,
        (START_S + DAY_S) * 1_000_000,
    )
    assert report.counts == {
        "gpt-4o": Count(calls=10, input_tokens=2000, output_tokens=1000),
        "": Count(calls=5, input_tokens=1000, output_tokens=500),
    }


def test_openai_tells_costs_of_all_models_together():
    report = read_report(openai(COST, COST))
    assert report.counts == {"": Count(cost_nano_usd=120_000_000)}
    ours = {"a": Count(calls=1, cost_nano_usd=100_000_000), "b": Count(calls=1, cost_nano_usd=20_000_001)}
    assert compare(ours, report.counts) == [Drift("", "cost_nano_usd", 120_000_001, 120_000_000)]


def test_anthropic_tells_what_went_in_by_parts():
    report = read_report(json.dumps(ANTHROPIC).encode())
    assert (report.form, report.start_us) == ("Anthropic usage", START_S * 1_000_000)
    assert report.counts == {"claude-haiku-4-5": Count(input_tokens=3200, output_tokens=50)}


def test_csv_is_read_by_its_header():
    report = read_report(b"\xef\xbb\xbfdate,model,calls,cost_usd\n2026-11-01,a,2,0.5\n2026-11-03,a,1,0.000000001\n")
    assert report.counts == {"a": Count(calls=3, cost_nano_usd=500_000_001)}
    assert report.end_us - report.start_us == 3 * DAY_S * 1_000_000


def spent(at_s: int, provider: str, upstream: str, calls: int) -> Spent:
    return Spent(Place(at_s * 1_000_000, "k", "", "smart", provider, upstream), Sums(calls, 10, 20, 30, 40))


def test_our_books_of_the_same_time_and_provider_are_compared():
    report = read_report(openai(USAGE))
    books = [
        spent(START_S - 900, "openai", "gpt-4o", 100),
        spent(START_S, "openai", "gpt-4o", 4),
        spent(START_S + DAY_S - 900, "openai", "o3", 1),
        spent(START_S + DAY_S, "openai", "gpt-4o", 100),
        spent(START_S, "azure", "gpt-4o", 100),
    ]
    found = compare(counted(books, "openai", report), report.counts)
    assert [(each.model, each.what, each.ours, each.theirs, each.difference) for each in found] == [
        ("gpt-4o", "calls", 4, 5, -1),
        ("gpt-4o", "input_tokens", 10, 1000, -990),
        ("gpt-4o", "output_tokens", 20, 500, -480),
        ("o3", "calls", 1, 0, 1),
        ("o3", "input_tokens", 10, 0, 10),
        ("o3", "output_tokens", 20, 0, 20),
    ]
    assert [found[0].share, found[3].share] == [-0.2, None]
    assert [each.what for each in drifting(found[:3], 0.5)] == ["input_tokens", "output_tokens"]
    assert len(list(drifting(found, 0.99))) == 3
    assert counted(books, "openai", report)["o3"].cost_nano_usd == 30


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "no JSON"),
        (b"", "neither JSON nor CSV"),
        (b"{}", r"\$\.data: takes a list"),
        (b'{"data": []}', "the export is empty"),
        (b'{"data": [1]}', r"\$\.data\[0\]: takes an object"),
        (openai(USAGE, has_more=True), "one page of several"),
        (openai(1), r"results\[0\]: takes an object"),
        (openai({}), "no usage or cost"),
        (openai(USAGE | {"input_tokens": -1}), r"input_tokens: takes a whole number from 0, not -1"),
        (openai(USAGE | {"num_model_requests": 1.5}), "num_model_requests: takes a whole number"),
        (openai(USAGE | {"output_tokens": 2**63}), "output_tokens: takes a whole number"),
        (openai(COST | {"amount": {"value": 1, "currency": "eur"}}), "'eur' is not known here"),
        (openai(COST | {"amount": {"value": "x", "currency": "usd"}}), "'x' is no amount"),
        (openai(COST | {"amount": None}), "currency: '' is not known"),
        (openai(USAGE, start=START_S + 60), "quarters of an hour"),
        (json.dumps({"data": [{"starting_at": "x", "ending_at": "y", "results": []}]}).encode(), "'x' is no time"),
        (b"date,model\n", "neither JSON nor CSV"),
        (b"date,model,calls\n", "export is empty"),
        (b"date,model,calls\nx,a,1\n", "line 2: 'x' is no time"),
        (b"date,model,calls\n2026-11-01,a,-1\n", "line 2: calls takes a whole number from 0, not '-1'"),
        (b"date,model,calls\n2026-11-01,a\n", "line 2: calls takes a whole number"),
        (b"date,model,cost_usd\n2026-11-01,a,nan\n", "'nan' is no amount"),
    ],
)
def test_a_fault_is_told_by_its_place(data: bytes, told: str):
    with pytest.raises(InvalidRequest, match=told):
        read_report(data)
