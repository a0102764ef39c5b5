"""Whose bodies InvokeModel carries: one table of the makers' formats, and how each is known. Must not read them.

Bodies are those of https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html (2026-11).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, field

from headgate.dialects.bedrock_invoke.paths import Path, value_at

VERSION: Final = "bedrock-2023-05-31"
"""https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html (2026-11)"""


class Answer(Struct, frozen=True, kw_only=True):
    """Where a completion stands in an answer, or in a chunk of a stream."""

    text: Path
    reason: Path
    input_tokens: Path = ()
    output_tokens: Path = ()


class Completion(Struct, frozen=True, kw_only=True):
    """A format that continues one text: where its parts stand."""

    prompt: Path
    knobs: Mapping[str, Path]
    """By the canonical name of the knob."""
    whole: Answer
    chunk: Answer


class Family(Struct, frozen=True, kw_only=True):
    """One format of bodies. It is a dialect of its own, which `speaks` names, or a completion."""

    name: str
    models: str
    """What its models' ids look like."""
    asks: frozenset[str] = frozenset()
    """A member of these in a request tells it, where the id does not."""
    answers: frozenset[str] = frozenset()
    """A member of these in an answer, or in a chunk of a stream, tells it."""
    speaks: str = ""
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    """Members that a body must have."""
    refused: frozenset[str] = frozenset()
    """Members of the maker's own API that Bedrock refuses."""
    refused_of_tools: frozenset[str] = frozenset()
    """Members of tools that it refuses."""
    completion: Completion | None = None


def _plain(names: Mapping[str, str]) -> dict[str, Path]:
    return {knob: (name,) for knob, name in names.items()}


_TITAN: Final = Completion(
    prompt=("inputText",),
    knobs={
        "max_tokens": ("textGenerationConfig", "maxTokenCount"),
        "temperature": ("textGenerationConfig", "temperature"),
        "top_p": ("textGenerationConfig", "topP"),
        "stop": ("textGenerationConfig", "stopSequences"),
    },
    whole=Answer(
        text=("results", 0, "outputText"),
        reason=("results", 0, "completionReason"),
        input_tokens=("inputTextTokenCount",),
        output_tokens=("results", 0, "tokenCount"),
    ),
    chunk=Answer(
        text=("outputText",),
        reason=("completionReason",),
        input_tokens=("inputTextTokenCount",),
        output_tokens=("totalOutputTextTokenCount",),
    ),
)
_LLAMA_ANSWER: Final = Answer(
    text=("generation",),
    reason=("stop_reason",),
    input_tokens=("prompt_token_count",),
    output_tokens=("generation_token_count",),
)
_LLAMA: Final = Completion(
    prompt=("prompt",),
    knobs=_plain({"max_tokens": "max_gen_len", "temperature": "temperature", "top_p": "top_p"}),
    whole=_LLAMA_ANSWER,
    chunk=_LLAMA_ANSWER,
)
_MISTRAL_ANSWER: Final = Answer(text=("outputs", 0, "text"), reason=("outputs", 0, "stop_reason"))
_MISTRAL: Final = Completion(
    prompt=("prompt",),
    knobs=_plain(
        {"max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop": "stop"}
    ),
    whole=_MISTRAL_ANSWER,
    chunk=_MISTRAL_ANSWER,
)
_COHERE_KNOBS: Final = _plain(
    {
        "max_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "p",
        "top_k": "k",
        "stop": "stop_sequences",
    }
)
_COHERE_ANSWER: Final = Answer(text=("generations", 0, "text"), reason=("generations", 0, "finish_reason"))
_COHERE: Final = Completion(prompt=("prompt",), knobs=_COHERE_KNOBS, whole=_COHERE_ANSWER, chunk=_COHERE_ANSWER)
_COMMAND: Final = Completion(
    prompt=("message",),
    knobs=_COHERE_KNOBS,
    whole=Answer(text=("text",), reason=("finish_reason",)),
    chunk=Answer(text=("text",), reason=("response", "finish_reason")),
)
_JURASSIC_ANSWER: Final = Answer(
    text=("completions", 0, "data", "text"), reason=("completions", 0, "finishReason", "reason")
)
_JURASSIC: Final = Completion(
    prompt=("prompt",),
    knobs=_plain({"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP", "stop": "stopSequences"}),
    whole=_JURASSIC_ANSWER,
    chunk=_JURASSIC_ANSWER,
)
_PLAIN_ANSWER: Final = Answer(
    text=("choices", 0, "text"),
    reason=("choices", 0, "finish_reason"),
    input_tokens=("usage", "prompt_tokens"),
    output_tokens=("usage", "completion_tokens"),
)
_PLAIN: Final = Completion(
    prompt=("prompt",),
    knobs=_plain({"max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop": "stop"}),
    whole=_PLAIN_ANSWER,
    chunk=_PLAIN_ANSWER,
)

_HUMAN_ANSWER: Final = Answer(
    text=("completion",),
    reason=("stop_reason",),
    input_tokens=("usage", "input_tokens"),
    output_tokens=("usage", "output_tokens"),
)
_HUMAN: Final = Completion(
    prompt=("prompt",),
    knobs=_plain(
        {
            "max_tokens": "max_tokens_to_sample",
            "temperature": "temperature",
            "top_p": "top_p",
            "top_k": "top_k",
            "stop": "stop_sequences",
        }
    ),
    whole=_HUMAN_ANSWER,
    chunk=_HUMAN_ANSWER,
)

_NOVA_EVENTS: Final = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop"}
)

FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Family(
            name="human",  # as its prompts begin: Claude before it had messages
            models=r"anthropic\.claude-(?:instant|v2)",
            asks=frozenset({"max_tokens_to_sample"}),
            answers=frozenset({"completion"}),
            completion=_HUMAN,
        ),
        Family(
            name="claude",
            models=r"anthropic\.",
            asks=frozenset({"anthropic_version"}),
            answers=frozenset({"content", "type"}),
            speaks="anthropic",
            constants={"anthropic_version": VERSION},
            # of betas, whose header has no place here, and of Anthropic's own service; tools are checked strictly:
            # https://github.com/anthropics/claude-agent-sdk-python/issues/694 (2026-03)
            refused=frozenset({"container", "context_management", "inference_geo", "mcp_servers", "service_tier"}),
            refused_of_tools=frozenset({"eager_input_streaming"}),
        ),
        Family(
            name="nova",
            models=r"amazon\.nova",
            asks=frozenset({"schemaVersion", "inferenceConfig", "toolConfig"}),
            answers=_NOVA_EVENTS | {"output"},
            speaks="bedrock_converse",
            constants={"schemaVersion": "messages-v1"},
        ),
        Family(
            name="titan",
            models=r"amazon\.titan",
            asks=frozenset({"inputText"}),
            answers=frozenset({"results", "outputText"}),
            completion=_TITAN,
        ),
        Family(
            name="llama",
            models=r"meta\.llama",
            asks=frozenset({"max_gen_len"}),
            answers=frozenset({"generation"}),
            completion=_LLAMA,
        ),
        Family(
            name="command",
            models=r"cohere\.command-r",
            asks=frozenset({"message"}),
            answers=frozenset({"event_type", "text", "generation_id"}),
            completion=_COMMAND,
        ),
        Family(name="cohere", models=r"cohere\.", answers=frozenset({"generations"}), completion=_COHERE),
        Family(
            name="jurassic",
            models=r"ai21\.j2",
            asks=frozenset({"maxTokens"}),
            answers=frozenset({"completions"}),
            completion=_JURASSIC,
        ),
        Family(
            name="mistral",
            models=r"mistral\.(?:mistral-7b|mixtral|mistral-(?:small|large)-2402)",
            answers=frozenset({"outputs"}),
            completion=_MISTRAL,
        ),
        Family(
            name="chat",
            models=r"openai\.|ai21\.jamba|mistral\.|qwen\.|deepseek\.v|moonshot|minimax\.|zai\.|nvidia\.|google\.",
            asks=frozenset({"messages"}),
            speaks="openai_chat",
        ),
        Family(name="plain", models=r"sagemaker", asks=frozenset({"prompt"}), completion=_PLAIN),
    )
}
"""In the order in which they are tried."""


def of_model(model: str) -> Family | None:
    """The format of a model's bodies, as far as its id tells; an ARN of one's own seldom does."""
    return next((family for family in FAMILIES.values() if re.search(family.models, model)), None)


def of_request(members: Iterable[str], model: str) -> Family | None:
    """The format of a request."""
    names = set(members)
    known = [family for family in FAMILIES.values() if re.search(family.models, model)]
    asked = [family for family in known or FAMILIES.values() if family.asks & names]
    return next(iter(asked or known), None)


def of_answer(document: Mapping[str, object]) -> Family | None:
    """The format of an answer, or of the first chunk of a stream."""
    if "choices" in document:  # hosts add members of all kinds beside them
        return FAMILIES["plain" if _is_plain(document) else "chat"]
    return next((family for family in FAMILIES.values() if family.answers & document.keys()), None)


def _is_plain(document: Mapping[str, object]) -> bool:
    """Whether choices are texts, not messages."""
    return isinstance(value_at(document, ("choices", 0, "text")), str)
