"""Where services deviate from the dialect, by name. Changes of the top level; the last ones only permit something."""

from collections.abc import Callable
from typing import Final, cast

from msgspec import Raw
from msgspec.json import Decoder

from headgate.dialects.base import Quirk
from headgate.dialects.openai_chat.wire import ENCODE, OBJECT

Wire = dict[str, object]

_MESSAGES: Final = Decoder(list[dict[str, Raw]])
_EFFORT: Final = Decoder(str | None)


def _rename(old: str, new: str) -> Callable[[Wire], Wire]:
    def apply(wire: Wire) -> Wire:
        return {new if name == old else name: value for name, value in wire.items() if name != new or old not in wire}

    return apply


def _drop(gone: str) -> Callable[[Wire], Wire]:
    def apply(wire: Wire) -> Wire:
        return {name: value for name, value in wire.items() if name != gone}

    return apply


def _permit(wire: Wire) -> Wire:
    return wire


def raw_of(value: object) -> Raw:
    """A member as raw JSON, whether it is so already or not."""
    return value if isinstance(value, Raw) else Raw(ENCODE(value))


def _developer_as_system(wire: Wire) -> Wire:
    given = raw_of(wire.get("messages", []))
    if b'"developer"' not in bytes(given):  # hardly anyone says it: then the messages stay as they are, byte for byte
        return wire
    messages = cast("list[Wire]", _MESSAGES.decode(given))
    for message in messages:
        if bytes(cast(Raw, message.get("role", b""))) == b'"developer"':
            message["role"] = "system"
    return {**wire, "messages": messages}


def _reasoning_object(wire: Wire) -> Wire:
    if "reasoning_effort" not in wire:
        return wire
    effort = _EFFORT.decode(raw_of(wire["reasoning_effort"]))
    given = raw_of(wire.get("reasoning", {}))
    holder = {"effort": effort, **(OBJECT.decode(given) if bytes(given) != b"null" else {})}
    return _drop("reasoning_effort")(wire) | ({"reasoning": holder} if effort else {})


def _thinking_object(wire: Wire) -> Wire:
    if "reasoning_effort" not in wire:
        return wire
    effort = _EFFORT.decode(raw_of(wire["reasoning_effort"]))
    given = {} if effort is None else {"thinking": {"type": "disabled" if effort == "none" else "enabled"}}
    return given | _drop("reasoning_effort")(wire)


def _enable_thinking(wire: Wire) -> Wire:
    if "reasoning_effort" not in wire:
        return wire
    effort = _EFFORT.decode(raw_of(wire["reasoning_effort"]))
    given = {} if effort is None else {"enable_thinking": effort != "none"}
    return given | _drop("reasoning_effort")(wire)


QUIRKS: Final[dict[str, Quirk]] = {
    "max_tokens_only": Quirk(
        source="https://api-docs.deepseek.com/api/create-chat-completion (2026-11): knows `max_tokens` alone",
        apply=_rename("max_completion_tokens", "max_tokens"),
    ),
    "max_completion_tokens_only": Quirk(
        source="https://platform.openai.com/docs/guides/reasoning (2026-11): reasoning models refuse `max_tokens`",
        apply=_rename("max_tokens", "max_completion_tokens"),
    ),
    "no_stream_options": Quirk(
        source="https://docs.mistral.ai/api, "
        "https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference (2026-11): "
        "refuse `stream_options`, tell usage without being asked",
        apply=_drop("stream_options"),
    ),
    "developer_as_system": Quirk(
        source="https://api-docs.deepseek.com/api/create-chat-completion, "
        "https://inference-docs.cerebras.ai/api-reference/chat-completions (2026-11): know no role `developer`",
        apply=_developer_as_system,
    ),
    "random_seed": Quirk(
        source="https://docs.mistral.ai/api (2026-11): the seed is called `random_seed`",
        apply=_rename("seed", "random_seed"),
    ),
    "no_user": Quirk(
        source="https://docs.mistral.ai/api (2026-11): refuses unknown fields, `user` among them",
        apply=_drop("user"),
    ),
    "reasoning_object": Quirk(
        source="https://openrouter.ai/docs/use-cases/reasoning-tokens (2026-11): `reasoning: {effort}`",
        apply=_reasoning_object,
    ),
    "thinking_object": Quirk(
        source="https://docs.z.ai/guides/capabilities/thinking-mode (2026-11): `thinking: {type}`, no effort words",
        apply=_thinking_object,
    ),
    "enable_thinking": Quirk(
        source="https://www.alibabacloud.com/help/en/model-studio/deep-thinking (2026-11): a flag, no effort words",
        apply=_enable_thinking,
    ),
    "reasoning_content_field": Quirk(
        source="https://api-docs.deepseek.com/guides/thinking_mode (2026-11): wants its thinking back within a turn",
        apply=_permit,
    ),
    "reasoning_details_field": Quirk(
        source="https://openrouter.ai/docs/use-cases/reasoning-tokens (2026-11): takes signed thinking back",
        apply=_permit,
    ),
    "cache_control": Quirk(
        source="https://openrouter.ai/docs/features/prompt-caching (2026-11): Anthropic's marks on content parts",
        apply=_permit,
    ),
    "file_data_url": Quirk(
        source="https://openrouter.ai/docs/features/multimodal/pdfs (2026-11): `file_data` may be a link",
        apply=_permit,
    ),
    "google_signatures": Quirk(
        source="https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11): `extra_content.google`",
        apply=_permit,
    ),
}
