"""OpenAI's endpoints beside chat: what is read of requests, what answers tell of their usage, streamed and whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.dialects.test_multipart import HEAD, TYPE, form

from headgate.app.demo_sides import hum
from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.core.usage import Measures, Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.openai_chat.consumed import consumed
from headgate.dialects.openai_chat.events import EventTap, error_event, named_error_event
from headgate.dialects.openai_chat.sides import SIDES
from headgate.dialects.openai_chat.sounding import heard, last_ms, length_ms
from headgate.dialects.openai_chat.verbatim import UsageFilter
from headgate.dialects.side import Asked, Sent, WholeEvents

ASKED = Asked(model="m", measured=Usage(input_tokens=1, is_estimated=True))


def peek(name: str, body: Any) -> Asked:
    return SIDES[name].peek(Sent(body=json.dumps(body).encode(), envelope=Envelope()))


def peek_form(name: str, file: str, content: bytes, **fields: str) -> Asked:
    parts = [(HEAD.format(key), value.encode()) for key, value in fields.items()]
    body = form((f'{HEAD.format(file)}; filename="x"', content), *parts)
    return SIDES[name].peek(Sent(body=body, envelope=Envelope(), content_type=TYPE))


def read(name: str, answer: Any, asked: Asked = ASKED, content_type: str = "application/json") -> Usage | None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return SIDES[name].read(body, content_type, asked)


# Requests


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [("abcdefgh", 2), (["abcd", "efgh"], 2), ([5, 6, 7], 3), ([[1], [2, 3]], 3), ("", 1)],
)
def test_prompts(prompt: Any, tokens: int):
    asked = peek("completions", {"model": "m", "prompt": prompt})
    assert asked == Asked(model="m", measured=Usage(input_tokens=tokens, is_estimated=True))


@pytest.mark.parametrize(
    ("members", "shows"),
    [({}, False), ({"stream_options": {}}, False), ({"stream_options": {"include_usage": True}}, True)],
)
def test_a_streamed_completion_is_asked_for_its_usage(members: dict[str, Any], shows: bool):
    body = {"model": "m", "prompt": "a", "stream": True, **members}
    side, sent = SIDES["completions"], Sent(body=json.dumps(body).encode(), envelope=Envelope())
    asked = side.peek(sent)
    assert (asked.is_stream, asked.shows_usage) == (True, shows)
    assert json.loads(side.patch(sent, asked, Target(model="m")))["stream_options"] == {"include_usage": True}
    assert json.loads(side.patch(sent, asked, Target(model="m", quirks=("no_stream_options",)))) == body
    assert side.streaming is not None
    assert isinstance(side.streaming.filter(asked), WholeEvents if shows else UsageFilter)


@pytest.mark.parametrize(
    ("name", "body", "param"),
    [
        ("completions", {}, "prompt"),
        ("completions", {"prompt": None}, "prompt"),
        ("completions", {"prompt": {"a": 1}}, "prompt"),
        ("completions", {"prompt": "a", "n": "1"}, "n"),
        ("moderations", {}, "input"),
        ("moderations", {"input": ""}, "input"),
        ("moderations", {"input": {}}, "input"),
        ("image_generations", {}, "prompt"),
        ("image_generations", {"prompt": "a", "n": 0}, "n"),
        ("image_edits", {"prompt": "a"}, "images"),
        ("speech", {"input": ""}, "input"),
        ("speech", {"input": "a"}, "voice"),
        ("speech", {"input": "a", "voice": []}, "voice"),
    ],
)
def test_requests_that_are_wrong(name: str, body: Any, param: str):
    with pytest.raises(InvalidRequest) as caught:
        peek(name, body)
    assert caught.value.problem.param == param


@pytest.mark.parametrize(
    ("given", "tokens"),
    [("abcdefgh", 2), (["abcd", "efgh"], 2), ([{"type": "text", "text": "abcd"}, {"type": "image_url"}], 1)],
)
def test_moderations(given: Any, tokens: int):
    assert peek("moderations", {"input": given}).measured == Usage(input_tokens=tokens, is_estimated=True)


def test_pictures():
    drawn = peek("image_generations", {"model": "m", "prompt": "a", "n": 3, "stream": True})
    assert (drawn.measured.measures, drawn.is_stream) == (Measures(images=3), True)
    for told in ({"images": [{}]}, {"image": {"url": "x"}}, {"image": [{}]}):
        assert peek("image_edits", {"model": "m", "prompt": "a", **told}).measured.measures == Measures(images=1)
    edited = peek_form("image_edits", "image[]", b"png", model="m", prompt="a" * 5000, n="2", stream="true")
    assert (edited.model, edited.measured.measures, edited.is_stream) == ("m", Measures(images=2), True)
    assert edited.model_at is not None
    assert peek_form("image_variations", "image", b"png", model="m").measured.measures == Measures(images=1)


def test_speech():
    asked = peek("speech", {"model": "m", "input": "hello", "voice": {"id": "v"}, "stream_format": "sse"})
    # 5 characters: 2 tokens, and 7 of sound
    assert asked.measured == Usage(input_tokens=2, output_tokens=7, measures=Measures(characters=5), is_estimated=True)
    assert asked.is_stream
    assert not peek("speech", {"input": "a", "voice_id": "v"}).is_stream


def test_sound():
    asked = peek_form("transcriptions", "file", hum(30), model="m", response_format="srt", temperature="0.5")
    assert (asked.format, asked.measured) == ("srt", heard(2000, 0))


@pytest.mark.parametrize(
    ("sound", "ms"),
    [(hum(15), 1000), (b"\xff\xfb" + b"x" * 7998, 2000), (b"x", 1), (hum(15)[:28] + b"\0\0\0\0" + b"x" * 8, 10)],
)
def test_the_length_of_a_sound(sound: bytes, ms: int):
    assert length_ms(memoryview(sound)) == ms


# Answers


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (None, None),
        ("many", None),
        ({}, None),
        ({"input_tokens": "5"}, None),
        ({"cost_in_usd_ticks": 5}, None),
        ({"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}, Usage(input_tokens=4, output_tokens=6)),
        ({"type": "duration", "seconds": 9.5}, Usage(measures=Measures(audio_ms=9500))),
        ({"output_tokens": 3}, Usage(output_tokens=3)),
        (
            {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40, "cached_tokens": 5},
                "output_tokens": 90,
                "output_tokens_details": {"image_tokens": 80, "audio_tokens": 10},
            },
            Usage(
                input_tokens=50,
                cached_tokens=5,
                input_image_tokens=40,
                output_tokens=90,
                output_image_tokens=80,
                output_audio_tokens=10,
            ),
        ),
        (
            {"input_tokens": 40, "input_token_details": {"audio_tokens": 37}, "output_tokens": 12},
            Usage(input_tokens=40, input_audio_tokens=37, output_tokens=12),
        ),
        (
            # Mistral: the sound's tokens are in the total alone
            {
                "prompt_audio_seconds": 3,
                "prompt_tokens": 5,
                "completion_tokens": 11,
                "total_tokens": 391,
                "prompt_tokens_details": {"audio_tokens": 375},
            },
            Usage(input_tokens=380, input_audio_tokens=375, output_tokens=11, measures=Measures(audio_ms=3000)),
        ),
    ],
)
def test_usage(told: Any, usage: Usage | None):
    from msgspec import Raw, structs

    found = consumed(Raw(json.dumps(told).encode()))
    assert (None if found is None else structs.replace(found, extras={})) == usage


def test_whole_answers():
    counts = {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10}
    found = read("completions", {"choices": [], "usage": counts})
    assert found is not None
    assert (found.input_tokens, found.output_tokens) == (4, 6)
    assert read("moderations", {"results": []}) is None
    images = read("image_generations", {"data": [{}, {}], "usage": {"input_tokens": 4, "output_tokens": 6}})
    assert images == Usage(input_tokens=4, output_tokens=6, measures=Measures(images=2))
    assert read("image_edits", {"data": None}) == Usage(measures=Measures(images=0))
    assert read("speech", {"audio_data": "x", "usage": {"input_tokens": 4, "output_tokens": 6}}) == Usage(
        input_tokens=4, output_tokens=6
    )


@pytest.mark.parametrize("name", ["completions", "moderations", "image_generations", "speech", "transcriptions"])
@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"error":{"message":"no"}}'])
def test_answers_that_are_none(name: str, answer: bytes):
    with pytest.raises(Malformed):
        read(name, answer)


def test_a_page_is_no_answer():
    with pytest.raises(Malformed, match="page"):
        read("transcriptions", b"<html>", Asked(model="m", measured=Usage(), format="text"), "text/html")
    with pytest.raises(Malformed, match="no sound"):
        read("speech", b"<html>", content_type="text/html")


SOUND = Asked(model="m", measured=heard(3000, 0))


@pytest.mark.parametrize(
    ("format", "answer", "usage"),
    [
        (
            "json",
            {"text": "abcd", "usage": {"type": "duration", "seconds": 2}},
            Usage(measures=Measures(audio_ms=2000)),
        ),
        ("json", {"text": "abcd"}, heard(3000, 4)),
        ("verbose_json", {"text": "abcd", "duration": 1.5}, heard(1500, 4)),
        ("verbose_json", {"text": "abcd", "duration": "2.5"}, heard(2500, 4)),
        ("verbose_json", {"text": "abcd", "duration": "long"}, heard(3000, 4)),
        ("text", b"abcdefgh", heard(3000, 8)),
        ("srt", b"1\n00:00:00,000 --> 00:01:02,500\nab\n", heard(62_500, 35)),
        ("vtt", b"WEBVTT\n\n00:00.000 --> 00:04.250\nab\n", heard(4250, 35)),
        ("vtt", b"WEBVTT\n", heard(3000, 7)),
    ],
)
def test_transcripts(format: str, answer: Any, usage: Usage):
    asked = Asked(model="m", measured=SOUND.measured, format=format)
    content_type = "text/plain" if isinstance(answer, bytes) else "application/json"
    assert read("transcriptions", answer, asked, content_type) == usage


def test_a_transcript_for_a_sound_of_unknown_length():
    assert read("transcriptions", {"text": "abcd"}) == heard(0, 4)


def test_hours_of_subtitles():
    assert last_ms(b"--> 01:00:00.001 align:start") == 3_600_001


# Streams

DONE = b'data: {"type":"transcript.text.done","text":"ab","usage":{"input_tokens":4,"output_tokens":2}}\n\n'
STREAM = b'data: {"type":"transcript.text.delta","delta":"a\\u00e9"}\n\n: ping\r\n\r\n' + DONE
PICTURE = b'{"type":"image_generation.completed","b64_json":"x","usage":{"input_tokens":1,"output_tokens":9}}'
CHUNK = b'{"choices":[{"index":0,"text":"abc","finish_reason":null}]}'


def tapped(*pieces: bytes) -> EventTap:
    tap = EventTap()
    for piece in pieces:
        tap.feed(piece)
    return tap


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_cut_anywhere_changes_nothing(places: list[int]):
    cuts = sorted(places)
    pieces = [STREAM[start:end] for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True) if start < end]
    tap, passage = tapped(*pieces), WholeEvents()
    assert (tap.usage, tap.chars) == (Usage(input_tokens=4, output_tokens=2), 2)
    assert tap.is_finished
    assert tap.is_over
    passed = [passage.feed(piece) for piece in pieces]
    assert all(not piece or piece.endswith((b"\n\n", b"\r\n\r\n")) for piece in passed)
    assert (b"".join(passed), passage.close()) == (STREAM, b"")


def test_the_end_of_the_bytes_completes_an_event():
    assert not tapped(DONE[:-1]).is_finished
    assert tapped(DONE[:-1], b"").is_finished
    passage = WholeEvents()
    assert (passage.feed(DONE[:-1]), passage.close()) == (b"", DONE[:-1])


def test_pictures_are_counted():
    tap = tapped(b"data: " + PICTURE + b"\n\n", b"data: " + PICTURE + b"\n\n")
    assert tap.usage == Usage(input_tokens=1, output_tokens=9, measures=Measures(images=2))
    silent = tapped(b'event: image_edit.completed\ndata: {"b64_json":"x"}\n\n')
    assert (silent.usage, silent.is_finished, silent.is_over) == (Usage(measures=Measures(images=1)), True, False)


def test_chunks():
    tap = tapped(b"data: " + CHUNK + b"\n\n")
    assert (tap.chars, tap.events, tap.is_finished, tap.usage) == (3, 1, False, None)
    tap.feed(b"data: " + CHUNK.replace(b"null", b'"stop"') + b"\n\n")
    assert (tap.is_finished, tap.is_over) == (True, False)
    tap.feed(b"data: [DONE]\n\n")
    assert tap.is_over


@pytest.mark.parametrize(
    "told",
    [
        b'event: error\ndata: {"error":{"message":"no"}}\n\n',
        b'data: {"type":"error","message":"no"}\n\n',
        b'data: {"error":"no"}\n\n',
        b'data: {"type":"error","error":{"message":"no"}}\n\n',
    ],
)
def test_errors_within_a_stream(told: bytes):
    failed = tapped(told).failed
    assert failed is not None
    assert failed.message == "no"


def test_an_event_that_is_none():
    with pytest.raises(Malformed, match="an event that is none"):
        tapped(b"data: {broken\n\n")


def test_what_ends_a_broken_stream():
    problem = Problem(kind="upstream", message="it broke", outcome=Outcome.CUT)
    assert tapped(error_event(problem)).failed is not None
    assert named_error_event(problem).startswith(b"event: error\ndata: ")
    failed = tapped(named_error_event(problem)).failed
    assert failed is not None
    assert failed.message == "it broke"
