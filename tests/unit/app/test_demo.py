"""The demo provider as a transport: the same answer in every dialect, streamed or whole, and what can go wrong."""

import asyncio
import json
import time
from itertools import pairwise

import pytest

from headgate.app.demo import DemoTransport
from headgate.core.events import PartDelta
from headgate.core.fold import fold
from headgate.core.problems import Outcome, UpstreamError
from headgate.core.request import Knobs, Message, Request, Text
from headgate.dialects.base import Target
from headgate.dialects.registry import DIALECTS
from headgate.transport.base import Flight, Timeouts, UpstreamRequest

SERVED = [name for name in DIALECTS if not name.startswith("bedrock_")]
"""Dialects that the server has paths for."""


def rendered(dialect: str, model: str, *, is_stream: bool) -> UpstreamRequest:
    """What the engine would send."""
    request = Request(
        dialect="elsewhere",
        model=model,
        messages=(Message(role="user", parts=(Text(text="one two three"),)),),
        knobs=Knobs(max_tokens=20),
        is_stream=is_stream,
    )
    verbs, target = DIALECTS[dialect], Target(model=model, is_stream=is_stream)
    body = verbs.render_request(request, target, set())
    return UpstreamRequest(method="POST", url=f"demo:///{dialect}{verbs.address(target)}", headers=(), body=body)


def start(request: UpstreamRequest, timeouts: Timeouts | None = None) -> Flight:
    return DemoTransport(clock=lambda: 1_800_000_000.9).start(request, timeouts or Timeouts())


async def told(request: UpstreamRequest) -> tuple[int, str, list[bytes]]:
    flight = start(request)
    await flight.head()
    pieces: list[bytes] = []
    while data := await flight.read():
        pieces.append(data)
    flight.close()
    return flight.status, flight.headers["content-type"], pieces


@pytest.mark.parametrize("dialect", SERVED)
@pytest.mark.parametrize(("model", "text"), [("echo", "one two three"), ("lorem", "lorem ipsum dolor sit amet")])
def test_every_dialect_gives_the_same_answer_whole_and_streamed(dialect: str, model: str, text: str) -> None:
    status, _, (body,) = asyncio.run(told(rendered(dialect, model, is_stream=False)))
    whole = fold(DIALECTS[dialect].parse_response(body))
    streamed_status, content_type, pieces = asyncio.run(told(rendered(dialect, model, is_stream=True)))
    parser = DIALECTS[dialect].stream_parser()
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.close()
    streamed = fold(events)

    assert (status, streamed_status, content_type) == (200, 200, DIALECTS[dialect].stream_type)
    assert whole.text.startswith(text)
    assert (streamed.text, streamed.reason) == (whole.text, whole.reason)
    assert whole.usage is not None
    assert streamed.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (4, 4 if model == "echo" else 20)
    assert (streamed.usage.input_tokens, streamed.usage.output_tokens) == (4, whole.usage.output_tokens)
    assert len([event for event in events if isinstance(event, PartDelta) and event.text]) >= 3


@pytest.mark.parametrize("dialect", SERVED)
def test_the_same_bytes_get_the_same_answer(dialect: str) -> None:
    request = rendered(dialect, "lorem", is_stream=True)
    assert asyncio.run(told(request)) == asyncio.run(told(request))


@pytest.mark.parametrize("dialect", SERVED)
def test_an_unknown_model_is_refused_in_the_dialect(dialect: str) -> None:
    status, _, (body,) = asyncio.run(told(rendered(dialect, "gpt", is_stream=False)))
    problem = DIALECTS[dialect].parse_error(status, {}, body)
    assert status == 404
    assert problem.message.startswith("The demo has no model 'gpt'.")


@pytest.mark.parametrize("dialect", [name for name in SERVED if DIALECTS[name].counting is not None])
def test_tokens_are_counted_where_the_dialect_can_ask(dialect: str) -> None:
    counting, target = DIALECTS[dialect].counting, Target(model="echo")
    assert counting is not None
    request = Request(dialect=dialect, model="echo", messages=(Message(role="user", parts=(Text(text="12345"),)),))
    url = f"demo:///{dialect}{counting.address(target)}"
    body = counting.render_request(request, target, set())
    _, _, (answer,) = asyncio.run(told(UpstreamRequest(method="POST", url=url, headers=(), body=body)))
    assert counting.parse_response(answer) == 2


@pytest.mark.parametrize("url", ["demo:///", "demo:///nobody/chat/completions", "demo:///openai_chat/nowhere"])
def test_there_is_nothing_elsewhere(url: str) -> None:
    status, _, (body,) = asyncio.run(told(UpstreamRequest(method="POST", url=url, headers=())))
    assert (status, "error" in json.loads(body)) == (404, True)


def test_a_faulty_body_is_the_callers_fault() -> None:
    request = UpstreamRequest(method="POST", url="demo:///openai_chat/chat/completions", headers=(), body=b"{}")
    assert asyncio.run(told(request))[0] == 400


def test_the_name_sets_the_pace_of_a_stream() -> None:
    async def gaps() -> list[float]:
        flight = start(rendered("openai_chat", "echo@20ms", is_stream=True))
        await flight.head()
        times: list[float] = []
        while await flight.read():
            times.append(time.monotonic())
        return [after - before for before, after in pairwise(times)]

    assert all(0.015 < gap < 1.0 for gap in asyncio.run(gaps()))


def test_a_whole_answer_takes_as_long_as_its_words() -> None:
    async def waited() -> float:
        begun = time.monotonic()
        await start(rendered("openai_chat", "echo@20ms", is_stream=False)).head()
        return time.monotonic() - begun

    assert 0.05 < asyncio.run(waited()) < 1.0


@pytest.mark.parametrize(
    ("model", "is_stream", "timeouts", "outcome"),
    [
        ("lorem@9s", False, Timeouts(head_s=0.01), Outcome.SLOW),
        ("lorem@9s", True, Timeouts(idle_s=0.01), Outcome.STALL),
    ],
)
def test_a_silence_too_long_is_a_failure(model: str, is_stream: bool, timeouts: Timeouts, outcome: Outcome) -> None:
    flight = start(rendered("openai_chat", model, is_stream=is_stream), timeouts)

    async def listen() -> None:
        await flight.head()
        await flight.read_all(10_000)

    with pytest.raises(UpstreamError) as caught:
        asyncio.run(listen())
    assert caught.value.problem.outcome is outcome


def test_an_abort_ends_the_wait_at_once() -> None:
    async def aborted() -> Outcome:
        flight = start(rendered("openai_chat", "lorem@9s", is_stream=True))
        await flight.head()
        await flight.read()
        asyncio.get_running_loop().call_later(0.01, flight.abort, Outcome.CLIENT_GONE)
        with pytest.raises(UpstreamError) as caught:
            await flight.read()
        flight.abort(Outcome.SLOW)
        return caught.value.problem.outcome

    assert asyncio.run(aborted()) is Outcome.CLIENT_GONE


def test_an_abort_before_the_first_read_counts() -> None:
    async def aborted() -> None:
        flight = start(rendered("openai_chat", "echo", is_stream=True))
        flight.abort(Outcome.CLIENT_GONE)
        await flight.read()

    with pytest.raises(UpstreamError):
        asyncio.run(aborted())


def test_an_answer_over_the_limit_is_refused() -> None:
    flight = start(rendered("openai_chat", "lorem", is_stream=True))
    with pytest.raises(UpstreamError, match="over the limit of 100 bytes"):
        asyncio.run(flight.read_all(100))


def test_there_is_nothing_to_close() -> None:
    asyncio.run(DemoTransport().aclose())
