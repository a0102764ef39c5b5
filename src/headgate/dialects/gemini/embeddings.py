"""Embeddings of Gemini: one content (`embedContent`) or several (`batchEmbedContents`).

https://ai.google.dev/api/embeddings (2026-11). What each of several asks for besides its words stays with it.
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Other, Purpose, Tokens, Vector, Words
from headgate.core.problems import Unrenderable
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.gemini.request import model_path
from headgate.dialects.gemini.wire import ENCODER, NAME, OBJECT
from headgate.dialects.members import Members, merged, opened, read_body
from headgate.dialects.side import Asked, Sent
from headgate.dialects.vectors import answer_members, leave, text_of, vector_of

Wire = dict[str, object]

SINGLE: Final = "single"
_PURPOSES: Final[dict[str, Purpose]] = {
    "RETRIEVAL_DOCUMENT": "document",
    "RETRIEVAL_QUERY": "query",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
    "SEMANTIC_SIMILARITY": "similarity",
    "QUESTION_ANSWERING": "question",
    "FACT_VERIFICATION": "fact",
    "CODE_RETRIEVAL_QUERY": "code",
}
TASKS: Final = {purpose: task for task, purpose in _PURPOSES.items()}
_NUMBER: Final = msgspec.json.Decoder(int | float)
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Raw]])


def address(request: EmbedRequest, target: Target) -> str:
    """The path below the base URL: one content asked for alone is asked for alone."""
    is_single = request.dialect == NAME and request.form == SINGLE
    verb = "embedContent" if is_single else "batchEmbedContents"
    return f"{model_path(target.model or request.model)}:{verb}"


def parse_request(body: bytes, envelope: Envelope) -> EmbedRequest:
    """The call of a client, of either form."""
    members = read_body(body)
    is_single = "requests" not in members.rest
    if not is_single:
        raws = members.array("requests")
        asked = [opened(raw, f"requests[{i}]") for i, raw in enumerate(raws)]
    else:
        if members.shape("content") != "an object":
            raise members.missing("content")
        raws = [Raw(body)]
        asked = [Members(members.rest, "")]
        members = Members({}, "")
    inputs = tuple(_input(entry, raw) for entry, raw in zip(asked, raws, strict=True))
    first = opened(raws[0], "") if raws else Members({}, "")
    tasks = [first.word(name) or "" for name in ("taskType", "task_type")]
    dimensions = [first.integer(name) for name in ("outputDimensionality", "output_dimensionality")]
    return EmbedRequest(
        dialect=NAME,
        model=envelope.model or (first.word("model") or "").removeprefix("models/"),
        inputs=inputs,
        dimensions=next((number for number in dimensions if number is not None), None),
        purpose=next((_PURPOSES[task] for task in tasks if task in _PURPOSES), None),
        form=SINGLE if is_single else "",
        extras=members.rest,
    )


def _input(entry: Members, raw: Raw) -> Words | Other:
    """The words of one content; its other members, the vector's length among them, stay with it."""
    content = entry.object("content")
    if content is None:
        raise entry.missing("content")
    parts = content.objects("parts")
    text = parts[0].word("text") if len(parts) == 1 else None
    if text is None or parts[0].rest:
        return Other("content.parts", raw)
    entry.keep("content", content)
    return Words(text=text, extras=entry.rest)


def render_request(request: EmbedRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    model = target.model or request.model
    if request.dialect != NAME:
        dropped.update({"user"} if request.user else ())
        leave(request.extras, dropped)
        return ENCODER.encode({"requests": [_foreign(entry, request, model) for entry in request.inputs]})
    asked = [_own(entry, model) for entry in request.inputs]
    return ENCODER.encode(asked[0] if request.form == SINGLE else merged({"requests": asked}, request.extras))


def _own(entry: Words | Tokens | Other, model: str) -> Wire:
    wire: Wire = {}
    match entry:
        case Words():
            wire = merged({"content": {"parts": [{"text": entry.text}]}}, entry.extras)
        case Other():
            wire.update(OBJECT.decode(entry.raw))
        case _:
            raise Unrenderable("Gemini takes texts to embed, not tokens", param="input")
    return {**wire, "model": f"models/{model}"} if "model" in wire else wire


def _foreign(entry: Words | Tokens | Other, request: EmbedRequest, model: str) -> Wire:
    wire: Wire = {"model": f"models/{model}", "content": {"parts": [{"text": text_of(entry, "Gemini")}]}}
    wire |= {"taskType": TASKS[request.purpose]} if request.purpose else {}
    return wire | ({} if request.dimensions is None else {"outputDimensionality": request.dimensions})


def patch_embeddings(sent: Sent, asked: Asked, target: Target) -> bytes:
    """The body as it came; for another model rendered, since each content may name it once more."""
    if target.model == asked.model:
        return sent.body
    return render_request(asked.question, target, set())


def parse_response(body: bytes) -> Embeddings:
    """The answer of a service, of either form."""
    members = answer_members(body, ("embedding", "embeddings"))
    is_single = "embedding" in members
    try:
        raw = members.pop("embedding" if is_single else "embeddings")
        entries = [OBJECT.decode(raw)] if is_single else _OBJECTS.decode(raw)
    except msgspec.DecodeError:
        raise Malformed("the provider's answer has embeddings that are none") from None
    vectors: tuple[Vector, ...] = tuple(vector_of(entry.pop("values", Raw(b"[]"))) for entry in entries)
    return Embeddings(
        vectors=vectors,
        usage=usage_of(members.get("usageMetadata")),
        dialect=NAME,
        form=SINGLE if is_single else "",
        items=tuple(entries),
        extras=members,
    )


def usage_of(raw: Raw | None) -> Usage | None:
    """The count, where one is told."""
    if raw is None or bytes(raw)[:1] != b"{":
        return None
    count = OBJECT.decode(raw).get("promptTokenCount", Raw(b"0"))
    return Usage(input_tokens=int(_NUMBER.decode(count)) if bytes(count)[:1].isdigit() else 0)


def render_response(answer: Embeddings, request: EmbedRequest, dropped: set[str]) -> bytes:
    """The body that the asker reads."""
    is_own = answer.dialect == NAME
    items = answer.items if is_own else tuple[Extras, ...]({} for _ in answer.vectors)
    told: list[Wire] = [{"values": vector, **item} for vector, item in zip(answer.vectors, items, strict=True)]
    is_single = request.form == SINGLE and request.dialect == NAME and len(told) == 1
    wire: Wire = {"embedding": told[0]} if is_single else {"embeddings": told}
    if is_own:
        return ENCODER.encode(wire | answer.extras)
    leave(answer.extras, dropped)
    usage = answer.usage
    return ENCODER.encode(wire | ({} if usage is None else {"usageMetadata": {"promptTokenCount": usage.input_tokens}}))


EMBEDDINGS: Final = Operation(
    address=address,
    parse_request=parse_request,
    render_request=render_request,
    parse_response=parse_response,
    render_response=render_response,
)
