"""Embeddings of OpenAI and its many speakers: https://platform.openai.com/docs/api-reference/embeddings (2026-11)."""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Other, Tokens, Vector, Words
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.members import Members, merged, read_body
from headgate.dialects.openai_chat.wire import ENCODE, NAME, OBJECT
from headgate.dialects.vectors import answer_members, base64_of, leave, vector_of

Wire = dict[str, object]

_INPUTS: Final = msgspec.json.Decoder(str | tuple[str | int | tuple[int, ...], ...])
_ENTRIES: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_TEXT: Final = msgspec.json.Decoder(str)
_NUMBER: Final = msgspec.json.Decoder(int | float)
_LENGTHS: Final = ("dimensions", "output_dimension")
"""The second is Mistral's and Voyage's, https://docs.mistral.ai/api/endpoint/embeddings (2026-11)."""
_WHAT: Final = "a text, an array of texts, or tokens"


def address(_request: EmbedRequest, _target: Target) -> str:
    """The path below the base URL."""
    return "/embeddings"


def parse_request(body: bytes, envelope: Envelope) -> EmbedRequest:
    """The call of a client."""
    members = read_body(body)
    inputs, form = _inputs(members)
    encoding = members.text("encoding_format")
    if encoding is not None and encoding not in ("float", "base64"):
        members.rest["encoding_format"] = Raw(ENCODE(encoding))
        encoding = None
    length = next((name for name in _LENGTHS if members.shape(name) == "a number"), _LENGTHS[0])
    return EmbedRequest(
        dialect=NAME,
        model=members.text("model") or envelope.model,
        inputs=inputs,
        dimensions=members.integer(length),
        encoding=encoding,  # pyright: ignore[reportArgumentType]
        user=members.text("user"),
        form=form if length == _LENGTHS[0] else f"{form} {length}",
        extras=members.rest,
    )


def _inputs(members: Members) -> tuple[tuple[Words | Tokens | Other, ...], str]:
    """What to embed, and how it was spelt: one alone, or `list`."""
    raw = members.rest.pop("input", None)
    if raw is None or bytes(raw) == b"null":
        raise members.missing("input")
    try:
        told = _INPUTS.decode(raw)
    except msgspec.DecodeError:
        raise InvalidRequest(f"'input' must be {_WHAT}", param="input") from None
    if isinstance(told, str):
        return (Words(text=told),), ""
    if not told:
        raise InvalidRequest("'input' must have at least one entry", param="input")
    if any(isinstance(entry, int) for entry in told):
        ids = tuple(entry for entry in told if isinstance(entry, int))
        if len(ids) != len(told):
            raise InvalidRequest(f"'input' must be {_WHAT}, not both", param="input")
        return (Tokens(ids),), ""
    entries = [entry for entry in told if not isinstance(entry, int)]
    return tuple(Words(text=entry) if isinstance(entry, str) else Tokens(entry) for entry in entries), "list"


def render_request(request: EmbedRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    is_ours = request.dialect == NAME
    inputs = [_written(entry) for entry in request.inputs]
    is_alone = is_ours and "list" not in request.form.split() and len(inputs) == 1
    wire: Wire = {"model": target.model or request.model, "input": inputs[0] if is_alone else inputs}
    length = _LENGTHS[is_ours and _LENGTHS[1] in request.form.split()]
    told = {length: request.dimensions, "encoding_format": request.encoding, "user": request.user}
    wire |= {name: value for name, value in told.items() if value is not None}
    if not is_ours:
        dropped.update({"purpose"} if request.purpose else ())
        leave(request.extras, dropped)
        return ENCODE(wire)
    return ENCODE(merged(wire, request.extras))


def _written(entry: Words | Tokens | Other) -> object:
    match entry:
        case Words(text=text):
            return text
        case Tokens(ids):
            return ids
        case other:
            raise Unrenderable(f"OpenAI's API embeds texts and tokens, not {other.name!r}", param="input")


def parse_response(body: bytes) -> Embeddings:
    """The answer of a service."""
    members = answer_members(body, ("data",))
    vectors: list[Vector] = []
    items: list[Extras] = []
    form = ""
    try:
        entries = _ENTRIES.decode(members.pop("data"))
    except msgspec.DecodeError:
        raise Malformed("the provider's answer has `data` that are none") from None
    for entry in entries:
        raw = entry.pop("embedding", Raw(b"[]"))
        form = "base64" if bytes(raw)[:1] == b'"' else form
        vectors.append(vector_of(raw))
        items.append(entry)
    usage = members.get("usage", Raw(b"null"))
    counts = usage_of(usage)
    if counts is not None:
        del members["usage"]
    told = {
        name: _TEXT.decode(members.pop(name)) for name in ("id", "model") if bytes(members.get(name, b""))[:1] == b'"'
    }
    return Embeddings(
        vectors=tuple(vectors),
        id=told.get("id", ""),
        model=told.get("model", ""),
        usage=counts,
        dialect=NAME,
        form=form,
        items=tuple(items),
        extras=members,
    )


def usage_of(raw: Raw) -> Usage | None:
    """Voyage and Jina tell the total alone, https://docs.voyageai.com/reference/embeddings-api (2026-11)."""
    members = OBJECT.decode(raw) if bytes(raw)[:1] == b"{" else {}
    told = (members[name] for name in ("prompt_tokens", "total_tokens") if bytes(members.get(name, b""))[:1].isdigit())
    count = next(told, None)
    extras = {name: value.copy() for name, value in members.items()}
    return None if count is None else Usage(input_tokens=int(_NUMBER.decode(count)), extras=extras)


def render_response(answer: Embeddings, request: EmbedRequest, dropped: set[str]) -> bytes:
    """The body that the asker reads."""
    is_own = answer.dialect == NAME
    is_base64 = (answer.form if is_own else request.encoding) == "base64"
    vectors: list[object] = [base64_of(vector) if is_base64 else vector for vector in answer.vectors]
    if is_own:
        data: list[Wire] = [{"embedding": vector, **item} for vector, item in zip(vectors, answer.items, strict=True)]
    else:
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        leave(answer.extras, dropped)
    wire: Wire = {} if is_own else {"object": "list"}
    wire |= {"data": data}
    wire |= {"model": answer.model} if answer.model else {} if is_own else {"model": request.model}
    wire |= {"id": answer.id} if answer.id and is_own else {}
    if answer.usage is not None:
        counts = {"prompt_tokens": answer.usage.input_tokens, "total_tokens": answer.usage.input_tokens}
        wire["usage"] = answer.usage.extras if is_own else counts
    return ENCODE({**wire, **(answer.extras if is_own else {})})


EMBEDDINGS: Final = Operation(
    address=address,
    parse_request=parse_request,
    render_request=render_request,
    parse_response=parse_response,
    render_response=render_response,
)
