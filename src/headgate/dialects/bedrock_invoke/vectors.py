"""Embeddings and ranking by InvokeModel, in the formats of the models' makers. No client asks here: these are for those
who ask in other words.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html, …/model-parameters-embed,
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-use.html (2026-11).
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Raw, structs

from headgate.core.embedding import Embeddings, EmbedRequest, Purpose, Vector
from headgate.core.problems import Unrenderable
from headgate.core.ranking import RankRequest
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, Operation, Target
from headgate.dialects.bedrock_invoke.completions import NAME
from headgate.dialects.halves import asked_nowhere, embeddings_row, ranking_row, told_nowhere
from headgate.dialects.reranking import Speaker, usage_of_ranking
from headgate.dialects.side import by_name
from headgate.dialects.vectors import answer_members, leave, texts_of, vector_of

Wire = dict[str, object]

_ENCODE: Final = msgspec.json.Encoder().encode
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_LIST: Final = msgspec.json.Decoder(list[Raw])
_COUNT: Final = msgspec.json.Decoder(int)
_NOVA: Final[dict[Purpose, str]] = {
    "document": "GENERIC_INDEX",
    "query": "GENERIC_RETRIEVAL",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
_COHERE: Final[dict[Purpose, str]] = {
    "document": "search_document",
    "query": "search_query",
    "classification": "classification",
    "clustering": "clustering",
}


def _address(model: str) -> str:
    return f"/model/{quote(model, safe='-_.~')}/invoke"


def _single(request: EmbedRequest, title: str) -> str:
    texts = texts_of(request, title)
    if len(texts) != 1:
        raise Unrenderable(f"{title} embeds one text in a call, not {len(texts)}; send them one by one", param="input")
    return texts[0]


def _titan(request: EmbedRequest, dropped: set[str]) -> Wire:
    dropped.update({"purpose"} if request.purpose else ())
    wire: Wire = {"inputText": _single(request, "Titan")}
    return wire if request.dimensions is None else {**wire, "dimensions": request.dimensions}


def _nova(request: EmbedRequest, dropped: set[str]) -> Wire:
    purpose = request.purpose or "document"
    dropped.update({"purpose"} if purpose not in _NOVA else ())
    parameters: Wire = {
        "embeddingPurpose": _NOVA.get(purpose, _NOVA["document"]),
        "text": {"value": _single(request, "Nova"), "truncationMode": "NONE"},
    }
    if request.dimensions is not None:
        parameters["embeddingDimension"] = request.dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": parameters}


def _cohere(request: EmbedRequest, dropped: set[str]) -> Wire:
    purpose = request.purpose or "document"
    dropped.update({"purpose"} if purpose not in _COHERE else ())
    wire: Wire = {"texts": texts_of(request, "Cohere"), "input_type": _COHERE.get(purpose, _COHERE["document"])}
    return wire if request.dimensions is None else {**wire, "output_dimension": request.dimensions}


_MAKERS: Final[dict[str, Callable[[EmbedRequest, set[str]], Wire]]] = {
    "amazon.titan-embed-": _titan,
    "amazon.nova-2-multimodal-embeddings-": _nova,
    "cohere.embed-": _cohere,
}
"""By what the model's id has in it, after the region or the ARN that it may begin with."""


def render_request(request: EmbedRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`, in its maker's format."""
    maker = next((make for mark, make in _MAKERS.items() if mark in target.model), None)
    if maker is None:
        raise Unrenderable(f"how {target.model} takes texts to embed is not known; use a model of {', '.join(_MAKERS)}")
    dropped.update({"user"} if request.user else ())
    leave(request.extras, dropped)
    return _ENCODE(maker(request, dropped))


def parse_response(body: bytes) -> Embeddings:
    """The answer of whatever maker: one vector, vectors in a list, by type, or each with its kind."""
    members = answer_members(body, ("embedding", "embeddings"))
    try:
        if "embedding" in members:
            raws = [members.pop("embedding")]
        else:
            raw = members.pop("embeddings")
            raws = _LIST.decode(_OBJECT.decode(raw)["float"] if bytes(raw)[:1] == b"{" else raw)
        vectors: tuple[Vector, ...] = tuple(map(_vector, raws))
    except (msgspec.DecodeError, KeyError):
        raise Malformed("the provider's answer has embeddings that are none") from None
    members.pop("embeddingsByType", None)  # the same once more
    for name in ("texts", "response_type", "id", "inputTextTokenCount"):
        members.pop(name, None)
    return Embeddings(vectors=vectors, usage=usage_of(_OBJECT.decode(body)), dialect=NAME, extras=members)


def _vector(raw: Raw) -> Vector:
    return vector_of(_OBJECT.decode(raw)["embedding"] if bytes(raw)[:1] == b"{" else raw)


def usage_of(members: Extras) -> Usage | None:
    """What Titan counts; the others say it in a header field alone."""
    raw = members.get("inputTextTokenCount")
    try:
        return None if raw is None else Usage(input_tokens=_COUNT.decode(raw))
    except msgspec.DecodeError:
        return None


EMBEDDINGS: Final = Operation(
    address=lambda _request, target: _address(target.model),
    parse_request=asked_nowhere,
    render_request=render_request,
    parse_response=parse_response,
    render_response=told_nowhere,
)

_RANKING: Final = Speaker(dialect=NAME, path="", gives_back=False)


def render_ranking(request: RankRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`: the path names the model, and Cohere's wants to know its version."""
    wire = _OBJECT.decode(_RANKING.render_request(request, target, dropped))
    del wire["model"]
    return _ENCODE(wire | ({"api_version": 2} if "cohere.rerank-" in target.model else {}))


RANKING: Final = Operation(
    address=lambda _request, target: _address(target.model),
    parse_request=asked_nowhere,
    render_request=render_ranking,
    parse_response=_RANKING.parse_response,
    render_response=told_nowhere,
)

COUNTED_IN: Final = "x-amzn-bedrock-input-token-count"
"""Every answer of Bedrock has it; those of Cohere's and Nova's models tell it nowhere else (recorded, 2026-11)."""
SIDES: Final = by_name(
    (
        structs.replace(embeddings_row((), EMBEDDINGS, ("embedding", "embeddings"), usage_of), counted_in=COUNTED_IN),
        ranking_row((), RANKING, ("results",), usage_of_ranking),
    )
)
