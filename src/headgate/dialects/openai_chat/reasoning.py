"""Thinking that a client gives back, read: three spellings, of which one carries signatures.

`reasoning_content` is DeepSeek's, xAI's and Qwen's; `reasoning` Groq's and OpenRouter's; `reasoning_details` is
OpenRouter's, https://openrouter.ai/docs/use-cases/reasoning-tokens (2026-11).
"""

from typing import Final

import msgspec

from headgate.core.request import Foreign, Part, Reasoning
from headgate.core.signatures import unseal
from headgate.dialects.members import Members, opened, shape
from headgate.dialects.openai_chat.wire import ENCODE, NAME

STRINGS: Final = ("reasoning_content", "reasoning")
TEXT_FIELD: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}
PROOF_FIELD: Final = {"reasoning.text": "signature", "reasoning.encrypted": "data"}

DETAIL: Final = "detail "
"""Opens the form of a part that is a reasoning detail; the detail's leftover members follow as JSON."""

SIGNED: Final = "signed "
"""The same, where the words stand in the message's string and only the proof in the detail."""


def read_reasoning(message: Members) -> tuple[list[Part], list[str]]:
    """The thinking of an assistant's message, and which strings repeat it."""
    parts = _details(message)
    words = "".join(part.text for part in parts if isinstance(part, Reasoning))
    given = {name: text for name in STRINGS if (text := _string(message, name)) is not None}
    if not words and (text := next(filter(None, given.values()), "")):
        parts, words = _worded(parts, text), text
    form: list[str] = []
    for name, text in given.items():
        if not text or text == words:
            form.append(name if text else f"{name}=")
            del message.rest[name]
    return parts, form


def _string(message: Members, name: str) -> str | None:
    """A string member, left where it is."""
    return msgspec.json.decode(message.rest[name], type=str) if message.shape(name) == "a string" else None


def _worded(parts: list[Part], text: str) -> list[Part]:
    """The string's words, given to the detail that proves them when there is one."""
    for index, part in enumerate(parts):
        if isinstance(part, Reasoning) and part.signature and not part.is_redacted:
            form = SIGNED + part.form.removeprefix(DETAIL)
            parts[index] = Reasoning(text=text, signature=part.signature, form=form, extras=part.extras)
            return parts
    return [Reasoning(text=text), *parts]


def _details(message: Members) -> list[Part]:
    raws = message.array("reasoning_details") if message.shape("reasoning_details") == "an array" else []
    return [_detail(raw) for raw in raws]


def _detail(raw: msgspec.Raw) -> Part:
    detail = opened(raw, "") if shape(raw) == "an object" else Members({}, "")
    kind = _string(detail, "type") or ""
    text_field, proof_field = TEXT_FIELD.get(kind), PROOF_FIELD.get(kind)
    if text_field is None and proof_field is None:
        return Foreign(name="reasoning_details", raw=raw)
    text = _taken(detail, text_field)
    proof = _taken(detail, proof_field)
    return Reasoning(
        text=text,
        signature=unseal(proof, spoken=NAME) if proof else None,
        is_redacted=text_field is None,
        form=DETAIL + ENCODE(detail.rest).decode(),
    )


def _taken(detail: Members, name: str | None) -> str:
    """A string of some length; an empty one stays where it is."""
    if name is None or not _string(detail, name):
        return ""
    return detail.text(name) or ""
