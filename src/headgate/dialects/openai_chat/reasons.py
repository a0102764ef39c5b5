"""Why an answer ended: the words of OpenAI and of its many speakers, in a table."""

from typing import Final

from headgate.core.events import StopReason

REASONS: Final[dict[str, StopReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    # https://docs.mistral.ai/api (2026-11)
    "model_length": "length",
    # https://docs.together.ai/reference/chat-completions (2026-11), Hugging Face text-generation-inference
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop_sequence",
    # https://docs.z.ai/api-reference/llm/chat-completion (2026-11)
    "sensitive": "content_filter",
    "model_context_window_exceeded": "length",
    "network_error": "error",
    # https://api-docs.deepseek.com/api/create-chat-completion (2026-11)
    "insufficient_system_resource": "error",
    # the underlying service's own word, passed on by hosts of several
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "end_turn": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "refusal": "refusal",
    "pause_turn": "pause",
    "safety": "content_filter",
}

WORDS: Final[dict[StopReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "pause": "stop",
    "error": "stop",  # there is no word for it: renderers say it otherwise
    "other": "stop",
}


def reason_of(word: str) -> StopReason:
    """The common reason for a wire word; `other` for one that nobody told us of."""
    return REASONS.get(word) or REASONS.get(word.lower(), "other")


def word_of(reason: StopReason, wire_reason: str | None, *, has_refusal: bool) -> str | None:
    """The wire word for a reason: what this dialect said, when it means the same; None for another dialect's."""
    if wire_reason == "" and reason == "other":
        return None  # the host told none
    if wire_reason and (reason_of(wire_reason) == reason or (has_refusal and wire_reason == "stop")):
        return wire_reason
    if reason == "refusal" and has_refusal:
        return "stop"  # that is how OpenAI ends a refusal it has words for
    return WORDS[reason]
