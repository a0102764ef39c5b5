"""Failover before the first event, over every way an upstream can fail; judged by the upstreams' own logs."""

import asyncio
import json
from pathlib import Path

import pytest

from headgate.core.problems import Outcome
from headgate.transport.fake import (
    BlackHole,
    CutAfter,
    Empty200,
    Fault,
    HeadersThenSilence,
    HtmlBody,
    InBandError,
    NotHttp,
    Refuse,
    Reset,
    Status,
)
from headgate.transport.fake.upstream import TEXT
from tests.engine.harness import DIALECTS, bench, text_of

FAULTS: list[tuple[Fault, Outcome]] = [
    (Refuse(), Outcome.CONNECT),
    (Reset(), Outcome.CUT),
    (BlackHole(), Outcome.SLOW),
    (HeadersThenSilence(), Outcome.SLOW),
    (Status(status=500), Outcome.SERVER),
    (Status(status=502), Outcome.SERVER),
    (Status(status=503), Outcome.OVERLOAD),
    (Status(status=529), Outcome.OVERLOAD),
    (Status(status=429), Outcome.RATE),
    (Status(status=401), Outcome.ACCOUNT),
    (Status(status=403), Outcome.ACCOUNT),
    (InBandError(), Outcome.OVERLOAD),
    (HtmlBody(), Outcome.PROTOCOL),
    (Empty200(), Outcome.PROTOCOL),
    (NotHttp(), Outcome.PROTOCOL),
    (CutAfter(bytes=0), Outcome.CUT),
]
NAMES = [f"{fault.name}-{getattr(fault, 'status', '')}" for fault, _ in FAULTS]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("fault", "outcome"), FAULTS, ids=NAMES)
def test_a_call_moves_on_when_its_first_upstream_fails(tmp_path: Path, fault: Fault, outcome: Outcome, is_stream: bool):
    async def run() -> None:
        async with bench(tmp_path, "ab", timeout_s=2) as gateway:
            gateway.upstreams["a"].fail(fault)
            if is_stream:
                async with gateway.stream("openai_chat", "r_openai_chat") as response:
                    lines = [
                        json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: {")
                    ]
                text = "".join(line["choices"][0]["delta"].get("content") or "" for line in lines if line["choices"])
            else:
                response = await gateway.post("openai_chat", "r_openai_chat")
                text = text_of("openai_chat", response.content)
            assert (response.status_code, text) == (200, TEXT)
            assert response.headers["x-headgate-provider"] == "b_openai_chat"
            assert response.headers["x-headgate-attempts"] == "2"
            record = await gateway.record(response)
            assert [attempt.outcome for attempt in record.attempts] == [outcome, Outcome.OK]
            assert len(gateway.upstreams["b"].log) == 1

    asyncio.run(run())


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_an_error_inside_a_good_status_moves_on_in_every_dialect(tmp_path: Path, dialect: str, is_stream: bool):
    async def run() -> None:
        async with bench(tmp_path, "ab", timeout_s=2) as gateway:
            gateway.upstreams["a"].fail(InBandError())
            if is_stream:
                async with gateway.stream(dialect, f"r_{dialect}") as response:
                    await response.aread()
            else:
                response = await gateway.post(dialect, f"r_{dialect}")
                assert text_of(dialect, response.content) == TEXT
            assert response.headers["x-headgate-provider"] == f"b_{dialect}"

    asyncio.run(run())


def test_a_fault_of_the_call_is_passed_on_unchanged_and_goes_nowhere_else(tmp_path: Path):
    refusal = (
        b'{"error": {"message": "no such parameter", "type": "invalid_request_error", "param": "x", "code": null}}'
    )

    async def run() -> None:
        async with bench(tmp_path, "ab") as gateway:
            gateway.upstreams["a"].reply(refusal, status=400)
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert (response.status_code, response.content) == (400, refusal)
            assert len(gateway.upstreams["a"].log) == 1
            assert gateway.upstreams["b"].log == []

    asyncio.run(run())


def test_when_all_are_rate_limited_the_earliest_wait_is_told(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "ab") as gateway:
            for name, wait in (("a", "9"), ("b", "4")):
                gateway.upstreams[name].reply(b"{}", status=429, headers=(("retry-after", wait),))
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.status_code == 429
            assert response.headers["retry-after"] == "4"
            assert response.headers["retry-after-ms"] == "4000"
            attempts = response.json()["error"]["metadata"]["attempts"]
            assert [attempt["outcome"] for attempt in attempts] == ["rate", "rate"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("dialect", "fault", "status"),
    [
        ("openai_chat", Status(status=503), 503),
        ("anthropic", Status(status=503), 529),
        ("openai_chat", Status(status=401), 502),
        ("anthropic", Status(status=402), 502),
        ("gemini", Status(status=403), 502),
        ("openai_chat", Refuse(), 502),
        ("gemini", HtmlBody(), 502),
    ],
)
def test_what_the_client_is_told_when_nothing_is_left(tmp_path: Path, dialect: str, fault: Fault, status: int):
    async def run() -> None:
        async with bench(tmp_path, "ab") as gateway:
            for upstream in gateway.upstreams.values():
                upstream.fail(fault)
            response = await gateway.post(dialect, f"r_{dialect}")
            assert response.status_code == status
            assert len(response.json()["error"]["metadata"]["attempts"]) == 2

    asyncio.run(run())


def test_the_deadline_ends_a_call(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", timeout_s=0.3) as gateway:
            gateway.upstreams["a"].fail(BlackHole())
            started = asyncio.get_running_loop().time()
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.status_code == 504
            assert asyncio.get_running_loop().time() - started < 1.0

    asyncio.run(run())


def test_a_route_may_retry_the_same_first(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "ab", retry_same_first=True) as gateway:
            gateway.upstreams["a"].fail(Status(status=503), times=1)
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.headers["x-headgate-provider"] == "a_openai_chat"
            assert len(gateway.upstreams["a"].log) == 2
            assert gateway.upstreams["b"].log == []

    asyncio.run(run())


def test_the_upstreams_key_is_not_the_clients(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            await gateway.post("openai_chat", "r_openai_chat")
            await gateway.post("anthropic", "r_anthropic")
            await gateway.post("gemini", "r_gemini")
            sent = [attempt.headers for attempt in gateway.upstreams["a"].log]
            assert sent[0]["authorization"] == "Bearer upstream-secret"
            assert sent[1]["x-api-key"] == "upstream-secret"
            assert sent[2]["x-goog-api-key"] == "upstream-secret"
            assert "Bearer anything" not in str(sent)

    asyncio.run(run())


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_withheld_answer_goes_on_where_the_operator_says_and_its_cost_is_booked(tmp_path: Path, is_stream: bool):
    usage = '"usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7}'
    choice = '{"index":0,"delta":{},"message":{"role":"assistant","content":""},"finish_reason":"content_filter"}'
    answer = '{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[%s],%s}' % (choice, usage)  # noqa: UP031
    chunk = answer.replace('"chat.completion"', '"chat.completion.chunk"')
    body = f"data: {chunk}\n\ndata: [DONE]\n\n" if is_stream else answer
    kind = "text/event-stream" if is_stream else "application/json"

    async def run() -> None:
        routes = {
            "strict": {"targets": ["a_openai_chat/m"]},
            "lax": {"targets": ["a_openai_chat/m"], "on_policy": ["b_openai_chat/m"]},
        }
        async with bench(tmp_path, "ab", routes=routes) as gateway:
            gateway.upstreams["a"].reply(body.encode(), headers=(("content-type", kind),))
            for model, provider in (("strict", "a_openai_chat"), ("lax", "b_openai_chat")):
                async with gateway.stream("openai_chat", model, stream=is_stream) as response:
                    await response.aread()
                assert response.headers["x-headgate-provider"] == provider
            record = await gateway.record(response)
            assert [each.outcome for each in record.attempts] == [Outcome.POLICY, Outcome.OK]
            assert record.attempts[0].usage is not None
            assert record.attempts[0].usage.input_tokens == 7
            assert record.attempts[1].why == "instead"

    asyncio.run(run())
