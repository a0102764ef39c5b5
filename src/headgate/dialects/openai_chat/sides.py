"""What OpenAI's API and its many speakers offer beside chat: the table."""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.usage import Usage
from headgate.dialects.halves import embeddings_row, ranking_row
from headgate.dialects.members import Members, read_body
from headgate.dialects.openai_chat.completing import COMPLETIONS
from headgate.dialects.openai_chat.drawing import EDITS, GENERATIONS, VARIATIONS
from headgate.dialects.openai_chat.embeddings import EMBEDDINGS, usage_of
from headgate.dialects.openai_chat.sounding import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from headgate.dialects.openai_chat.wire import NAME
from headgate.dialects.reranking import Speaker, usage_of_ranking
from headgate.dialects.side import Asked, Sent, SideOperation, by_name, chars_of, estimated, patched
from headgate.dialects.vectors import answer_members

RANKING: Final = Speaker(dialect=NAME, path="/rerank", gives_back=True).operation
"""As Jina, Voyage, vLLM and llama.cpp have it beside this dialect."""

_TEXTS: Final = msgspec.json.Decoder(str | list[str])


def _peek_moderation(sent: Sent) -> Asked:
    """Texts, or texts and pictures: https://platform.openai.com/docs/api-reference/moderations (2026-11)."""
    members = read_body(sent.body)
    raw = members.rest.get("input")
    if raw is None or bytes(raw) in (b"null", b"[]", b'""'):
        raise members.missing("input")
    return Asked(model=members.text("model") or sent.envelope.model, measured=estimated(_length(members, raw)))


def _length(members: Members, raw: Raw) -> int:
    try:
        told = _TEXTS.decode(raw)
    except msgspec.DecodeError:
        parts = members.objects("input")
        return chars_of(part.text("text") or "" for part in parts)
    return len(told) if isinstance(told, str) else chars_of(told)


def _read_moderation(body: bytes, _content_type: str, _asked: Asked) -> Usage | None:
    answer_members(body, ("results",))
    return None


MODERATIONS: Final = SideOperation(
    name="moderations",
    paths=("/v1/moderations",),
    peek=_peek_moderation,
    patch=patched,
    address=lambda _asked, _target: "/moderations",
    read=_read_moderation,
)

SIDES: Final = by_name(
    (
        embeddings_row(
            ("/v1/embeddings",), EMBEDDINGS, ("data",), lambda members: usage_of(members.get("usage", Raw(b"null")))
        ),
        ranking_row(("/v1/rerank",), RANKING, ("results", "data"), usage_of_ranking),
        MODERATIONS,
        COMPLETIONS,
        GENERATIONS,
        EDITS,
        VARIATIONS,
        SPEECH,
        TRANSCRIPTIONS,
        TRANSLATIONS,
    )
)
