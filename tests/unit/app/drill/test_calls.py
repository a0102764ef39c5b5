"""The load: every way in which an answer can end, as its client sees it."""

import asyncio
import time

import msgspec
import pytest

from headgate.app.drill.calls import Due, End, Target, make_call, request_bytes
from headgate.transport.fake import (
    BlackHole,
    CutAt,
    Empty200,
    FakeSettings,
    FakeUpstream,
    Fault,
    HtmlBody,
    InBandError,
    LacksLast,
    MalformedEvent,
    NotHttp,
    Refuse,
    Status,
)

TEXT = "one two three four five six seven"


def called(fault: Fault | None, *, is_stream: bool = True, leaves: bool = False, text: str = TEXT):
    async def run():
        async with FakeUpstream(FakeSettings(text=TEXT)) as upstream:
            if fault is not None:
                upstream.fail(fault)
                await asyncio.sleep(0.02)
            target = Target(port=upstream.port, model="m", text=text, is_stream=is_stream)
            due = Due(7, time.monotonic() + 0.01, 100, leaves)
            call = await make_call(target, due, 0.3)
            return call, [attempt.body for attempt in upstream.log]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "is_stream", "end", "has_words"),
    [
        (None, True, End.COMPLETE, True),
        (None, False, End.COMPLETE, True),
        (LacksLast(chunks=1), True, End.COMPLETE, True),
        (LacksLast(chunks=3), True, End.DISHONEST, True),
        (CutAt(share=0.5), True, End.HONEST, True),
        (CutAt(share=0.5), False, End.HONEST, False),
        (InBandError(index=3), True, End.HONEST, True),
        (MalformedEvent(index=3), True, End.HONEST, True),
        (Status(status=429), True, End.HONEST, False),
        (Status(status=500), False, End.HONEST, False),
        (Refuse(), True, End.HONEST, False),
        (HtmlBody(), False, End.HONEST, False),
        (Empty200(), True, End.DISHONEST, False),
        (NotHttp(), True, End.DISHONEST, False),
        (BlackHole(), True, End.HANGING, False),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_an_end_is_what_the_client_could_know(fault: Fault | None, is_stream: bool, end: End, has_words: bool) -> None:
    call, _ = called(fault, is_stream=is_stream)
    assert call.end is end
    assert call.ended_s is not None
    assert (call.first_s is not None) is has_words


def test_another_text_is_not_the_answer() -> None:
    assert called(None, text="something else")[0].end is End.DISHONEST


def test_a_client_can_hang_up_in_the_midst() -> None:
    call, _ = called(None, leaves=True)
    assert call.end is End.LEFT


def test_a_call_carries_its_number_and_hears_its_usage() -> None:
    call, [body] = called(None)
    prompt = msgspec.json.decode(body)["messages"][0]["content"]
    assert prompt.startswith("drill-call-7. ")
    assert 350 < len(prompt) < 450
    assert call.output_tokens == 7


def test_what_a_target_adds_is_sent() -> None:
    target = Target(port=1, path="/x", model="m", headers={"authorization": "Bearer k"}, text="", is_stream=False)
    head, _, body = request_bytes(target, Due(1, 0.0, 10)).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x HTTP/1.1\r\n")
    assert b"authorization: Bearer k" in head
    assert "stream" not in msgspec.json.decode(body)
