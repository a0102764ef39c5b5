"""Calls that pass through to a provider as they are. Must not decide where they go beyond that provider's base URL.

What is known of a path is used: things that are kept stay their owners', and usage that the answer tells is priced.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from headgate.core.principal import Principal
from headgate.core.problems import Forbidden, HeadgateError, InvalidRequest, NotFound, UnknownId
from headgate.dialects.kept import references
from headgate.dialects.resources import OPENAI, Place, members_of, named_in, place_of
from headgate.engine.admitting import enter
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Exchange
from headgate.engine.forms import Stream
from headgate.engine.keepers import keeper_of, minted, unknown_id
from headgate.engine.keeping import Ask, dialect_of, keep
from headgate.engine.overhearing import Line, Overhearing, overhear
from headgate.engine.receiving import speaks
from headgate.engine.relay import Errand, refuse, relay
from headgate.engine.travelling import outgoing
from headgate.providers.catalog import Door, Provider
from headgate.routing.passing import passed_path, passed_query, passed_url

_FREE = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_GENERATING = frozenset({"response", "chat_completion"})
"""Kinds that an answer of a model is, where it is kept."""
_STORED: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "openai_responses": ("response", lambda store: store is not False),
    "openai_chat": ("chat_completion", lambda store: store is True),
}
"""By dialect: what an answer is called where it is kept, and which `store` in the request means that it is."""


class Passing(Struct, kw_only=True):
    """What is to be passed through."""

    provider: str
    method: str
    path: str
    """As it stood on the wire, after the provider's name."""
    query: str
    headers: Mapping[bytes, bytes]


async def pass_through(engine: Engine, call: Call, passing: Passing, exchange: Exchange) -> None:
    """Answers one call. Never raises."""
    try:
        provider = _provider(engine, call.principal, passing.provider)
        path = passed_path(passing.path)
        place = _place(provider, path)
        if place is not None and _is_kept(provider, place, passing):
            await _keep(engine, call, passing, place, exchange)
            return
        if passing.method not in _FREE:
            enter(engine, call)
        errand = await _errand(engine, call, passing, provider, path)
    except HeadgateError as error:
        await refuse(engine, call, error, exchange)
    else:
        await relay(engine, call, errand, exchange)


def _provider(engine: Engine, principal: Principal, name: str) -> Provider:
    """The provider, if this gateway and this key allow it."""
    if name not in engine.settings.passing or name not in engine.directory.providers:
        raise NotFound(f"Nothing is passed through to {name!r} here (pass_through.providers).")
    if name not in principal.passing:
        raise Forbidden(
            f"This key may not pass calls through to {name}. An operator may let it: headgate keys pass-through."
        )
    if principal.models is not None:
        raise Forbidden("This key is held to some models, to which calls that pass through cannot be held.")
    return engine.directory.providers[name]


def _place(provider: Provider, path: str) -> Place | None:
    try:
        return place_of(path, is_googles=not speaks(provider, OPENAI))
    except ValueError:
        raise NotFound("There can be nothing at this path.") from None


def _is_kept(provider: Provider, place: Place, passing: Passing) -> bool:
    """Whether it is about a thing that is kept, and not a question to a model."""
    if passing.method == "POST" and not place.id and place.collection.kind in _GENERATING:
        return False
    return speaks(provider, dialect_of(place, passing.headers))


async def _keep(engine: Engine, call: Call, passing: Passing, place: Place, exchange: Exchange) -> None:
    """What is kept, by the rules for that; at this provider and no other."""
    if place.id and not engine.settings.passes_unknown_ids:
        found = await engine.metering.minted.find(call.principal.owner, place.id)
        if found is None or found.provider != passing.provider:
            raise unknown_id(place.id)
    if call.upload is not None and passing.method != "POST":
        raise InvalidRequest(f"A {passing.method} of what is kept brings JSON, or nothing.", param="content-type")
    ask = Ask(
        place=place,
        method=passing.method,
        query=passing.query,
        headers=passing.headers,
        wanted=passing.provider,
    )
    await keep(engine, call, ask, exchange)


async def _errand(engine: Engine, call: Call, passing: Passing, provider: Provider, path: str) -> Errand:
    """What to send where."""
    heard = overhear(passing.method, path, call.body, engine.settings.answer_bytes_max)
    door = _door(provider, heard)
    named = (*named_in(call.body), *(references(call.body) if heard is not None and members_of(call.body) else ()))
    if named:
        keeper = await keeper_of(engine, call.principal, named)
        if keeper and keeper != provider.name:
            raise UnknownId(f"What this call refers to is kept by {keeper}, not by {provider.name}.")
    call.record.path = f"{passing.method} {path}"
    errand = Errand(
        provider=provider,
        door=door,
        method=passing.method,
        url=passed_url(door, path, passed_query(passing.query, door)),
        fields=outgoing(passing.headers, door.headers),
        body=call.body,
        form=Stream(call.upload) if call.upload is not None else None,
        costs=passing.method not in _FREE,
        overhearing=heard,
        dialect=door.dialect,
    )
    if heard is not None:
        errand.bill = lambda: _bill(engine, call, provider, heard)
    return errand


def _door(provider: Provider, heard: Overhearing | None) -> Door:
    """The door to the API that the path belongs to, else the first."""
    spoken = (door for door in provider.doors if heard is not None and door.dialect == heard.dialect)
    return next(spoken, provider.doors[0])


def _bill(engine: Engine, call: Call, provider: Provider, heard: Overhearing) -> list[Line]:
    """What was used; and an answer that is kept is the caller's."""
    kind, is_stored = _STORED.get(heard.dialect, ("", bool))
    if heard.id and kind and is_stored(members_of(call.body).get("store")):
        call.record.minted = (minted(call, kind, heard.id, provider.name),)
        engine.metering.minted.remember(call.record.minted)
    return heard.bill()
