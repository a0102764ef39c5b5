"""Completions, older than chat: https://platform.openai.com/docs/api-reference/completions (2026-11)."""

from typing import Final, cast

import msgspec

from headgate.core.problems import InvalidRequest
from headgate.core.usage import Usage
from headgate.dialects.base import Target
from headgate.dialects.members import Members, read_body
from headgate.dialects.openai_chat.consumed import consumed_in
from headgate.dialects.openai_chat.events import EventTap, error_event
from headgate.dialects.openai_chat.verbatim import UsageFilter, asking
from headgate.dialects.openai_chat.wire import ENCODE, OBJECT
from headgate.dialects.side import (
    CHARS_PER_TOKEN,
    Asked,
    Filter,
    Sent,
    SideOperation,
    Streaming,
    WholeEvents,
    chars_of,
    estimated,
    patched,
)
from headgate.dialects.vectors import answer_members

_PROMPTS: Final = msgspec.json.Decoder(str | tuple[str | int | tuple[int, ...], ...])
_WHAT: Final = "a text, an array of texts, or tokens"


def chars_of_prompt(members: Members, name: str) -> int:
    """How long a prompt is, in characters; of tokens, about so many."""
    raw = members.rest.pop(name, None)
    if raw is None or bytes(raw) == b"null":
        raise members.missing(name)
    try:
        told = _PROMPTS.decode(raw)
    except msgspec.DecodeError:
        raise InvalidRequest(f"'{name}' must be {_WHAT}", param=name) from None
    if isinstance(told, str):
        return len(told)
    tokens = sum(1 if isinstance(entry, int) else len(entry) for entry in told if not isinstance(entry, str))
    return tokens * CHARS_PER_TOKEN + chars_of(entry for entry in told if isinstance(entry, str))


def _peek(sent: Sent) -> Asked:
    members = read_body(sent.body)
    chars = chars_of_prompt(members, "prompt")
    is_stream = bool(members.flag("stream"))
    options = members.object("stream_options")
    shows_usage = options is not None and bool(options.flag("include_usage"))
    for name in ("max_tokens", "n", "best_of", "logprobs", "seed"):
        members.integer(name)
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        members.number(name)
    members.flag("echo")
    for name in ("suffix", "user"):
        members.text(name)
    return Asked(
        model=members.text("model") or sent.envelope.model,
        measured=estimated(chars),
        is_stream=is_stream,
        shows_usage=shows_usage or not is_stream,
    )


def _patch(sent: Sent, asked: Asked, target: Target) -> bytes:
    """With the wish for usage too, unless the service does not know it."""
    body = patched(sent, asked, target)
    if not asked.is_stream or "no_stream_options" in target.quirks:
        return body
    members = cast("dict[str, object]", OBJECT.decode(body))
    return ENCODE({**members, "stream_options": asking(members.get("stream_options"))})


def _read(body: bytes, _content_type: str, _asked: Asked) -> Usage | None:
    return consumed_in(answer_members(body, ("choices",)))


def _filter(asked: Asked) -> Filter:
    return WholeEvents() if asked.shows_usage else UsageFilter()


COMPLETIONS: Final = SideOperation(
    name="completions",
    paths=("/v1/completions",),
    peek=_peek,
    patch=_patch,
    address=lambda _asked, _target: "/completions",
    read=_read,
    tells=consumed_in,
    streaming=Streaming(tap=EventTap, filter=_filter, fail=error_event),
)
