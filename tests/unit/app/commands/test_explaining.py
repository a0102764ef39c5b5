"""`headgate explain`: what stands in the store of a call, told to people and as JSON."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from headgate.app.cli import main
from headgate.app.commands.explaining import lines
from headgate.core.problems import Outcome
from headgate.core.record import Attempt, CallRecord, Weighed
from headgate.core.usage import Usage
from headgate.store.queries import calls
from headgate.store.sqlite import open_sqlite

RECORD = CallRecord(
    id="req_1",
    started_us=1_790_000_000_123_456,
    key_id="k1",
    surface="openai_chat",
    operation="chat",
    model="smart",
    is_stream=True,
    user="ann",
    session="s1",
    route="smart",
    strategy="cheapest",
    candidates=["b/m", "a/m"],
    weighed=(
        Weighed("a/m", "suspect", 7.5, 0.25, 0.0),
        Weighed("b/m", "chosen", -1.0),
        Weighed("c/m", "quota", 0.0, 1.0, 3.21),
        Weighed("d/m", "cannot call tools"),
    ),
    status=200,
    attempts=[
        Attempt(
            number=1, provider="b", model="m", dialect="openai_chat", lane="verbatim", started_ms=0.4,
            duration_ms=3.2, outcome=Outcome.CONNECT, message="refused", is_priced=False,
        ),
        Attempt(
            number=2, why="retry", provider="a", model="m", dialect="anthropic", lane="translated", started_ms=3.9,
            ttft_ms=400.0, duration_ms=900.0, status=200, usage=Usage(input_tokens=12, output_tokens=34),
            usage_source="provider_reported", cost_nano_usd=1500,
        ),
    ],
    dropped=["seed"],
    cost_nano_usd=1500,
    ttft_ms=404.0,
    duration_ms=905.0,
    overhead_ms=1.8,
)  # fmt: skip

TOLD = """\
call        req_1
began       2026-09-21 14:13:20.123 UTC
caller      key k1, user ann, session s1
asked for   smart: chat in openai_chat, as a stream
understood  the route smart, strategy cheapest

candidates, in the order in which they would be tried
  1. b/m
  2. a/m
weighed
  a/m  put last: overdue more often than by chance, cost 7.5, gets 25% of its usual traffic
  b/m  may have the call, cost not known
  c/m  passed over: its quota wants it left alone, for 3.2 s
  d/m  cannot call tools

attempts: 2
  1. b/m (openai_chat, verbatim), the first choice
     sent at 0.4 ms, over after 3.2 ms, no answer was begun, connect (refused)
     no tokens (none), no price is known
  2. a/m (anthropic, translated), after a failure
     sent at 3.9 ms, first token after 400.0 ms, over after 900.0 ms, HTTP 200, ok
     12 tokens in, 34 out (provider_reported), USD 0.000001500

ended       HTTP 200, answered
took        first token after 404.0 ms, 905.0 ms in all, 1.8 ms of it our own
cost        USD 0.000001500
dropped     seed"""


def test_everything_that_was_decided_is_told() -> None:
    assert "\n".join(lines(RECORD)) == TOLD


def test_a_plain_failed_call_is_told_too() -> None:
    record = CallRecord(
        id="req_2", started_us=0, key_id="k", surface="gemini", operation="file", model="m", is_stream=False,
        route="model", strategy="ordered", candidates=["a/m", "b/m"], status=502, outcome=Outcome.SERVER,
        error="it broke", is_priced=False, path="GET /v1/files",
    )  # fmt: skip
    told = "\n".join(lines(record))
    assert "understood  a model by its name, strategy ordered\nsent on     GET /v1/files" in told
    assert "nothing had to be weighed: all were well, and the order is the operator's" in told
    assert "ended       HTTP 502, server: it broke" in told
    assert "cost        not known" in told


def test_what_was_never_planned_says_so() -> None:
    record = CallRecord(
        id="req_3", started_us=0, key_id="k", surface="gemini", operation="chat", model="m", is_stream=False
    )
    told = "\n".join(lines(record))
    assert "understood" not in told
    assert "would be tried\n  none" in told


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("HEADGATE_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headgate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_command_reads_the_store(shell, tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "headgate.db")
    with store.write() as connection:
        calls.add(connection, [(RECORD, msgspec.json.encode(RECORD))])
    store.close()
    assert shell("explain", "req_1") == (0, TOLD + "\n", "")
    told = json.loads(shell("explain", "req_1", "--json")[1])
    assert (told["object"], told["id"], told["cost_usd"]) == ("generation", "req_1", "0.000001500")
    assert [each[:2] for each in told["weighed"]][2:] == [["c/m", "quota"], ["d/m", "cannot call tools"]]


def test_a_call_that_is_not_there_is_a_fault_of_the_operator(shell) -> None:
    code, out, err = shell("explain", "req_none")
    assert (code, out) == (2, "")
    assert "no call 'req_none' is in" in err
