"""The usage that a recorded answer reports, read straight from its JSON: a second reading to compare ours with."""

import base64
import contextlib
import json
import re
import struct
from collections.abc import Iterator
from typing import Any

Counts = dict[str, int]


def reported_usage(dialect: str, body: bytes) -> Counts | None:
    """Canonical counts as the provider told them last; None when it told none."""
    usages = [found for item in documents(body) for found in _USAGES[dialect](item)]
    if not usages:
        return None
    merged: dict[str, Any] = {}
    for usage in usages:
        merged.update({name: value for name, value in usage.items() if value is not None})
    return _COUNTS[dialect](merged if dialect in ("anthropic", "bedrock_invoke") else usages[-1])


def documents(body: bytes) -> list[dict[str, Any]]:
    """Every JSON object of an answer: of a stream's events (of each line, where their blank lines got lost), of an
    array, or the one it is."""
    if body.startswith(b"\0"):
        found = [json.loads(payload) for payload in _payloads(body)]
        return [json.loads(base64.b64decode(item["bytes"])) if "bytes" in item else item for item in found]
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):  # one object, or one a line
        return _objects([text]) or _objects(text.splitlines())
    if text.startswith("["):
        return list(json.loads(text))
    found: list[dict[str, Any]] = []
    for block in re.split(r"\r?\n\r?\n", text):
        lines = [line[5:].removeprefix(" ") for line in re.split(r"\r?\n", block) if line.startswith("data:")]
        found += _objects(["\n".join(lines)]) or _objects(lines)
    return found


def _payloads(body: bytes) -> Iterator[bytes]:
    """What the messages of AWS's event stream carry."""
    while body:
        size, headers_size = struct.unpack(">II", body[:8])
        yield body[12 + headers_size : size - 4]
        body = body[size:]


def _objects(texts: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for text in texts:
        with contextlib.suppress(ValueError):
            item = json.loads(text)
            found += [item] if isinstance(item, dict) else []
    return found


def _chat_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    groq = item.get("x_groq") or {}
    last = [choice.get("usage") for choice in item.get("choices") or [] if isinstance(choice, dict)]
    return [usage for usage in (*last, groq.get("usage"), item.get("usage")) if isinstance(usage, dict) and usage]


def _chat_counts(usage: dict[str, Any]) -> Counts:
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    outputs = usage.get("completion_tokens_details") or {}
    reasoning = outputs.get("reasoning_tokens") or usage.get("reasoning_tokens") or 0
    inputs = usage.get("prompt_tokens_details") or {}
    # each host has its own word for what it found in its cache: OpenAI, then DeepSeek, Moonshot, Venice, Mistral
    names = ("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens", "num_cached_tokens")
    cached = inputs.get("cached_tokens") or next((usage[name] for name in names if usage.get(name)), 0)
    # Where the total is more than its two parts: Mistral tells sound beside the prompt, xAI its reasoning beside the
    # completion, and Google's compatible API tells its thoughts nowhere else.
    surplus = max((usage.get("total_tokens") or 0) - prompt - completion, 0)
    if surplus and surplus in (cached, inputs.get("audio_tokens")) and surplus != reasoning:
        prompt += surplus
    elif reasoning in (0, surplus):
        completion += surplus
    # xAI on Azure tells more cached tokens than there were in the prompt: no more than those can be meant
    return {"input": prompt, "output": completion, "cached": min(cached, prompt)}


def _responses_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    usage = item.get("usage") or (item.get("response") or {}).get("usage")
    return [usage] if isinstance(usage, dict) else []


def _responses_counts(usage: dict[str, Any]) -> Counts:
    cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
    return {"input": usage.get("input_tokens") or 0, "output": usage.get("output_tokens") or 0, "cached": cached}


def _anthropic_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    usage = item.get("usage") or (item.get("message") or {}).get("usage")
    return [usage] if isinstance(usage, dict) else []


def _anthropic_counts(usage: dict[str, Any]) -> Counts:
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return {
        "input": (usage.get("input_tokens") or 0) + cached + written,
        "output": usage.get("output_tokens") or 0,
        "cached": cached,
    }


def _gemini_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    usage = item.get("usageMetadata")
    return [usage] if isinstance(usage, dict) and usage else []


def _gemini_counts(usage: dict[str, Any]) -> Counts:
    """Thoughts stand beside the answer, but for a few previews: their total says that the answer includes them."""
    spent = (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0)
    answer, thoughts = usage.get("candidatesTokenCount") or 0, usage.get("thoughtsTokenCount") or 0
    is_inside = usage.get("totalTokenCount") == spent + answer
    return {
        "input": spent,
        "output": answer if is_inside else answer + thoughts,
        "cached": usage.get("cachedContentTokenCount") or 0,
    }


def _converse_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    usage = item.get("usage")
    return [usage] if isinstance(usage, dict) else []


def _converse_counts(usage: dict[str, Any]) -> Counts:
    """Converse's total tells the truth: what it has besides input and output went into the cache, or came from it."""
    output, cached = usage.get("outputTokens") or 0, usage.get("cacheReadInputTokens") or 0
    return {"input": (usage.get("totalTokens") or output) - output, "output": output, "cached": cached}


def _invoke_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    """What the maker tells, in its own words, and what Bedrock itself counted at the end of a stream."""
    places = (item, item.get("metadata"), item.get("message"), item.get("amazon-bedrock-invocationMetrics"))
    found = [place.get("usage") for place in places if isinstance(place, dict)]
    own = {name: item[name] for name in _INVOKE_COUNTS if item.get(name) is not None}
    results = (item.get("results") or [{}])[0].get("tokenCount")
    own |= {"tokenCount": results} if results is not None else {}
    return [usage for usage in (own, item.get("amazon-bedrock-invocationMetrics"), *found) if usage]


_INVOKE_COUNTS = ("inputTextTokenCount", "totalOutputTextTokenCount", "prompt_token_count", "generation_token_count")
_INVOKE_INPUTS = ("input_tokens", "inputTokens", "prompt_tokens", "inputTokenCount", *_INVOKE_COUNTS[::2])
_INVOKE_OUTPUTS = ("output_tokens", "outputTokens", "completion_tokens", "outputTokenCount", *_INVOKE_COUNTS[1::2])


def _invoke_counts(usage: dict[str, Any]) -> Counts:
    def first(*names: str) -> int:
        return next((usage[name] for name in names if usage.get(name) is not None), 0)

    cached = first("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount")
    if (details := usage.get("prompt_tokens_details")) and not cached:  # of which OpenAI's prompt includes them
        return {"input": first(*_INVOKE_INPUTS), "output": first(*_INVOKE_OUTPUTS), "cached": details["cached_tokens"]}
    written = first("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    output = first(*_INVOKE_OUTPUTS, "tokenCount")
    return {"input": first(*_INVOKE_INPUTS) + cached + written, "output": output, "cached": cached}


def _cohere_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    usage = item.get("usage") or (item.get("delta") or {}).get("usage")
    return [usage] if isinstance(usage, dict) and usage else []


def _cohere_counts(usage: dict[str, Any]) -> Counts:
    """What is billed: `tokens` has Cohere's own preamble too, and what was cached is counted in those."""
    billed = usage.get("billed_units") or usage.get("tokens") or {}
    return {"input": int(billed.get("input_tokens", 0)), "output": int(billed.get("output_tokens", 0)), "cached": 0}


def _ollama_usages(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [item] if item.get("done") and ("eval_count" in item or "prompt_eval_count" in item) else []


def _ollama_counts(usage: dict[str, Any]) -> Counts:
    return {"input": usage.get("prompt_eval_count", 0), "output": usage.get("eval_count", 0), "cached": 0}


_USAGES = {
    "openai_chat": _chat_usages,
    "openai_responses": _responses_usages,
    "anthropic": _anthropic_usages,
    "gemini": _gemini_usages,
    "bedrock_converse": _converse_usages,
    "bedrock_invoke": _invoke_usages,
    "cohere": _cohere_usages,
    "ollama": _ollama_usages,
}
_COUNTS = {
    "openai_chat": _chat_counts,
    "openai_responses": _responses_counts,
    "anthropic": _anthropic_counts,
    "gemini": _gemini_counts,
    "bedrock_converse": _converse_counts,
    "bedrock_invoke": _invoke_counts,
    "cohere": _cohere_counts,
    "ollama": _ollama_counts,
}
