"""OpenAI's realtime events, as far as metering reads them: what a server said is in use, in progress, consumed, wrong.

https://platform.openai.com/docs/api-reference/realtime-server-events (2026-11); xAI and Azure speak the same, with
older and newer names of events side by side. Must not know sockets.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed

NAME: Final = "openai_realtime"

_NULL: Final = Raw(b"null")
_NOTHING: Final = Raw()


class Begun(Struct, frozen=True):
    """The model has begun to answer."""

    response_id: str


class Told(Struct, frozen=True):
    """A piece of an answer."""

    response_id: str
    text_chars: int = 0
    audio_chars: int = 0
    """In base64."""


class Ended(Struct, frozen=True):
    """An answer is over, whatever became of it."""

    response_id: str
    status: str
    """`completed`, `cancelled`, `incomplete`, `failed`."""
    usage: Usage | None
    reason: str = ""
    """Why it is not complete."""


class Heard(Struct, frozen=True):
    """Speech of the caller was written down by a model of its own."""

    item_id: str
    usage: Usage | None
    """None: not told in tokens."""
    seconds: float = 0.0
    """Where it is billed by time."""


class Session(Struct, frozen=True):
    """What holds from now on."""

    transcriber: str
    """The model that writes down what the caller says; empty: none."""
    audio_format: str
    """Of what the model says."""


class Wrong(Struct, frozen=True):
    """An error, after which the session goes on unless the server closes it."""

    problem: Problem


Event = Begun | Told | Ended | Heard | Session | Wrong


class _Counts(Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens_details: "_Counts | None" = None


class _Usage(Struct):
    type: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_token_details: _Counts | None = None
    output_token_details: _Counts | None = None
    seconds: float | None = None


class _Reason(Struct):
    reason: str | None = None
    error: Raw = _NULL


class _Response(Struct):
    id: str | None = None
    status: str | None = None
    status_details: Raw = _NULL
    """An object; xAI writes text."""
    usage: Raw = _NULL


class _Fault(Struct):
    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None


class _Transcriber(Struct):
    model: str | None = None


class _Format(Struct):
    type: str | None = None


class _Input(Struct):
    transcription: _Transcriber | None = None


class _Output(Struct):
    format: _Format | str | None = None


class _Audio(Struct):
    input: _Input | None = None
    output: _Output | None = None


class _Session(Struct):
    audio: _Audio | None = None
    input_audio_transcription: _Transcriber | None = None
    output_audio_format: str | None = None


class _Wire(Struct):
    type: str
    response_id: str | None = None
    item_id: str | None = None
    delta: Raw = _NOTHING
    response: Raw = _NULL
    usage: Raw = _NULL
    error: Raw = _NULL
    session: Raw = _NULL


_WIRE: Final = msgspec.json.Decoder(_Wire)
_RESPONSE: Final = msgspec.json.Decoder(_Response | None)
_REASON: Final = msgspec.json.Decoder(_Reason | None)
_USAGE: Final = msgspec.json.Decoder(_Usage | None)
_FAULT: Final = msgspec.json.Decoder(_Fault | None)
_SESSION: Final = msgspec.json.Decoder(_Session | None)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)

_AUDIO_DELTAS: Final = frozenset({"response.audio.delta", "response.output_audio.delta"})
_TEXT_DELTAS: Final = frozenset(
    {
        "response.text.delta",
        "response.output_text.delta",
        "response.audio_transcript.delta",
        "response.output_audio_transcript.delta",
        "response.function_call_arguments.delta",
    }
)
_SESSIONS: Final = frozenset(
    {"session.created", "session.updated", "transcription_session.created", "transcription_session.updated"}
)
_HEARD: Final = "conversation.item.input_audio_transcription.completed"


def read_event(data: bytes) -> Event | None:
    """What a server's message means for the books; None: nothing. Raises `Malformed`."""
    try:
        wire = _WIRE.decode(data)
        kind = wire.type
        if kind in _AUDIO_DELTAS:
            return Told(wire.response_id or "", audio_chars=max(len(memoryview(wire.delta)) - 2, 0))
        if kind in _TEXT_DELTAS:
            return Told(wire.response_id or "", text_chars=max(len(memoryview(wire.delta)) - 2, 0))
        read = _READERS.get(kind)
        return None if read is None else read(wire)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"a realtime event cannot be read: {error}") from None


def _begun(wire: _Wire) -> Begun:
    response = _RESPONSE.decode(wire.response)
    return Begun((response and response.id) or "")


def _ended(wire: _Wire) -> Ended:
    response = _RESPONSE.decode(wire.response) or _Response()
    return Ended(response.id or "", response.status or "", parse_usage(response.usage), _reason(response))


def _reason(response: _Response) -> str:
    try:
        details = _REASON.decode(response.status_details) or _Reason()
    except msgspec.DecodeError:
        return ""
    return details.reason or _words(details.error)


def _heard(wire: _Wire) -> Heard:
    counts = _USAGE.decode(wire.usage)
    if counts is None or counts.type == "duration":
        return Heard(wire.item_id or "", None, (counts and counts.seconds) or 0.0)
    return Heard(wire.item_id or "", parse_usage(wire.usage))


def _session(wire: _Wire) -> Session:
    session = _SESSION.decode(wire.session) or _Session()
    audio = session.audio or _Audio()
    transcriber = (audio.input and audio.input.transcription) or session.input_audio_transcription
    told = audio.output and audio.output.format
    shape = told.type if isinstance(told, _Format) else told
    return Session((transcriber and transcriber.model) or "", shape or session.output_audio_format or "")


def _wrong(wire: _Wire) -> Wrong:
    fault = _FAULT.decode(wire.error) or _Fault()
    is_callers = fault.type == "invalid_request_error"
    return Wrong(
        Problem(
            kind="invalid_request" if is_callers else "upstream",
            message=fault.message or "the service reported a failure without a message",
            outcome=Outcome.CLIENT if is_callers else Outcome.SERVER,
            code=fault.code,
            type=fault.type,
            param=fault.param,
        )
    )


_READERS: Final = {
    "response.created": _begun,
    "response.done": _ended,
    "error": _wrong,
    _HEARD: _heard,
    **dict.fromkeys(_SESSIONS, _session),
}


def parse_usage(raw: Raw) -> Usage | None:
    """The token counts of one answer; None: not told. Audio, images and what came from the cache stand apart."""
    counts = _USAGE.decode(raw)
    if counts is None or not (counts.total_tokens or counts.input_tokens or counts.output_tokens):
        return None
    given, made = counts.input_token_details or _Counts(), counts.output_token_details or _Counts()
    cached = given.cached_tokens_details or _Counts()
    return Usage(
        input_tokens=counts.input_tokens or 0,
        cached_tokens=given.cached_tokens or 0,
        cached_audio_tokens=cached.audio_tokens or 0,
        cached_image_tokens=cached.image_tokens or 0,
        output_tokens=counts.output_tokens or 0,
        reasoning_tokens=made.reasoning_tokens or 0,
        input_audio_tokens=given.audio_tokens or 0,
        output_audio_tokens=made.audio_tokens or 0,
        input_image_tokens=given.image_tokens or 0,
        extras=_MEMBERS.decode(raw),
    )


def with_model(message: bytes, asked: str, model: str) -> bytes:
    """A client's message whose session names the model as the client knows it, in the upstream's words."""
    if b'"session' not in message or b'"model"' not in message:
        return message
    try:
        members = _MEMBERS.decode(message)
        session = _MEMBERS.decode(members["session"])
        if _TEXT.decode(session["model"]) != asked:
            return message
    except (msgspec.DecodeError, ValueError, KeyError):
        return message
    return msgspec.json.encode({**members, "session": {**session, "model": model}})


def session_update(session: Raw) -> bytes:
    """The event that gives an upstream a session's settings."""
    return msgspec.json.encode({"type": "session.update", "session": session})


def _words(raw: Raw) -> str:
    fault = _FAULT.decode(raw) if raw != _NULL else None
    return (fault and (fault.message or fault.code)) or ""
