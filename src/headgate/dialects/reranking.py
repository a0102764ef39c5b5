"""Ranking of documents, as Cohere has it and as everybody else took it over: one wire, spoken in several dialects.

https://docs.cohere.com/v2/reference/rerank, https://api.jina.ai/redoc (2026-11) and
https://docs.voyageai.com/reference/reranker-api (2026-11). Jina, Voyage, vLLM and
llama.cpp differ from Cohere in that they can give the documents back, and tell tokens where Cohere tells searches.
Must not know who speaks it.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.problems import InvalidRequest
from headgate.core.ranking import Ranked, RankedDocument, Ranking, RankRequest
from headgate.core.request import Extras
from headgate.core.usage import Measures, Usage
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.members import Members, merged, opened, read_body, shape
from headgate.dialects.vectors import answer_members, leave

Wire = dict[str, object]

_ENCODE: Final = msgspec.json.Encoder().encode
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_TEXT: Final = msgspec.json.Decoder(str)
_NUMBER: Final = msgspec.json.Decoder(int | float)
_LIMITS: Final = ("top_n", "top_k")
_LISTS: Final = ("results", "data")
_SCORES: Final = ("relevance_score", "score")


class Speaker(Struct, frozen=True, kw_only=True):
    """A dialect that ranks: its name, where, and whether it gives documents back and counts tokens."""

    dialect: str
    path: str
    gives_back: bool

    @property
    def operation(self) -> Operation[RankRequest, Ranking]:
        """Its entry in the dialect's table."""
        return Operation(
            address=lambda _request, _target: self.path,
            parse_request=self.parse_request,
            render_request=self.render_request,
            parse_response=self.parse_response,
            render_response=self.render_response,
        )

    def parse_request(self, body: bytes, envelope: Envelope) -> RankRequest:
        """The call of a client."""
        members = read_body(body)
        query = members.text("query")
        if query is None:
            raise members.missing("query")
        raws = members.array("documents")
        if not raws:
            raise InvalidRequest("'documents' must have at least one document", param="documents")
        limit = next((name for name in _LIMITS if members.shape(name) == "a number"), _LIMITS[0])
        return RankRequest(
            dialect=self.dialect,
            model=members.text("model") or envelope.model,
            query=query,
            documents=tuple(_document(raw, f"documents[{i}]") for i, raw in enumerate(raws)),
            top_n=members.integer(limit),
            wants_documents=members.flag("return_documents"),
            form=limit if limit != _LIMITS[0] else "",
            extras=members.rest,
        )

    def render_request(self, request: RankRequest, target: Target, dropped: set[str]) -> bytes:
        """The body for `target`. Who gives no documents back is not asked to: we have them."""
        is_own = request.dialect == self.dialect
        wire: Wire = {"model": target.model or request.model, "query": request.query}
        wire["documents"] = [_written(document, is_own=is_own) for document in request.documents]
        if request.top_n is not None:
            wire[request.form or _LIMITS[0] if is_own else _LIMITS[0]] = request.top_n
        if request.wants_documents is not None and (is_own or self.gives_back):
            wire["return_documents"] = request.wants_documents
        if is_own:
            return _ENCODE(merged(wire, request.extras))
        leave(request.extras, dropped)
        for document in request.documents:
            leave(document.extras, dropped, "documents.")
        return _ENCODE(wire)

    def parse_response(self, body: bytes) -> Ranking:
        """The answer of a service."""
        members = answer_members(body, _LISTS)
        place = next(name for name in _LISTS if name in members)
        try:
            results = tuple(map(_result, _OBJECTS.decode(members.pop(place))))
        except msgspec.DecodeError:
            raise Malformed("the provider's answer has results that are none") from None
        told = {name: _TEXT.decode(members.pop(name)) for name in ("id", "model") if _is_text(members.get(name))}
        return Ranking(
            results=results,
            id=told.get("id", ""),
            model=told.get("model", ""),
            usage=_usage(members),
            search_units=_searches(members),
            dialect=self.dialect,
            form=place,
            extras=members,
        )

    def render_response(self, answer: Ranking, request: RankRequest, dropped: set[str]) -> bytes:
        """The body that the asker reads."""
        is_own = answer.dialect == self.dialect
        results = [_given(result, request, is_own=is_own) for result in answer.results]
        wire: Wire = {"id": answer.id} if answer.id else {}
        if is_own:
            wire |= {"model": answer.model} if answer.model else {}
            return _ENCODE({**wire, answer.form: results, **answer.extras})
        leave(answer.extras, dropped)
        tokens = 0 if answer.usage is None else answer.usage.input_tokens
        if self.gives_back:
            wire |= {"object": "list", "model": answer.model or request.model, "results": results}
            return _ENCODE(wire | {"usage": {"total_tokens": tokens}})
        billed = {"search_units": answer.search_units} if answer.search_units else {"input_tokens": tokens}
        return _ENCODE(wire | {"results": results, "meta": {"api_version": {"version": "2"}, "billed_units": billed}})


def _document(raw: Raw, path: str) -> RankedDocument:
    if shape(raw) == "an object":
        members = opened(raw, path)
        text = members.text("text")
        if text is None:
            raise members.missing("text")
        return RankedDocument(text=text, form="object", extras=members.rest)
    text = Members({path: raw}, "").text(path)
    if text is None:
        raise InvalidRequest(f"'{path}' must be a string, not null", param=path)
    return RankedDocument(text=text)


def _written(document: RankedDocument, *, is_own: bool) -> object:
    if is_own and document.form == "object":
        return merged({"text": document.text}, document.extras)
    return document.text


def _result(members: Extras) -> Ranked:
    score = next((name for name in _SCORES if name in members), _SCORES[0])
    index, value = _NUMBER.decode(members.pop("index", b"")), _NUMBER.decode(members.pop(score, b""))
    document: RankedDocument | None = None
    raw = members.get("document")
    if raw is not None and shape(raw) in ("a string", "an object"):
        try:
            document = _document(members["document"], "document")
            del members["document"]
        except InvalidRequest:
            pass  # a picture, say: it stays a leftover
    extras = {**members, **({score: Raw(b"null")} if score != _SCORES[0] else {})}
    return Ranked(index=int(index), score=float(value), document=document, extras=extras)


def _given(result: Ranked, request: RankRequest, *, is_own: bool) -> Wire:
    """One result, with its document where the asker wants it and knows it."""
    name = next((name for name in _SCORES[1:] if is_own and name in result.extras), _SCORES[0])
    wire: Wire = {"index": result.index, name: result.score}
    document = result.document
    if document is None and not is_own and request.wants_documents and result.index < len(request.documents):
        document = RankedDocument(text=request.documents[result.index].text, form="object")
    if document is not None:
        wire["document"] = _written(document, is_own=True)
    return wire | ({other: raw for other, raw in result.extras.items() if other != name} if is_own else {})


def _is_text(raw: Raw | None) -> bool:
    return raw is not None and bytes(raw)[:1] == b'"'


def usage_of_ranking(members: Extras) -> Usage | None:
    """The tokens, or the searches, that an answer tells beside its results."""
    usage, searches = _usage(members), _searches(members)
    if not searches:
        return usage
    return structs.replace(usage or Usage(), measures=Measures(searches=searches))


def _searches(members: Extras) -> int:
    return _numbers(_inner(members, "meta"), "billed_units").get("search_units", 0)


def _usage(members: Extras) -> Usage | None:
    counts = _numbers(members, "usage") or _numbers(_inner(members, "meta"), "billed_units")
    told = [counts[name] for name in ("total_tokens", "prompt_tokens", "input_tokens") if name in counts]
    return Usage(input_tokens=told[0]) if told else None


def _inner(members: Extras, name: str) -> Extras:
    raw = members.get(name)
    return _OBJECT.decode(raw) if raw is not None and bytes(raw)[:1] == b"{" else {}


def _numbers(members: Extras, name: str) -> dict[str, int]:
    inner = _inner(members, name)
    return {name: int(_NUMBER.decode(raw)) for name, raw in inner.items() if bytes(raw)[:1].isdigit()}
