"""How a fake upstream answers when nothing was scripted: like the APIs that most clients speak. Written by hand
from the providers' pages, each named at its voice; must not be taken for a reference of those APIs.
"""

import re
from typing import Final

import msgspec
from msgspec.structs import replace

from headgate.transport.fake.answers import Answer, streamed, whole
from headgate.transport.fake.side_voices import SIDE_VOICES
from headgate.transport.fake.voice import Ask, Voice, sse

_CREATED: Final = 1_760_000_000


def answer_by_default(ask: Ask, gap_s: float) -> Answer:
    """What the API at this path would say; all of them answer to POST."""
    voices = (*VOICES, *SIDE_VOICES) if ask.method == "POST" else ()
    voice = next((voice for voice in voices if voice.path.fullmatch(ask.path)), None)
    if voice is None:
        missing = {"error": {"message": f"FakeUpstream has no answer for {ask.method} {ask.path}", "type": "not_found"}}
        return whole(msgspec.json.encode(missing), status=404)
    answer = _streamed(voice, ask, gap_s) if ask.wants_stream else _whole(voice.whole(ask))
    return replace(answer, ping=voice.ping, error=voice.error)


def _whole(told: object) -> Answer:
    return told if isinstance(told, Answer) else whole(msgspec.json.encode(told))


def _streamed(voice: Voice, ask: Ask, gap_s: float) -> Answer:
    chunks = voice.stream(ask)
    if ask.path.endswith(":streamGenerateContent") and "alt=sse" not in ask.query:
        # Without alt=sse the stream is one JSON array: https://ai.google.dev/api/generate-content (2026-11)
        items = [chunk.removeprefix(b"data: ").rstrip() for chunk in chunks]
        array = [(b"[" if index == 0 else b",\r\n") + item for index, item in enumerate(items)]
        return streamed([*array, b"]"], gap_s=gap_s, content_type="application/json")
    return streamed(chunks, gap_s=gap_s, content_type=voice.stream_type)


# OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat (2026-11)


def _chat_usage(ask: Ask) -> dict[str, object]:
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": len(ask.words),
        "total_tokens": ask.prompt_tokens + len(ask.words),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _chat_whole(ask: Ask) -> object:
    message = {"role": "assistant", "content": ask.text, "refusal": None}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": _CREATED,
        "model": ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(ask),
    }


def _chat_stream(ask: Ask) -> list[bytes]:
    def chunk(delta: object, finish: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": _CREATED,
            "model": ask.model,
            "choices": [choice],
        }

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": word}) for word in ask.words]
    chunks.append(chunk({}, "stop"))
    if ask.wants_usage:
        chunks = [part | {"usage": None} for part in chunks]
        chunks.append(chunks[0] | {"choices": [], "usage": _chat_usage(ask)})
    return [*map(sse, chunks), b"data: [DONE]\n\n"]


# OpenAI responses: https://platform.openai.com/docs/api-reference/responses (2026-11)


def _responses_part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": []}


def _responses_item(ask: Ask, status: str = "completed") -> dict[str, object]:
    content = [_responses_part(ask.text)] if status == "completed" else []
    return {"id": "msg_fake", "type": "message", "status": status, "role": "assistant", "content": content}


def _responses_whole(ask: Ask) -> dict[str, object]:
    words = len(ask.words)
    usage = {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": words,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": ask.prompt_tokens + words,
    }
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": _CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": [_responses_item(ask)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def _responses_stream(ask: Ask) -> list[bytes]:
    begun = _responses_whole(ask)
    begun.update(status="in_progress", output=[], usage=None)
    where = {"item_id": "msg_fake", "output_index": 0, "content_index": 0}
    events: list[tuple[str, dict[str, object]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": _responses_item(ask, "in_progress")}),
        ("response.content_part.added", {**where, "part": _responses_part("")}),
        *(("response.output_text.delta", {**where, "delta": word}) for word in ask.words),
        ("response.output_text.done", {**where, "text": ask.text}),
        ("response.content_part.done", {**where, "part": _responses_part(ask.text)}),
        ("response.output_item.done", {"output_index": 0, "item": _responses_item(ask)}),
        ("response.completed", {"response": _responses_whole(ask)}),
    ]
    return [sse({"type": name, "sequence_number": number, **data}, name) for number, (name, data) in enumerate(events)]


# Anthropic messages: https://docs.claude.com/en/api/messages and …/build-with-claude/streaming (2026-11)


def _messages_whole(ask: Ask) -> dict[str, object]:
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [{"type": "text", "text": ask.text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": ask.prompt_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": len(ask.words),
        },
    }


def _messages_stream(ask: Ask) -> list[bytes]:
    begun = _messages_whole(ask)
    begun.update(content=[], stop_reason=None, usage={"input_tokens": ask.prompt_tokens, "output_tokens": 1})
    deltas = [{"type": "text_delta", "text": word} for word in ask.words]
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": len(ask.words)},
        },
        {"type": "message_stop"},
    ]
    return [sse(event, str(event["type"])) for event in events]


# Gemini: https://ai.google.dev/api/generate-content (2026-11)


def _gemini_part(ask: Ask, text: str, *, is_last: bool) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if is_last:
        candidate["finishReason"] = "STOP"
    usage = {
        "promptTokenCount": ask.prompt_tokens,
        "candidatesTokenCount": len(ask.words),
        "totalTokenCount": ask.prompt_tokens + len(ask.words),
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": ask.model, "responseId": "fake"}


def _gemini_whole(ask: Ask) -> object:
    return _gemini_part(ask, ask.text, is_last=True)


def _gemini_stream(ask: Ask) -> list[bytes]:
    words = ask.words
    last = len(words) - 1
    return [sse(_gemini_part(ask, word, is_last=index == last)) for index, word in enumerate(words)]


# Cohere chat: https://docs.cohere.com/v2/reference/chat and …/chat-stream (2026-11)


def _cohere_end(ask: Ask) -> dict[str, object]:
    counts = {"input_tokens": ask.prompt_tokens, "output_tokens": len(ask.words)}
    return {"finish_reason": "COMPLETE", "usage": {"billed_units": counts, "tokens": counts, "cached_tokens": 0}}


def _cohere_whole(ask: Ask) -> object:
    message = {"role": "assistant", "content": [{"type": "text", "text": ask.text}]}
    return {"id": "cohere-fake", "message": message, **_cohere_end(ask)}


def _cohere_stream(ask: Ask) -> list[bytes]:
    def content(kind: str, words: object) -> dict[str, object]:
        return {"type": kind, "index": 0, "delta": {"message": {"content": words}}}

    begun: dict[str, object] = {
        "role": "assistant",
        "content": [],
        "tool_plan": "",
        "tool_calls": [],
        "citations": [],
    }
    events: list[dict[str, object]] = [
        {"type": "message-start", "id": "cohere-fake", "delta": {"message": begun}},
        content("content-start", {"type": "text", "text": ""}),
        *(content("content-delta", {"text": word}) for word in ask.words),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": _cohere_end(ask)},
    ]
    return [*(sse(event, str(event["type"])) for event in events), b"data: [DONE]\n\n"]


# Ollama chat: https://docs.ollama.com/api/chat and …/api/streaming (2026-11)


def _ollama_line(ask: Ask, text: str) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {"model": ask.model, "created_at": "2025-10-09T08:53:20.000000001Z", "message": message, "done": False}


def _ollama_end(ask: Ask, text: str) -> dict[str, object]:
    counts = {"prompt_eval_count": ask.prompt_tokens, "eval_count": len(ask.words)}
    durations = {"total_duration": 5_000_000, "load_duration": 1_000_000, "eval_duration": 3_000_000}
    return _ollama_line(ask, text) | {"done": True, "done_reason": "stop", **durations, **counts}


def _ollama_whole(ask: Ask) -> object:
    return _ollama_end(ask, ask.text)


def _ollama_stream(ask: Ask) -> list[bytes]:
    lines = [*(_ollama_line(ask, word) for word in ask.words), _ollama_end(ask, "")]
    return [msgspec.json.encode(line) + b"\n" for line in lines]


VOICES: Final = (
    Voice(
        path=re.compile(r".*/chat/completions"),
        whole=_chat_whole,
        stream=_chat_stream,
        error=sse({"error": {"message": "The server is overloaded", "type": "server_error", "code": "overloaded"}}),
    ),
    Voice(
        # Vertex AI's path too: https://docs.claude.com/en/api/claude-on-vertex-ai (2026-11)
        path=re.compile(r".*/messages|.*/models/[^/]+:(?:r|streamR)awPredict"),
        whole=_messages_whole,
        stream=_messages_stream,
        ping=sse({"type": "ping"}, "ping"),
        error=sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error"),
    ),
    Voice(
        path=re.compile(r".*/models/[^/]+:(?:g|streamG)enerateContent"),
        whole=_gemini_whole,
        stream=_gemini_stream,
        error=sse({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
    ),
    Voice(
        path=re.compile(r".*/responses"),
        whole=_responses_whole,
        stream=_responses_stream,
        error=sse({"type": "error", "code": "server_error", "message": "Overloaded", "param": None}, "error"),
    ),
    Voice(
        path=re.compile(r".*/v2/chat"),
        whole=_cohere_whole,
        stream=_cohere_stream,
        error=sse(
            {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "Overloaded", "usage": {}}},
            "message-end",
        ),
    ),
    Voice(
        path=re.compile(r".*/api/chat"),
        whole=_ollama_whole,
        stream=_ollama_stream,
        ping=b" ",
        error=b'{"error":"server busy, please try again"}\n',
        stream_type="application/x-ndjson",
    ),
)
