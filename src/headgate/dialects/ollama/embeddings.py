"""Embeddings of Ollama: https://docs.ollama.com/api/embed (2026-11)."""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Words
from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.members import merged, read_body
from headgate.dialects.ollama.usage import read_usage
from headgate.dialects.ollama.wire import ENCODE, NAME, text_of
from headgate.dialects.vectors import answer_members, leave, texts_of, vector_of

Wire = dict[str, object]

_INPUTS: Final = msgspec.json.Decoder(str | tuple[str, ...])
_RAWS: Final = msgspec.json.Decoder(list[Raw])


def address(_request: EmbedRequest, _target: Target) -> str:
    """The path below the base URL."""
    return "/api/embed"


def parse_request(body: bytes, envelope: Envelope) -> EmbedRequest:
    """The call of a client."""
    members = read_body(body)
    raw = members.rest.pop("input", None)
    if raw is None:
        raise members.missing("input")
    try:
        told = _INPUTS.decode(raw)
    except msgspec.DecodeError:
        raise InvalidRequest("'input' must be a text or an array of texts", param="input") from None
    return EmbedRequest(
        dialect=NAME,
        model=members.text("model") or envelope.model,
        inputs=tuple(Words(text=text) for text in ((told,) if isinstance(told, str) else told)),
        dimensions=members.integer("dimensions"),
        form="" if isinstance(told, str) else "list",
        extras=members.rest,
    )


def render_request(request: EmbedRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    texts = texts_of(request, "Ollama")
    is_own = request.dialect == NAME
    is_alone = is_own and request.form != "list" and len(texts) == 1
    wire: Wire = {"model": target.model or request.model, "input": texts[0] if is_alone else texts}
    wire |= {} if request.dimensions is None else {"dimensions": request.dimensions}
    if is_own:
        return ENCODE(merged(wire, request.extras))
    dropped.update(name for name in ("purpose", "user") if getattr(request, name))
    leave(request.extras, dropped)
    return ENCODE(wire)


def parse_response(body: bytes) -> Embeddings:
    """The answer of a service."""
    members = answer_members(body, ("embeddings",))
    try:
        vectors = tuple(map(vector_of, _RAWS.decode(members.pop("embeddings"))))
    except msgspec.DecodeError:
        raise Malformed("the provider's answer has embeddings that are none") from None
    model = text_of(members.get("model"))
    if model is not None:
        del members["model"]
    usage = read_usage(members)
    return Embeddings(vectors=vectors, model=model or "", usage=usage, dialect=NAME, extras=members)


def render_response(answer: Embeddings, request: EmbedRequest, dropped: set[str]) -> bytes:
    """The body that the asker reads."""
    is_own = answer.dialect == NAME
    model = answer.model if is_own else answer.model or request.model
    wire: Wire = {"model": model} if model else {}
    wire["embeddings"] = answer.vectors
    if answer.usage is not None:
        wire |= answer.usage.extras if is_own else {"prompt_eval_count": answer.usage.input_tokens}
    if is_own:
        return ENCODE(wire | answer.extras)
    leave(answer.extras, dropped)
    return ENCODE(wire)


EMBEDDINGS: Final = Operation(
    address=address,
    parse_request=parse_request,
    render_request=render_request,
    parse_response=parse_response,
    render_response=render_response,
)
