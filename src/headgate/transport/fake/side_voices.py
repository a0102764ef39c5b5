"""How a fake upstream answers beside chat: embeddings, ranking, pictures, sound. Written by hand from the providers'
pages, each named at its voice; must not be taken for a reference of those APIs.
"""

import base64
import re
from typing import Final, cast

from headgate.transport.fake.answers import Answer, whole
from headgate.transport.fake.voice import Ask, Voice, sse

PICTURE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\nnot a picture").decode()
SOUND: Final = b"RIFF\x00not a sound\xff" * 64
_CREATED: Final = 1_760_000_000
_ERROR: Final = sse({"type": "error", "error": {"message": "Overloaded", "type": "server_error"}}, "error")


def _list(ask: Ask, *names: str) -> list[object]:
    """The member of one of these names, as a list."""
    told = next((ask.members[name] for name in names if name in ask.members), "")
    return cast("list[object]", told) if isinstance(told, list) else [told]


def _vector(index: int) -> list[float]:
    return [index + 0.25, -0.5, 0.125]


# https://platform.openai.com/docs/api-reference/embeddings (2026-11)


def _embeddings(ask: Ask) -> object:
    inputs = _list(ask, "input")
    count = 1 if inputs and isinstance(inputs[0], int) else len(inputs)
    data = [{"object": "embedding", "index": index, "embedding": _vector(index)} for index in range(count)]
    if ask.members.get("encoding_format") == "base64":
        for entry in data:
            entry["embedding"] = "AACAPgAAAL8AAAA+"
    usage = {"prompt_tokens": ask.prompt_tokens, "total_tokens": ask.prompt_tokens}
    return {"object": "list", "data": data, "model": ask.model, "usage": usage}


# https://ai.google.dev/api/embeddings, https://docs.cohere.com/v2/reference/embed, https://docs.ollama.com/api/embed
# (2026-11)


def _gemini_single(_ask: Ask) -> object:
    return {"embedding": {"values": _vector(0)}}


def _gemini_batch(ask: Ask) -> object:
    return {"embeddings": [{"values": _vector(index)} for index, _ in enumerate(_list(ask, "requests"))]}


def _cohere_embed(ask: Ask) -> object:
    texts = _list(ask, "texts", "inputs")
    return {
        "id": "embed-fake",
        "embeddings": {"float": [_vector(index) for index, _ in enumerate(texts)]},
        "texts": texts,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": ask.prompt_tokens}},
        "response_type": "embeddings_by_type",
    }


def _ollama_embed(ask: Ask) -> object:
    vectors = [_vector(index) for index, _ in enumerate(_list(ask, "input"))]
    return {"model": ask.model, "embeddings": vectors, "prompt_eval_count": ask.prompt_tokens}


# https://docs.cohere.com/v2/reference/rerank and https://api.jina.ai/redoc (2026-11)


def _ranked(ask: Ask) -> list[dict[str, object]]:
    count = len(_list(ask, "documents"))
    results: list[dict[str, object]] = [
        {"index": index, "relevance_score": 0.5 / (place + 1)} for place, index in enumerate(reversed(range(count)))
    ]
    wanted = ask.members.get("top_n")
    return results[:wanted] if isinstance(wanted, int) else results


def _cohere_rerank(ask: Ask) -> object:
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return {"id": "rerank-fake", "results": _ranked(ask), "meta": meta}


def _rerank(ask: Ask) -> object:
    return {"model": ask.model, "object": "list", "results": _ranked(ask), "usage": {"total_tokens": ask.prompt_tokens}}


# https://platform.openai.com/docs/api-reference/moderations and …/completions (2026-11)


def _moderations(ask: Ask) -> object:
    result = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.001}}
    return {"id": "modr-fake", "model": ask.model, "results": [result for _ in _list(ask, "input")]}


def _completion(ask: Ask, text: str, finish: str | None) -> dict[str, object]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    common = {"id": "cmpl-fake", "object": "text_completion", "created": _CREATED, "model": ask.model}
    return {**common, "choices": [choice]}


def _completion_usage(ask: Ask) -> dict[str, object]:
    output = len(ask.words)
    counts = {"prompt_tokens": ask.prompt_tokens, "completion_tokens": output}
    return {**counts, "total_tokens": ask.prompt_tokens + output}


def _completions(ask: Ask) -> object:
    return {**_completion(ask, ask.text, "stop"), "usage": _completion_usage(ask)}


def _completions_stream(ask: Ask) -> list[bytes]:
    chunks = [_completion(ask, word, None) for word in ask.words]
    chunks.append(_completion(ask, "", "stop"))
    if ask.wants_usage:
        chunks.append({**_completion(ask, "", None), "choices": [], "usage": _completion_usage(ask)})
    return [*(sse(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


# https://platform.openai.com/docs/api-reference/images and …/images-streaming (2026-11)


def _images_usage(ask: Ask, count: int) -> dict[str, object]:
    text, output = ask.prompt_tokens, 1000 * count
    return {
        "input_tokens": text,
        "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
        "output_tokens": output,
        "total_tokens": text + output,
    }


def _images(ask: Ask) -> object:
    count = int(str(ask.members.get("n") or 1))
    data = [{"b64_json": PICTURE} for _ in range(count)]
    return {"created": _CREATED, "data": data, "usage": _images_usage(ask, count)}


def _images_stream(ask: Ask) -> list[bytes]:
    kind = "image_edit" if ask.path.endswith("/edits") else "image_generation"
    common = {"b64_json": PICTURE, "created_at": _CREATED, "size": "1024x1024", "quality": "low"}
    common = {**common, "background": "opaque", "output_format": "png"}
    partial = {"type": f"{kind}.partial_image", **common, "partial_image_index": 0}
    done = {"type": f"{kind}.completed", **common, "usage": _images_usage(ask, 1)}
    return [sse(told, str(told["type"])) for told in (partial, done)]


# https://platform.openai.com/docs/api-reference/audio (2026-11)


def _speech(_ask: Ask) -> object:
    pieces = tuple(SOUND[start : start + 256] for start in range(0, len(SOUND), 256))
    return Answer(headers=(("content-type", "audio/mpeg"),), chunks=pieces, is_stream=True)


def _speech_stream(ask: Ask) -> list[bytes]:
    piece = base64.b64encode(SOUND[:64]).decode()
    usage = {"input_tokens": ask.prompt_tokens, "output_tokens": 80, "total_tokens": ask.prompt_tokens + 80}
    told = [{"type": "speech.audio.delta", "audio": piece}, {"type": "speech.audio.done", "usage": usage}]
    return [sse(each) for each in told]


def _sound_usage() -> dict[str, object]:
    details = {"text_tokens": 3, "audio_tokens": 37}
    return {
        "type": "tokens",
        "input_tokens": 40,
        "input_token_details": details,
        "output_tokens": 12,
        "total_tokens": 52,
    }


def _transcript(ask: Ask) -> object:
    seconds = {"type": "duration", "seconds": 7}
    match ask.members.get("response_format"):
        case "text":
            return whole(f"{ask.text}\n".encode(), content_type="text/plain; charset=utf-8")
        case "srt":
            lines = f"1\n00:00:00,000 --> 00:00:04,500\n{ask.text}\n\n"
            return whole(lines.encode(), content_type="text/plain; charset=utf-8")
        case "vtt":
            lines = f"WEBVTT\n\n00:00:00.000 --> 00:00:04.500\n{ask.text}\n\n"
            return whole(lines.encode(), content_type="text/vtt; charset=utf-8")
        case "verbose_json":
            told: dict[str, object] = {"task": "transcribe", "language": "english", "duration": 6.5}
            return {**told, "text": ask.text, "segments": (), "usage": seconds}
        case _:
            return {"text": ask.text, "usage": seconds if ask.model.startswith("whisper") else _sound_usage()}


def _transcript_stream(ask: Ask) -> list[bytes]:
    deltas = [sse({"type": "transcript.text.delta", "delta": word}) for word in ask.words]
    return [*deltas, sse({"type": "transcript.text.done", "text": ask.text, "usage": _sound_usage()})]


# https://ai.google.dev/gemini-api/docs/interactions (2026-11)


def _interaction(ask: Ask, status: str) -> dict[str, object]:
    return {"id": "v1_fake", "object": "interaction", "model": ask.model, "status": status}


def _interaction_usage(ask: Ask) -> dict[str, object]:
    output = len(ask.words)
    counts = {"total_input_tokens": ask.prompt_tokens, "total_output_tokens": output, "total_thought_tokens": 2}
    return {**counts, "total_tokens": ask.prompt_tokens + output + 2}


def _interactions(ask: Ask) -> object:
    if ask.members.get("background"):
        return _interaction(ask, "in_progress")
    step = {"type": "model_output", "content": [{"type": "text", "text": ask.text}]}
    return {**_interaction(ask, "completed"), "steps": [step], "usage": _interaction_usage(ask)}


def _interactions_stream(ask: Ask) -> list[bytes]:
    deltas: list[dict[str, object]] = [
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": word}} for word in ask.words
    ]
    done = {**_interaction(ask, "completed"), "usage": _interaction_usage(ask)}
    told: list[dict[str, object]] = [
        {"event_type": "interaction.created", "interaction": _interaction(ask, "in_progress")},
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
        *deltas,
        {"event_type": "step.stop", "index": 0},
        {"event_type": "interaction.completed", "interaction": done},
    ]
    return [*(sse(each, str(each["event_type"])) for each in told), b"event: done\ndata: [DONE]\n\n"]


def _nothing(_ask: Ask) -> list[bytes]:
    return []


_TABLE: Final = (
    (r".*/embeddings", _embeddings, _nothing),
    (r".*/models/[^/]+:embedContent", _gemini_single, _nothing),
    (r".*/models/[^/]+:batchEmbedContents", _gemini_batch, _nothing),
    (r".*/v2/embed", _cohere_embed, _nothing),
    (r".*/api/embed", _ollama_embed, _nothing),
    (r".*/v2/rerank", _cohere_rerank, _nothing),
    (r".*/rerank", _rerank, _nothing),
    (r".*/moderations", _moderations, _nothing),
    (r".*(?<!/chat)/completions", _completions, _completions_stream),
    (r".*/images/(?:generations|edits|variations)", _images, _images_stream),
    (r".*/audio/speech", _speech, _speech_stream),
    (r".*/interactions", _interactions, _interactions_stream),
    (r".*/audio/(?:transcriptions|translations)", _transcript, _transcript_stream),
)
SIDE_VOICES: Final = tuple(
    Voice(path=re.compile(path), whole=told, stream=stream, error=_ERROR) for path, told, stream in _TABLE
)
