"""Speech and its transcripts: https://platform.openai.com/docs/api-reference/audio (2026-11)."""

import re
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import InvalidRequest
from headgate.core.usage import Measures, Usage
from headgate.dialects.base import Malformed
from headgate.dialects.members import read_body
from headgate.dialects.openai_chat.consumed import consumed, consumed_in
from headgate.dialects.openai_chat.events import streaming
from headgate.dialects.side import (
    CHARS_PER_TOKEN,
    FORM,
    Asked,
    Form,
    Name,
    Sent,
    SideOperation,
    estimated,
    is_json,
    patched,
)
from headgate.dialects.vectors import answer_members

SPEECH_TENTHS_PER_CHAR: Final = 14
"""Tenths of a token that a spoken character takes: USD 0.015 a minute at USD 12 per million tokens, 900 characters a
minute. https://platform.openai.com/docs/pricing (2026-11)"""
TOKENS_PER_MINUTE_HEARD: Final = 1000
"""USD 0.006 a minute at USD 6 per million tokens, likewise."""
BYTES_PER_SECOND: Final = 4000
"""Of sound whose length nobody tells: 32 kbit/s is as little as speech is usually packed into."""

_TIMES: Final = re.compile(rb"-->[ \t]*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})")
_FORMATS_OF_TEXT: Final = frozenset({"text", "srt", "vtt"})
_NUMBER: Final = msgspec.json.Decoder(int | float)


class _Answer(Struct):
    text: str | None = None
    duration: int | float | str | None = None
    usage: Raw = Raw(b"null")


_ANSWER: Final = msgspec.json.Decoder(_Answer)


# Speech


def _peek_speech(sent: Sent) -> Asked:
    members = read_body(sent.body)
    text = members.text("input")
    if not text:
        raise members.missing("input")
    if "voice" not in members.rest and "voice_id" not in members.rest and "ref_audio" not in members.rest:
        raise InvalidRequest("'voice' is required: the name of a voice, or an object with its id", param="voice")
    if members.shape("voice") not in ("a string", "an object", "null", ""):
        raise InvalidRequest(f"'voice' must be a string or an object, not {members.shape('voice')}", param="voice")
    for name in ("response_format", "instructions"):
        members.text(name)
    members.number("speed")
    chars = len(text)
    guess = estimated(chars)
    return Asked(
        model=members.text("model") or sent.envelope.model,
        measured=Usage(
            input_tokens=guess.input_tokens,
            output_tokens=-(-chars * SPEECH_TENTHS_PER_CHAR // 10),
            measures=Measures(characters=chars),
            is_estimated=True,
        ),
        is_stream=members.text("stream_format") == "sse",
    )


def _read_speech(body: bytes, content_type: str, _asked: Asked) -> Usage | None:
    """An answer that is JSON: the sound within it (Mistral), or an error."""
    if not is_json(content_type):
        raise Malformed(f"the provider's answer is no sound: {content_type[:80]}")
    return consumed_in(answer_members(body, ("audio_data", "audio", "data")))


SPEECH: Final = SideOperation(
    name="speech",
    paths=("/v1/audio/speech",),
    peek=_peek_speech,
    patch=patched,
    address=lambda _asked, _target: "/audio/speech",
    read=_read_speech,
    tells=consumed_in,
    is_binary=True,
    streaming=streaming(),
)


# Transcripts


def _peek_sound(sent: Sent) -> Asked:
    form = Form(sent)
    sounds = form.files("file")
    form.number("temperature")
    return Asked(
        model=form.field("model") or sent.envelope.model,
        measured=heard(sum(map(length_ms, sounds)), 0),
        is_stream=form.flag("stream"),
        model_at=form.span("model"),
        format=form.field("response_format") or "",
    )


def length_ms(sound: memoryview) -> int:
    """How long a sound is: of a WAV what its head says, else a guess by its size, rather too long than too short."""
    head = bytes(sound[:44])
    rate = int.from_bytes(head[28:32], "little")
    is_wav = head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and rate > 0
    return max(1, (len(sound) - 44) * 1000 // rate) if is_wav else -(-len(sound) * 1000 // BYTES_PER_SECOND)


def heard(ms: int, chars: int) -> Usage:
    """What so much sound probably takes, where the provider does not say."""
    tokens = -(-ms * TOKENS_PER_MINUTE_HEARD // 60_000)
    return Usage(
        input_tokens=tokens,
        input_audio_tokens=tokens,
        output_tokens=-(-chars // CHARS_PER_TOKEN),
        measures=Measures(audio_ms=ms),
        is_estimated=True,
    )


def _read_transcript(body: bytes, content_type: str, asked: Asked) -> Usage | None:
    if content_type[:9].lower() == "text/html":
        raise Malformed("the provider's answer is a page, not a transcript")
    if content_type[:5].lower() == "text/" or (asked.format in _FORMATS_OF_TEXT and not is_json(content_type)):
        return _heard(asked, len(body.decode("utf-8", "replace")), last_ms(body))
    try:
        told = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        seen = body[:80].decode("utf-8", "replace").strip() or "an empty body"
        raise Malformed(f"the provider's answer is no transcript: {seen!r}") from None
    if told.text is None:
        raise Malformed(f"the provider's answer has no text: {body[:80]!r}")
    return consumed(told.usage) or _heard(asked, len(told.text), _duration_ms(told.duration))


def _heard(asked: Asked, chars: int, ms: int) -> Usage:
    """By the length that the answer tells; 0: it does not, and the request has to do."""
    known = asked.measured.measures
    return heard(ms or (known.audio_ms if known else 0), chars)


def _duration_ms(told: float | str | None) -> int:
    """Whisper once told the duration as text."""
    try:
        return round(float(told or 0) * 1000)
    except (ValueError, OverflowError):
        return 0


def last_ms(subtitles: bytes) -> int:
    """When the last line of SRT or WebVTT ends; 0: it tells no times."""
    found = _TIMES.findall(subtitles)
    if not found:
        return 0
    hours, minutes, seconds, ms = (int(part or 0) for part in found[-1])
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def _hearing(name: Name, path: str) -> SideOperation:
    return SideOperation(
        name=name,
        paths=(f"/v1{path}",),
        peek=_peek_sound,
        patch=patched,
        address=lambda _asked, _target: path,
        read=_read_transcript,
        tells=consumed_in,
        bodies=(FORM,),
        streaming=streaming(),
    )


TRANSCRIPTIONS: Final = _hearing("transcriptions", "/audio/transcriptions")
TRANSLATIONS: Final = _hearing("translations", "/audio/translations")
