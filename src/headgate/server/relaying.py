"""What a request says that is sent on: things that a provider keeps, and calls that pass through as they are."""

from urllib.parse import parse_qs

from headgate.core.problems import InvalidRequest, NotFound
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import place_of
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.keeping import Ask, dialect_of
from headgate.engine.passing import Passing
from headgate.server.incoming import Incoming
from headgate.server.paths import Endpoint

_PROVIDER = b"x-headgate-provider"
_GOOGLES = frozenset({b"x-goog-api-key", b"x-goog-api-client"})
"""Header fields of Google's clients, which ask for its batches where OpenAI's do too."""


def keeping_ask(incoming: Incoming, call: Call) -> Ask:
    """What is wanted of things that are kept. Raises `NotFound` for a path that can name nothing."""
    try:
        is_googles = not _GOOGLES.isdisjoint(incoming.headers)
        place = place_of(incoming.endpoint.argument, is_googles=is_googles)
    except ValueError:
        place = None
    if place is None:
        raise NotFound(f"There can be nothing at {incoming.path[:200]}.")
    dialect = dialect_of(place, incoming.headers)
    call.dialect = DIALECTS[dialect]
    call.record.surface = dialect
    call.record.operation = place.collection.path[1:]
    call.record.model = ""
    query = _query(incoming)
    return Ask(
        place=place,
        method=incoming.method,
        query=query,
        headers=incoming.headers,
        wanted=_wanted(incoming, query),
    )


def _wanted(incoming: Incoming, query: str) -> str:
    told = incoming.headers.get(_PROVIDER, b"").decode("latin-1").strip()
    asked = parse_qs(query).get("provider", [""])[0]
    if told and asked and told != asked:
        raise InvalidRequest("?provider= and x-headgate-provider name two providers; name one.", param="provider")
    return told or asked


def passing_endpoint(incoming: Incoming, engine: Engine) -> Endpoint | None:
    """Where a path leads that is none of our own: through to the provider that it begins with; None: nowhere."""
    if not engine.settings.passing:
        return None
    name = incoming.path[1:].partition("/")[0]
    return Endpoint("pass", argument=name) if name in engine.settings.passing else None


def passing_of(incoming: Incoming, call: Call) -> Passing:
    """What is to be passed through. Whose words its errors are, the provider's first API decides."""
    name = incoming.endpoint.argument
    raw = incoming.raw_path or incoming.path
    prefix = f"/{name}"
    if not raw.startswith(prefix):  # the name itself was escaped
        raise NotFound(f"There is nothing at {incoming.path[:200]}.")
    if b"anthropic-version" in incoming.headers:
        call.dialect = DIALECTS["anthropic"]
        call.record.surface = "anthropic"
    call.record.route = "pass_through"
    call.record.model = ""
    return Passing(
        provider=name,
        method=incoming.method,
        path=raw.removeprefix(prefix) or "/",
        query=_query(incoming),
        headers=incoming.headers,
    )


def _query(incoming: Incoming) -> str:
    """The query string without the credential."""
    text = incoming.query.decode("latin-1")
    return "&".join(member for member in text.split("&") if not member.startswith("key="))
