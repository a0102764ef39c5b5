"""Rows for the operations that can be told in words, embeddings and ranking, of whatever dialect. Must not know one."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from headgate.core.embedding import EmbedRequest, Tokens, Words
from headgate.core.problems import NotFound
from headgate.core.ranking import RankRequest
from headgate.core.request import Extras
from headgate.core.usage import Measures, Usage
from headgate.dialects.base import Envelope, Operation, Target
from headgate.dialects.side import CHARS_PER_TOKEN, Asked, Sent, SideOperation, chars_of, estimated, patched
from headgate.dialects.vectors import answer_members

DOCUMENTS_PER_SEARCH: Final = 100
"""Of one search unit: https://docs.cohere.com/docs/rerank-overview (2026-11)."""


def embeddings_row(
    paths: tuple[str, ...],
    halves: Operation[EmbedRequest, Any],
    needed: Iterable[str],
    usage: Callable[[Extras], Usage | None],
    patch: Callable[[Sent, Asked, Target], bytes] = patched,
) -> SideOperation:
    """The row of a dialect's embeddings: `needed` are the members of which an answer has one at least."""
    return SideOperation(
        name="embeddings",
        paths=paths,
        peek=_peek(halves, _measured_texts),
        patch=patch,
        address=lambda asked, target: halves.address(asked.question, target),
        read=_reader(needed, usage),
        halves=halves,
        tells=usage,
    )


def ranking_row(
    paths: tuple[str, ...],
    halves: Operation[RankRequest, Any],
    needed: Iterable[str],
    usage: Callable[[Extras], Usage | None],
) -> SideOperation:
    """The row of a dialect's ranking, likewise."""
    return SideOperation(
        name="ranking",
        paths=paths,
        peek=_peek(halves, _measured_documents),
        patch=patched,
        address=lambda asked, target: halves.address(asked.question, target),
        read=_reader(needed, usage),
        halves=halves,
        tells=usage,
    )


def asked_nowhere(_body: bytes, _envelope: Envelope) -> Any:
    """The client's half of an operation that only upstreams have."""
    raise NotFound("Nobody can ask for this in the words of this API here.")


def told_nowhere(_answer: Any, _question: Any, _dropped: set[str]) -> bytes:
    """Likewise, of the answer."""
    raise NotFound("Nobody can be told this in the words of this API here.")


def _peek(halves: Operation[Any, Any], measured: Callable[[Any], Usage]) -> Callable[[Sent], Asked]:
    def peek(sent: Sent) -> Asked:
        question = halves.parse_request(sent.body, sent.envelope)
        return Asked(model=question.model, measured=measured(question), question=question)

    return peek


def _reader(
    needed: Iterable[str], usage: Callable[[Extras], Usage | None]
) -> Callable[[bytes, str, Asked], Usage | None]:
    """Reads what an answer tells beside its vectors or results, which may be millions of numbers."""
    names = tuple(needed)

    def read(body: bytes, _content_type: str, _asked: Asked) -> Usage | None:
        return usage(answer_members(body, names))

    return read


def _measured_texts(question: EmbedRequest) -> Usage:
    chars = 0
    for entry in question.inputs:
        match entry:
            case Words(text=text):
                chars += len(text)
            case Tokens(ids):
                chars += len(ids) * CHARS_PER_TOKEN
            case other:
                chars += len(bytes(other.raw))
    return estimated(chars)


def _measured_documents(question: RankRequest) -> Usage:
    """The query is read with each document."""
    count = len(question.documents)
    chars = chars_of(document.text for document in question.documents) + len(question.query) * count
    usage = estimated(chars)
    searches = -(-count // DOCUMENTS_PER_SEARCH)
    return Usage(input_tokens=usage.input_tokens, measures=Measures(searches=searches), is_estimated=True)
