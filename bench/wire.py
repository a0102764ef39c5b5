"""What is said on the wire: the call that every gateway gets, the answer that the upstream gives, and the proof
that one led to the other. Knows no gateway."""

from __future__ import annotations

import msgspec

HOST = "127.0.0.1"
CALL_PATH = "/v1/chat/completions"
UPSTREAM_MODEL = "bench-model"
BODY_BYTES = {"1.5 kB": 1_500, "30 kB": 30_000}
ANSWER_TEXT = ("Water boils at a lower temperature on a mountain, because the air presses on it less.\n" * 5).strip()
PROMPT_TOKENS, ANSWER_TOKENS = 320, 90
LENGTH_SLACK_BYTES = 64  # an id or a time that a gateway writes anew may be longer or shorter
EVENT_MARK = b"pebble"  # in every event with text exactly once, however a gateway frames or re-serialises it
LAST_EVENT = b"[DONE]"  # as long as the mark: one tail serves both searches
_PLAIN_PROSE = "Why does bread dough rise faster near the oven than on the window sill in winter? "
_PROSE = 'She said: "weigh the flour first".\nThen add water, salt and a little of the starter; wait for an hour. '


class Target(msgspec.Struct, frozen=True):
    """Where calls go and what they must carry; `root_pid` is the process tree that pays for them (0: none)."""

    port: int
    path: str = CALL_PATH
    model: str = UPSTREAM_MODEL
    headers: tuple[tuple[str, str], ...] = ()
    root_pid: int = 0


def chat_body(model: str, size: int, *, stream: bool) -> bytes:
    """A conversation of exactly `size` bytes: turns of about 650 with JSON escapes in them, then one that fills up."""
    call: dict[str, object] = {"model": model}
    if stream:
        call |= {"stream": True, "stream_options": {"include_usage": True}}
    messages = [{"role": "system", "content": "You are a patient teacher. Answer in one sentence."}]
    call |= {"messages": messages, "temperature": 0.7, "max_tokens": 256}
    while size - len(msgspec.json.encode(call)) > 2_000:
        messages += [{"role": "user", "content": _PROSE * 6}, {"role": "assistant", "content": _PROSE * 6}]
    question = {"role": "user", "content": ""}
    messages.append(question)
    missing = size - len(msgspec.json.encode(call))
    question["content"] = (_PLAIN_PROSE * (missing // len(_PLAIN_PROSE) + 1))[:missing]
    return msgspec.json.encode(call)


def request_bytes(target: Target, body: bytes) -> bytes:
    """The whole HTTP request, made once and sent many times."""
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {HOST}:{target.port}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in target.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _usage() -> dict[str, int]:
    total = PROMPT_TOKENS + ANSWER_TOKENS
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": ANSWER_TOKENS, "total_tokens": total}


def whole_answer() -> bytes:
    message = {"role": "assistant", "content": ANSWER_TEXT, "refusal": None}
    return msgspec.json.encode(
        {
            "id": "chatcmpl-bench000000000000000000000001",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": UPSTREAM_MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": _usage(),
            "system_fingerprint": "fp_bench",
        }
    )


def _event(choices: list[dict[str, object]], **members: object) -> bytes:
    head = {"id": "chatcmpl-bench000000000000000000000001", "object": "chat.completion.chunk"}
    rest = {"created": 1_790_000_000, "model": UPSTREAM_MODEL, "choices": choices}
    return b"data: " + msgspec.json.encode(head | rest | members) + b"\n\n"


def text_event() -> bytes:
    return _event([{"index": 0, "delta": {"content": EVENT_MARK.decode() + " "}, "finish_reason": None}])


def first_event() -> bytes:
    return _event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])


def last_events() -> bytes:
    """The end as OpenAI writes it for a call that asked for its usage."""
    stop = _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return stop + _event([], usage=_usage()) + b"data: " + LAST_EVENT + b"\n\n"


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    completion_tokens: int


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage


_ANSWERS = msgspec.json.Decoder(_Answer)


def is_right_answer(body: bytes) -> bool:
    """Whether the upstream's text and its usage came through."""
    try:
        answer = _ANSWERS.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return False
    texts = [choice.message.content for choice in answer.choices]
    return texts == [ANSWER_TEXT] and answer.usage.completion_tokens == ANSWER_TOKENS
