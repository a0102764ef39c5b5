"""What the demo answers beside chat: vectors and ranks made of the words, and OpenAI's own shapes of the rest.

Always the same answer to the same bytes. Two texts with words in common have vectors that are near to each other, so
that a search over them can be tried.
"""

import base64
import hashlib
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, cast

import msgspec
from msgspec import Struct

from headgate.core.embedding import Embeddings, EmbedRequest, Tokens, Vector, Words
from headgate.core.problems import Problem
from headgate.core.ranking import Ranked, RankedDocument, Ranking, RankRequest
from headgate.core.usage import Usage
from headgate.dialects.side import TITLES, Asked, Form, Sent, SideOperation, is_form

DIMENSIONS: Final = 256
DIMENSIONS_MAX: Final = 4096
RATE_HZ: Final = 8000
PICTURE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""One pixel, as PNG."""
_ENCODE: Final = msgspec.json.Encoder().encode
_WORD: Final = re.compile(r"\w+")


class Told(Struct, frozen=True):
    """An answer: its content type and its pieces."""

    content_type: str
    pieces: tuple[bytes, ...]


def side_answer(side: SideOperation, sent: Sent, now_s: int) -> Told | Problem:
    """What the demo says to it."""
    asked = side.peek(sent)
    if asked.model.partition("@")[0] not in ("echo", "lorem"):
        told = f"The demo has no model {asked.model!r}. It has echo and lorem."
        return Problem(kind="not_found", code="model_not_found", message=told, param="model")
    if side.halves is not None:
        reply = _REPLIES[side.name](asked.question)
        return Told("application/json", (side.halves.render_response(reply, asked.question, set()),))
    if side.name not in _OWN:
        told = f"The demo cannot {TITLES[side.name]}."
        return Problem(kind="invalid_request", code="unsupported_feature", message=told, param="model")
    return _OWN[side.name](_Own(asked, _members(sent), now_s))


# In words, for every dialect


def _embedded(question: EmbedRequest) -> Embeddings:
    size = min(question.dimensions or DIMENSIONS, DIMENSIONS_MAX)
    vectors = tuple(_vector(_text(entry), size) for entry in question.inputs)
    tokens = sum(max(1, len(_text(entry)) // 4) for entry in question.inputs)
    return Embeddings(vectors=vectors, model=question.model, usage=Usage(input_tokens=tokens))


def _text(entry: object) -> str:
    match entry:
        case Words(text=text):
            return text
        case Tokens(ids):
            return " ".join(map(str, ids))
        case _:
            return ""


def _vector(text: str, size: int) -> Vector:
    """Each word points somewhere; a text where its words point together, at length 1."""
    sums = [0.0] * max(1, size)
    for word in _WORD.findall(text.lower()) or [text]:
        digest = hashlib.sha256(word.encode()).digest()
        for place in range(0, 32, 4):
            number = int.from_bytes(digest[place : place + 4], "big")
            sums[number % len(sums)] += 1.0 if number & 1 << 31 else -1.0
    length = math.sqrt(sum(value * value for value in sums)) or 1.0
    return tuple(struct.unpack("<f", struct.pack("<f", value / length))[0] for value in sums)


def _ranked(question: RankRequest) -> Ranking:
    """By how many of the query's words a document has."""
    wanted = set(_WORD.findall(question.query.lower()))
    scores = [
        len(wanted & set(_WORD.findall(document.text.lower()))) / (len(wanted) or 1) for document in question.documents
    ]
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    given = order if question.top_n is None else order[: max(0, question.top_n)]
    results = tuple(
        Ranked(
            index=index,
            score=scores[index],
            document=RankedDocument(text=question.documents[index].text, form="object")
            if question.wants_documents
            else None,
        )
        for index in given
    )
    tokens = sum(len(document.text) // 4 + 1 for document in question.documents)
    return Ranking(results=results, model=question.model, usage=Usage(input_tokens=tokens))


_REPLIES: Final[dict[str, Callable[..., Embeddings | Ranking]]] = {"embeddings": _embedded, "ranking": _ranked}


# In shapes that nobody else has


class _Own(Struct, frozen=True):
    asked: Asked
    members: dict[str, object]
    now_s: int

    def text(self, name: str) -> str:
        """A member as text."""
        told = self.members.get(name)
        return told if isinstance(told, str) else "" if told is None else _ENCODE(told).decode()

    def count(self, name: str) -> int:
        """A member as a small number, 1 if it is not there."""
        told = self.text(name)
        return min(10, int(told)) if told.isdigit() else 1


def _members(sent: Sent) -> dict[str, object]:
    if not is_form(sent.content_type):
        return msgspec.json.decode(sent.body, type=dict[str, object])
    form = Form(sent)
    plain = {part.name for part in form.parts if part.file_name is None}
    sizes: dict[str, object] = {
        part.name: str(part.end - part.start) for part in form.parts if part.file_name is not None
    }
    return {**sizes, **{name: form.field(name, 1 << 20) or "" for name in plain}}


def _json(told: object) -> Told:
    return Told("application/json", (_ENCODE(told),))


def _events(told: Iterable[Mapping[str, object]], last: bytes = b"") -> Told:
    pieces = tuple(b"data: " + _ENCODE(event) + b"\n\n" for event in told)
    return Told("text/event-stream", (*pieces, last) if last else pieces)


def _moderated(own: _Own) -> Told:
    told = own.members.get("input")
    count = len(cast("list[object]", told)) if isinstance(told, list) else 1
    result: Mapping[str, object] = {
        "flagged": False,
        "categories": {},
        "category_scores": {},
        "category_applied_input_types": {},
    }
    return _json({"id": "modr-demo", "model": own.asked.model, "results": [result] * count})


def _completed(own: _Own) -> Told:
    text = own.text("prompt")
    words = re.findall(r"\s*\S+", text) or [text]
    counts = {"prompt_tokens": own.asked.measured.input_tokens, "completion_tokens": len(words)}
    usage = {**counts, "total_tokens": sum(counts.values())}
    common = {"id": "cmpl-demo", "object": "text_completion", "created": own.now_s, "model": own.asked.model}

    def chunk(said: str, reason: str | None) -> dict[str, object]:
        return {**common, "choices": [{"index": 0, "text": said, "logprobs": None, "finish_reason": reason}]}

    def chunks() -> Iterator[dict[str, object]]:
        yield from (chunk(word, None) for word in words)
        yield chunk("", "stop")
        yield {**common, "choices": [], "usage": usage}

    if own.asked.is_stream:
        return _events(chunks(), b"data: [DONE]\n\n")
    return _json({**chunk(text, "stop"), "usage": usage})


def _drawn(own: _Own) -> Told:
    count = own.count("n")
    tokens = own.asked.measured.input_tokens + len(own.text("prompt")) // 4
    usage = {"input_tokens": tokens, "input_tokens_details": {"text_tokens": tokens, "image_tokens": 0}}
    usage = {**usage, "output_tokens": 100 * count, "total_tokens": tokens + 100 * count}
    common = {"created": own.now_s, "background": "opaque", "output_format": "png", "size": "1024x1024"}
    if own.asked.is_stream:
        picture = {**common, "created_at": own.now_s, "quality": "low", "b64_json": PICTURE}
        partial = {"type": "image_generation.partial_image", **picture, "partial_image_index": 0}
        return _events((partial, {"type": "image_generation.completed", **picture, "usage": usage}))
    return _json({**common, "data": [{"b64_json": PICTURE}] * count, "usage": usage})


def _spoken(own: _Own) -> Told:
    """A hum as long as the words would take, as WAV."""
    sound = hum(len(own.text("input")))
    pieces = tuple(sound[start : start + 4096] for start in range(0, len(sound), 4096))
    if not own.asked.is_stream:
        return Told("audio/wav", pieces)
    guess = own.asked.measured
    counts = {"input_tokens": guess.input_tokens, "output_tokens": guess.output_tokens}
    done: Mapping[str, object] = {
        "type": "speech.audio.done",
        "usage": {**counts, "total_tokens": sum(counts.values())},
    }
    deltas: list[Mapping[str, object]] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces
    ]
    return _events((*deltas, done))


def hum(chars: int) -> bytes:
    """A WAV of 8 bits at 8 kHz, a fifteenth of a second for each character, a minute at most."""
    samples = min(60 * RATE_HZ, chars * RATE_HZ // 15)
    wave = bytes(128 + round(32 * math.sin(place * 2 * math.pi / 40)) for place in range(40))
    data = (wave * (samples // 40 + 1))[:samples]
    shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, RATE_HZ, 1, 8)
    return struct.pack("<4sI4s", b"RIFF", 36 + samples, b"WAVE") + shape + struct.pack("<4sI", b"data", samples) + data


def _heard(own: _Own) -> Told:
    """What it heard is all that it can tell."""
    text = f"The demo heard {own.text('file')} bytes of sound."
    known = own.asked.measured.measures
    seconds = -(-known.audio_ms // 1000) if known is not None else 0
    usage = {"type": "duration", "seconds": seconds}
    match own.asked.format:
        case "text":
            return Told("text/plain; charset=utf-8", (text.encode() + b"\n",))
        case "srt" | "vtt" as form:
            end = f"00:00:{min(seconds, 59):02d}"
            lines = f"{end},000" if form == "srt" else f"{end}.000"
            opening = "1\n00:00:00,000" if form == "srt" else "WEBVTT\n\n00:00:00.000"
            return Told("text/plain; charset=utf-8", (f"{opening} --> {lines}\n{text}\n\n".encode(),))
        case "verbose_json":
            told = {"task": "transcribe", "language": "english", "duration": float(seconds)}
            return _json({**told, "text": text, "segments": (), "usage": usage})
        case _ if own.asked.is_stream:
            deltas: list[Mapping[str, object]] = [
                {"type": "transcript.text.delta", "delta": word} for word in re.findall(r"\s*\S+", text)
            ]
            return _events((*deltas, {"type": "transcript.text.done", "text": text, "usage": usage}))
        case _:
            return _json({"text": text, "usage": usage})


def _interacted(own: _Own) -> Told:
    """The echo of what was said, in the shape of Google's interactions."""
    text = own.text("input")
    counts = {"total_input_tokens": own.asked.measured.input_tokens, "total_output_tokens": len(text) // 4 + 1}
    usage = {**counts, "total_tokens": sum(counts.values())}
    common: dict[str, object] = {"id": "v1_demo", "object": "interaction", "model": own.asked.model}
    if not own.asked.is_stream:
        step = {"type": "model_output", "content": [{"type": "text", "text": text}]}
        return _json({**common, "status": "completed", "steps": [step], "usage": usage})
    words = [{"type": "text", "text": word} for word in re.findall(r"\s*\S+", text)]
    return _events(
        (
            {"event_type": "interaction.created", "interaction": {**common, "status": "in_progress"}},
            {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
            *({"event_type": "step.delta", "index": 0, "delta": word} for word in words),
            {"event_type": "step.stop", "index": 0},
            {"event_type": "interaction.completed", "interaction": {**common, "status": "completed", "usage": usage}},
        ),
        b"event: done\ndata: [DONE]\n\n",
    )


_OWN: Final[dict[str, Callable[[_Own], Told]]] = {
    "moderations": _moderated,
    "completions": _completed,
    "image_generations": _drawn,
    "image_edits": _drawn,
    "image_variations": _drawn,
    "speech": _spoken,
    "transcriptions": _heard,
    "translations": _heard,
    "interactions": _interacted,
}
