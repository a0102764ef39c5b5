"""What a call asks for beyond text, and what it says about where it may run. Must not know any model or provider."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, Literal

from msgspec import Struct

from headgate.core.request import Audio, File, Image, Link, Part, Request, ToolResult

Ability = Literal["tools", "parallel_tools", "json_schema", "reasoning", "image", "pdf", "audio", "prompt_cache"]
"""Something that a model can do or not."""

PDF: Final = "application/pdf"
_NAME_LENGTH_MAX: Final = 4096  # what is longer is the file itself


class Needs(Struct, frozen=True, gc=False):
    """What an answer takes: read once per call, by the dialect's `peek`."""

    abilities: frozenset[Ability]


NO_NEEDS: Final = Needs(frozenset())


Sort = Literal["price", "throughput", "latency"]


class PriceLimit(Struct, frozen=True, kw_only=True, gc=False):
    """The most that a provider may cost; None: no matter. In pico-USD per token and nano-USD per request."""

    input: int | None = None
    output: int | None = None
    request: int | None = None


class Wishes(Struct, frozen=True, kw_only=True, gc=False):
    """Where a call may run, in the words that OpenRouter's clients use."""

    models: tuple[str, ...] = ()
    """Models to try when the first one fails, in order."""
    order: tuple[str, ...] = ()
    """Providers to try first."""
    only: tuple[str, ...] = ()
    """The only providers to try; empty: any."""
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    """False: nothing but the first choice, or what `order` names."""
    sort: Sort | None = None
    """What the order is to go by; None: what the route says."""
    max_price: PriceLimit | None = None
    """What may not cost more is not asked."""
    cost_nano_usd_max: int | None = None
    """The most that the call may cost; None: it does not say."""
    require_parameters: bool = False
    """Only where every parameter can be told, and where the model can reason if it is told to."""


NO_WISHES: Final = Wishes()


@cache
def needing(abilities: frozenset[Ability]) -> Needs:
    """The needs of these abilities: one value for each of the few combinations there are."""
    return Needs(abilities)


def needs_of(request: Request) -> Needs:
    """The needs of a request that has been read whole."""
    found: set[Ability] = set(_media(part for message in request.messages for part in message.parts))
    knobs = request.knobs
    if request.tools:
        found.add("tools")
    if knobs.output_format is not None and knobs.output_format.schema is not None:
        found.add("json_schema")
    if knobs.reasoning is not None and knobs.reasoning.effort != "none" and knobs.reasoning.budget_tokens != 0:
        found.add("reasoning")
    return needing(frozenset(found))


def _media(parts: Iterable[Part]) -> Iterator[Ability]:
    for part in parts:
        match part:
            case Image():
                yield "image"
            case Audio():
                yield "audio"
            case File() if _is_pdf(part):
                yield "pdf"
            case ToolResult():
                yield from _media(part.parts)
            case _:
                pass


def _is_pdf(file: File) -> bool:
    source = file.source
    if source.media_type:
        return source.media_type == PDF
    return names_pdf(file.name) or (isinstance(source, Link) and names_pdf(source.url))


def names_pdf(name: str) -> bool:
    """Whether a file's name, or the path of its URL, says that it is a PDF."""
    path = name[:_NAME_LENGTH_MAX].partition("?")[0].partition("#")[0]
    return path.lower().endswith(".pdf")
