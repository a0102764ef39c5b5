"""Embeddings as Vertex AI has them, at `:predict`, in a form of its own. No client asks here.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api (2026-11)
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Vector
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, Operation, Target
from headgate.dialects.gemini.embeddings import TASKS
from headgate.dialects.gemini.request import model_path
from headgate.dialects.gemini.wire import ENCODER
from headgate.dialects.halves import asked_nowhere, embeddings_row, told_nowhere
from headgate.dialects.side import by_name
from headgate.dialects.vectors import answer_members, leave, texts_of, vector_of

NAME: Final = "vertex_predict"
"""The dialect's, which is Gemini's but for this."""
Wire = dict[str, object]


class _Statistics(msgspec.Struct):
    token_count: float = 0


class _Embeddings(msgspec.Struct):
    values: Raw
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embeddings


_PREDICTIONS: Final = msgspec.json.Decoder(list[_Prediction])


def address(_request: EmbedRequest, target: Target) -> str:
    """The path below the base URL."""
    return f"{model_path(target.model)}:predict"


def render_request(request: EmbedRequest, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    task: Wire = {"task_type": TASKS[request.purpose]} if request.purpose else {}
    dropped.update({"user"} if request.user else ())
    leave(request.extras, dropped)
    wire: Wire = {"instances": [{"content": text, **task} for text in texts_of(request, "Vertex AI")]}
    if request.dimensions is not None:
        wire["parameters"] = {"outputDimensionality": request.dimensions}
    return ENCODER.encode(wire)


def _predictions(members: Extras) -> list[_Prediction]:
    try:
        return _PREDICTIONS.decode(members["predictions"])
    except msgspec.DecodeError:
        raise Malformed("the provider's answer has embeddings that are none") from None


def parse_response(body: bytes) -> Embeddings:
    """The answer."""
    members = answer_members(body, ("predictions",))
    found = _predictions(members)
    vectors: tuple[Vector, ...] = tuple(vector_of(each.embeddings.values) for each in found)
    extras = {name: raw for name, raw in members.items() if name not in ("predictions", "metadata")}
    return Embeddings(vectors=vectors, usage=usage_of(members), dialect=NAME, extras=extras)


def usage_of(members: Extras) -> Usage | None:
    """The sum over the texts; None: nothing is counted."""
    counts = [each.embeddings.statistics for each in _predictions(members)]
    told = [round(count.token_count) for count in counts if count is not None]
    return Usage(input_tokens=sum(told)) if told else None


SIDES: Final = by_name(
    (
        embeddings_row(
            (),
            Operation(
                address=address,
                parse_request=asked_nowhere,
                render_request=render_request,
                parse_response=parse_response,
                render_response=told_nowhere,
            ),
            ("predictions",),
            usage_of,
        ),
    )
)
