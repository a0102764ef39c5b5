"""Gemini's counts as ours."""

import json

import pytest
from msgspec import Raw

from headgate.core.usage import Usage
from headgate.dialects.gemini.usage import parse_usage, render_usage


def counts(usage: Usage) -> tuple[int, ...]:
    return usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, (0, 0, 0, 0)),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 4}, (9, 4, 0, 0)),
        ({"promptTokenCount": 1, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 3}, (3, 0, 3, 0)),
        (
            {"promptTokenCount": 1, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 6},
            (1, 0, 5, 2),
        ),
        (
            {"promptTokenCount": 1, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 4},
            (1, 0, 3, 2),
        ),
        ({"promptTokenCount": 1, "responseTokenCount": 3}, (1, 0, 3, 0)),
        ({"promptTokenCount": None, "candidatesTokenCount": "3", "thoughtsTokenCount": 2.0}, (0, 0, 2, 2)),
        ({"promptTokenCount": -1, "candidatesTokenCount": True, "totalTokenCount": []}, (0, 0, 0, 0)),
    ],
)
def test_counts_are_read(members: dict[str, object], expected: tuple[int, ...]):
    assert counts(parse_usage(Raw(json.dumps(members).encode()))) == expected


def test_modalities_are_read_and_the_wire_is_kept():
    raw = Raw(
        b'{"promptTokensDetails":[{"modality":"AUDIO","tokenCount":2},{"modality":2,"tokenCount":3},7,{"modality":[]}],'
        b'"toolUsePromptTokensDetails":[{"modality":"AUDIO","tokenCount":1}],"candidatesTokensDetails":'
        b'[{"modality":"IMAGE","tokenCount":5},{"modality":"AUDIO","tokenCount":6}],"cacheTokensDetails":null,"serviceTier":3}'
    )

    usage = parse_usage(raw)

    assert (usage.input_audio_tokens, usage.input_image_tokens) == (3, 3)
    assert (usage.output_image_tokens, usage.output_audio_tokens) == (5, 6)
    assert usage.extras["cacheTokensDetails"] == Raw(b"null")
    assert usage.tier == ""


def test_cached_sound_and_pictures_are_told_apart_and_told_on():
    details = [{"modality": "TEXT", "tokenCount": 1}, {"modality": "AUDIO", "tokenCount": 118}]
    usage = parse_usage(Raw(json.dumps({"cachedContentTokenCount": 126, "cacheTokensDetails": details}).encode()))

    assert (usage.cached_tokens, usage.cached_audio_tokens, usage.cached_image_tokens) == (126, 118, 0)
    told = render_usage(Usage(input_tokens=9, cached_tokens=7, cached_image_tokens=5), is_home=False)
    assert told["cacheTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 2},
        {"modality": "IMAGE", "tokenCount": 5},
    ]
