"""Previews of Anthropic's API on Amazon Bedrock: opted in to by name, in the body. Must not know what they change.

Bedrock refuses a call that names one it does not have, and agents name a dozen with every call, so the others are left
out and told. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
(2026-11). The newest two are those that litellm 1.109.1 sends there too.
"""

from collections.abc import Iterable
from typing import Final

MEMBER: Final = "anthropic_beta"
HEADER: Final = "anthropic-beta"

_OF_BEDROCK: Final = frozenset(
    {
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dev-full-thinking-2025-05-14",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "output-128k-2025-02-19",
        "token-efficient-tools-2025-02-19",
        "tool-examples-2025-10-29",
        "tool-search-tool-2025-10-19",
    }
)


def betas_of(field: str) -> tuple[str, ...]:
    """The names in a header field."""
    return tuple(dict.fromkeys(name for each in field.split(",") if (name := each.strip())))


def on_bedrock(betas: Iterable[str], dropped: set[str]) -> dict[str, object]:
    """The member of a body that opts in to those that Bedrock has; nothing where it has none."""
    names = list(betas)
    dropped.update(f"{HEADER}.{name}" for name in names if name not in _OF_BEDROCK)
    known = [name for name in names if name in _OF_BEDROCK]
    return {MEMBER: known} if known else {}
