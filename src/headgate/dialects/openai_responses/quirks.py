"""How services that speak the Responses API deviate from it: names that a provider's data may use. Top level only."""

from collections.abc import Callable
from typing import Final

from headgate.dialects.base import Quirk


def _without(*names: str) -> Callable[[dict[str, object]], dict[str, object]]:
    def apply(members: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in members.items() if name not in names}

    return apply


def _with(name: str, value: object) -> Callable[[dict[str, object]], dict[str, object]]:
    def apply(members: dict[str, object]) -> dict[str, object]:
        return members | {name: value}

    return apply


# https://github.com/openai/codex, codex-rs/core/src/client.rs (2026-11): what Codex sends to the ChatGPT backend,
# which refuses `max_output_tokens` and any call that would be stored.
_CODEX = "https://github.com/openai/codex/blob/main/codex-rs/core/src/client.rs (2026-11)"

QUIRKS: Final[dict[str, Quirk]] = {
    "no_max_output_tokens": Quirk(source=_CODEX, apply=_without("max_output_tokens")),
    "store_false": Quirk(source=_CODEX, apply=_with("store", False)),
}
