"""Embeddings of Cohere: https://docs.cohere.com/v2/reference/embed (2026-11).

The vectors come by type: `float` is what everybody means; the others (`int8`, `ubinary`, …) only a client of this
dialect gets.
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Other, Purpose, Tokens, Vector, Words
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.cohere.usage import billed_units
from headgate.dialects.cohere.wire import ENCODE, NAME, OBJECT
from headgate.dialects.members import Members, merged, opened, read_body
from headgate.dialects.vectors import answer_members, base64_of, leave, texts_of, vector_of

Wire = dict[str, object]

_PURPOSES: Final[dict[str, Purpose]] = {
    "search_document": "document",
    "search_query": "query",
    "classification": "classification",
    "clustering": "clustering",
}
# the API requires a purpose, and knows but four
_TYPES: Final[dict[Purpose, str]] = {
    **{purpose: word for word, purpose in _PURPOSES.items()},
    "similarity": "clustering",
    "question": "search_query",
    "fact": "search_query",
    "code": "search_query",
}
_KINDS: Final = ("texts", "images", "inputs")
_RAWS: Final = msgspec.json.Decoder(list[Raw])
_NAMES: Final = msgspec.json.Decoder(list[str])


def address(_request: EmbedRequest, _target: Target) -> str:
    """The path below the base URL."""
    return "/v2/embed"


def parse_request(body: bytes, envelope: Envelope) -> EmbedRequest:
    """The call of a client."""
    members = read_body(body)
    kind = _kind(members)
    inputs = tuple(_input(raw, kind, f"{kind}[{i}]") for i, raw in enumerate(members.array(kind)))
    word = members.word("input_type")
    purpose = _PURPOSES.get(word or "")
    if word is not None and purpose is None:
        members.rest["input_type"] = Raw(ENCODE(word))
    return EmbedRequest(
        dialect=NAME,
        model=members.text("model") or envelope.model,
        inputs=inputs,
        dimensions=members.integer("output_dimension"),
        purpose=purpose,
        form=kind,
        extras=members.rest,
    )


def _kind(members: Members) -> str:
    given = [name for name in _KINDS if members.shape(name) == "an array" and bytes(members.rest[name]) != b"[]"]
    if len(given) != 1:
        raise InvalidRequest("one of 'texts', 'images' and 'inputs' is required, and not several", param="texts")
    return given[0]


def _input(raw: Raw, kind: str, path: str) -> Words | Other:
    """Words, or something that no other dialect embeds: a picture, or words and pictures together."""
    if kind == "texts":
        holder = Members({path: raw}, "")
        text = holder.text(path)
        if text is None:
            raise InvalidRequest(f"'{path}' must be a string, not null", param=path)
        return Words(text=text)
    if kind == "inputs":
        entry = opened(raw, path)
        parts = entry.objects("content")
        text = parts[0].word("text") if len(parts) == 1 and parts[0].word("type") == "text" else None
        if text is not None and not parts[0].rest and not entry.rest:
            return Words(text=text)
    return Other(kind, raw)


def render_request(request: EmbedRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    wire: Wire = {"model": target.model or request.model}
    if request.dimensions is not None:
        wire["output_dimension"] = request.dimensions
    if request.dialect == NAME:
        wire[request.form] = [_written(entry, request.form) for entry in request.inputs]
        wire |= {"input_type": _TYPES[request.purpose]} if request.purpose else {}
        return ENCODE(merged(wire, request.extras))
    wire["texts"] = texts_of(request, "Cohere")
    purpose = request.purpose or "document"
    wire |= {"input_type": _TYPES[purpose], "embedding_types": ["float"]}
    dropped.update({"purpose"} if _PURPOSES.get(_TYPES[purpose]) != purpose else ())
    dropped.update({"user"} if request.user else ())
    leave(request.extras, dropped)
    return ENCODE(wire)


def _written(entry: Words | Tokens | Other, kind: str) -> object:
    match entry:
        case Words(text=text):
            return text if kind == "texts" else {"content": [{"type": "text", "text": text}]}
        case Other(raw=raw):
            return raw
        case _:
            raise Unrenderable("Cohere takes texts to embed, not tokens", param="input")


def parse_response(body: bytes) -> Embeddings:
    """The answer of a service: vectors by type, or as the first version of the API has them, in a list."""
    members = answer_members(body, ("embeddings",))
    raw = members.pop("embeddings")
    is_list = bytes(raw)[:1] == b"["
    try:
        types = {"float": raw} if is_list else OBJECT.decode(raw)
        told = next((name for name in ("float", "base64") if name in types), None)
        vectors: tuple[Vector, ...] = () if told is None else tuple(map(vector_of, _RAWS.decode(types.pop(told))))
    except msgspec.DecodeError:
        raise Malformed("the provider's answer has embeddings that are none") from None
    if types:
        members["embeddings"] = Raw(ENCODE(types))
    return Embeddings(
        vectors=vectors,
        usage=usage_of(members),
        dialect=NAME,
        form="list" if is_list else told or "",
        extras=members,
    )


def usage_of(members: Extras) -> Usage | None:
    """What is billed."""
    billed = billed_units(members.get("meta"))
    pictures = billed.get("image_tokens", 0)
    tokens = billed.get("input_tokens", 0) + pictures
    return Usage(input_tokens=tokens, input_image_tokens=pictures) if billed else None


def render_response(answer: Embeddings, request: EmbedRequest, dropped: set[str]) -> bytes:
    """The body that the asker reads."""
    if answer.dialect == NAME:
        if answer.form == "list":
            return ENCODE({"embeddings": answer.vectors, **answer.extras})
        told: Wire = {answer.form: _of_type(answer.form, answer)} if answer.form else {}
        return ENCODE(merged({"embeddings": told}, answer.extras))
    leave(answer.extras, dropped)
    types = _wanted(request)
    dropped.update({"embedding_types"} if set(types) - {"float", "base64"} else ())
    given = [name for name in types if name in ("float", "base64")] or ["float"]
    tokens = 0 if answer.usage is None else answer.usage.input_tokens
    return ENCODE(
        {
            "id": answer.id,
            "embeddings": {name: _of_type(name, answer) for name in given},
            "texts": [entry.text for entry in request.inputs if isinstance(entry, Words)],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
            "response_type": "embeddings_by_type",
        }
    )


def _of_type(name: str, answer: Embeddings) -> list[object]:
    return [base64_of(vector) if name == "base64" else vector for vector in answer.vectors]


def _wanted(request: EmbedRequest) -> list[str]:
    raw = request.extras.get("embedding_types", Raw(b"[]"))
    try:
        return _NAMES.decode(raw) if request.dialect == NAME else []
    except msgspec.DecodeError:
        return []


EMBEDDINGS: Final = Operation(
    address=address,
    parse_request=parse_request,
    render_request=render_request,
    parse_response=parse_response,
    render_response=render_response,
)
