"""Small records and classes of failures, each in its defaults and in its odd case."""

import msgspec
import pytest

from headgate.core.principal import Principal
from headgate.core.problems import Outcome, Problem, UpstreamError, outcome_of_status
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.signatures import has_seals
from headgate.core.usage import Usage
from headgate.dialects.gemini.signatures import SEALS


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, Outcome.RATE),
        (418, Outcome.CLIENT),
        (499, Outcome.CLIENT),
        (399, Outcome.SERVER),
        (500, Outcome.SERVER),
        (599, Outcome.SERVER),
    ],
)
def test_a_bare_status_has_a_class(status: int, outcome: Outcome) -> None:
    assert outcome_of_status(status) == outcome


def test_a_problem_shows_its_own_status_or_that_of_its_kind() -> None:
    assert Problem(kind="rate_limit", message="Slow.", status=498).http_status == 498
    assert Problem(kind="rate_limit", message="Slow.").http_status == 429


def test_an_upstream_error_carries_the_very_problem() -> None:
    problem = Problem(kind="overloaded", message="Busy.", outcome=Outcome.OVERLOAD, status=529)

    error = UpstreamError(problem)

    assert (str(error), error.problem) == ("Busy.", problem)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"signature":"~hg.gemini.c2ln"}', True),
        (b'{"signature":"fmhnLmdlbWluaS5z"}', True),
        (b'{"signature":"c2ln","text":"about ~hg.gemini."}', False),
    ],
)
def test_a_seal_is_seen_by_its_beginning(body: bytes, found: bool) -> None:
    assert has_seals(body, SEALS) is found


def test_a_caller_may_ask_for_all_models_unless_told() -> None:
    caller = Principal(key_id="k", name="Ann")

    assert (caller.team, caller.models) == ("", None)
    with pytest.raises(AttributeError):
        caller.team = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_start_comes_back_from_the_journal_as_it_went() -> None:
    attempt = AttemptStart(
        call_id="c", number=1, started_us=5, provider="p", model="m", dialect="gemini", lane="translated"
    )
    start = CallStart(
        id="c",
        started_us=4,
        key_id="k",
        surface="anthropic",
        operation="chat",
        model="fast",
        is_stream=True,
        attempt=attempt,
    )

    wire = msgspec.json.encode(start)

    # order is the format: a journal of yesterday must be read tomorrow
    assert wire == (b'["c",4,"k","anthropic","chat","fast",true,"","",["c",1,5,"p","m","gemini","translated",""]]')
    assert msgspec.json.decode(wire, type=CallStart) == start


def test_a_record_keeps_what_is_known_and_invents_nothing() -> None:
    attempt = Attempt(
        number=1,
        provider="p",
        model="m",
        dialect="gemini",
        lane="verbatim",
        usage=Usage(input_tokens=3),
        is_priced=False,
    )
    record = CallRecord(
        id="c",
        started_us=4,
        key_id="k",
        surface="gemini",
        operation="chat",
        model="m",
        is_stream=False,
        attempts=[attempt],
    )

    told = msgspec.to_builtins(record)

    assert told["attempts"][0] | {"usage": None} == {
        "number": 1,
        "provider": "p",
        "model": "m",
        "dialect": "gemini",
        "lane": "verbatim",
        "usage": None,
        "is_priced": False,
    }
    assert {name: value for name, value in told.items() if value and name != "attempts"} == {
        "id": "c",
        "started_us": 4,
        "key_id": "k",
        "surface": "gemini",
        "operation": "chat",
        "model": "m",
    }
    assert msgspec.convert(told, CallRecord) == record
