"""Calls of every kind beside chat, and how they are sent."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any

import httpx2

from headgate.app.demo_sides import hum
from tests.engine.harness import Bench

SECOND = hum(15)
Sending = tuple[str, dict[str, Any]]


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test on a loop of its own."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


def json_of(path: str, **members: Any) -> Sending:
    return path, {"json": members}


def form_of(path: str, files: Mapping[str, bytes], **fields: str) -> Sending:
    named = {name: (f"{name}.bin", content) for name, content in files.items()}
    return path, {"files": named, "data": fields}


def sendings(model: str) -> dict[str, Sending]:
    """One call of every kind."""
    return {
        "embeddings": json_of("/v1/embeddings", model=model, input=["a", "b"]),
        "ranking": json_of("/v1/rerank", model=model, query="q", documents=["a", "b"]),
        "moderations": json_of("/v1/moderations", model=model, input="fine"),
        "completions": json_of("/v1/completions", model=model, prompt="once"),
        "image_generations": json_of("/v1/images/generations", model=model, prompt="a fox"),
        "image_edits": form_of("/v1/images/edits", {"image": b"png"}, model=model, prompt="a fox"),
        "image_variations": form_of("/v1/images/variations", {"image": b"png"}, model=model),
        "speech": json_of("/v1/audio/speech", model=model, input="hello", voice="alloy"),
        "transcriptions": form_of("/v1/audio/transcriptions", {"file": SECOND}, model=model),
        "translations": form_of("/v1/audio/translations", {"file": SECOND}, model=model),
    }


# how each is asked for, what it ends with, and a place after its first event
STREAMS = {
    "completions": ({"stream": True}, b"data: [DONE]", 260),
    "image_generations": ({"stream": True}, b"image_generation.completed", 260),
    "speech": ({"stream_format": "sse"}, b"speech.audio.done", 170),
    "transcriptions": ({"stream": "true"}, b"transcript.text.done", 130),
    "image_edits": ({"stream": "true"}, b"image_edit.completed", 260),
}


def streaming(name: str, model: str) -> Sending:
    path, sent = sendings(model)[name]
    part = "json" if "json" in sent else "data"
    return path, {**sent, part: {**sent[part], **STREAMS[name][0]}}


async def send(on: Bench, sending: Sending, **headers: str) -> httpx2.Response:
    path, sent = sending
    return await on.client.post(path, **sent, headers=headers)
