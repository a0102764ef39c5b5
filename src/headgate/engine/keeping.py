"""Things that providers keep, made, looked at and deleted through us: each goes where it is kept, for its owner alone.

A provider's account serves all callers, so what it lists is looked through, and what a call names is looked up.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Raw, Struct

from headgate.core.minted import BILL, Minted, billed_mark, owed_mark
from headgate.core.problems import HeadgateError, InvalidRequest
from headgate.core.record import CallRecord
from headgate.dialects.batched import output_ids
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import (
    ANTHROPIC,
    GEMINI,
    OPENAI,
    SHARED,
    Members,
    Page,
    Place,
    cursor_of,
    joined,
    made_by,
    members_of,
    named_in,
    read_page,
    render_page,
)
from headgate.engine.admitting import enter
from headgate.engine.batch_bills import ResultLines, summed_up
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Exchange
from headgate.engine.fetching import fetch
from headgate.engine.forms import Form
from headgate.engine.keepers import PENDING, find_kept, gone, keeper_of, minted
from headgate.engine.overhearing import Hearing, Line, Overhearing, SideHearing
from headgate.engine.own import OwnAsk, is_own, tell
from headgate.engine.places import provider_for
from headgate.engine.receiving import SPOKEN, provider_meant, provider_told, received
from headgate.engine.relay import Errand, refuse, relay
from headgate.engine.travelling import outgoing
from headgate.providers.catalog import Door, Provider

PAGE_ITEMS = 100
PAGES_MAX = 50
"""How many pages of a provider's list are looked through for one page of a caller's."""
_ANSWERS = frozenset({"response", "conversation"})
_APIS = {OPENAI: "OpenAI's", ANTHROPIC: "Anthropic's", GEMINI: "Google's"}
_READERS: dict[str, Callable[[str, int], Hearing]] = {
    "response": partial(Overhearing, "openai_responses"),
    "interaction": partial(SideHearing, DIALECTS[GEMINI].sides["interactions"]),
}
"""By the kind of a thing that is an answer of a model: who reads what it used, given the model and a limit of bytes."""
_ENCODE = msgspec.json.Encoder().encode


class Ask(Struct, kw_only=True):
    """What a caller wants of things that are kept."""

    place: Place
    method: str
    query: str
    """Without credentials."""
    headers: Mapping[bytes, bytes]
    wanted: str = ""
    """The provider that the caller names; empty: none."""


async def keep(engine: Engine, call: Call, ask: Ask, exchange: Exchange) -> None:
    """Answers one call. Never raises."""
    try:
        form = None
        if ask.method == "POST":
            enter(engine, call)
            form = await received(call, ask.place, ask.headers.get(b"content-type", b"").decode("latin-1"))
            ask.wanted = ask.wanted or provider_told(form, ask.place)
        if engine.own is not None and is_own(ask.place, ask.wanted, call.body):
            await _serve_own(engine, call, ask, form, exchange)
            return
        errand = await _Keeping(engine, call, ask, form).errand()
    except HeadgateError as error:
        await refuse(engine, call, error, exchange)
    else:
        await relay(engine, call, errand, exchange)


async def _serve_own(engine: Engine, call: Call, ask: Ask, form: Form | None, exchange: Exchange) -> None:
    """The gateway's own things: nothing is sent anywhere, and it is written down all the same."""
    call.record.path = f"{ask.method} {ask.place.path}"
    wanted = OwnAsk(
        place=ask.place,
        method=ask.method,
        query=dict(parse_qsl(ask.query)),
        body=call.body,
        form=form,
    )
    assert engine.own is not None  # noqa: S101 - the caller has looked
    await tell(call, await engine.own.answer(call, wanted), exchange)
    call.record.duration_ms = (time.monotonic() - call.started_s) * 1e3
    engine.metering.call_ended(call.record)


def dialect_of(place: Place, headers: Mapping[bytes, bytes]) -> str:
    """Whose API is meant: where two have the same path, Anthropic's clients send its version."""
    is_anthropic = place.collection.path in SHARED and b"anthropic-version" in headers
    return ANTHROPIC if is_anthropic else place.collection.dialect


class _Keeping:
    """One call for things that are kept."""

    def __init__(self, engine: Engine, call: Call, ask: Ask, form: Form | None) -> None:
        self._engine = engine
        self._call = call
        self._ask = ask
        self._form = form
        self._place = ask.place
        self._record: CallRecord = call.record
        self._query = [pair for pair in parse_qsl(ask.query, keep_blank_values=True) if pair[0] != "provider"]
        self._dialect = dialect_of(ask.place, ask.headers)
        self._kept: Minted | None = None

    async def errand(self) -> Errand:
        """What to send where."""
        ask, place = self._ask, self._place
        provider = await self._provider()
        door = door_of(provider, self._dialect, place)
        self._record.path = f"{ask.method} {place.path}"
        is_list = ask.method == "GET" and not place.id
        errand = Errand(
            provider=provider,
            door=door,
            method=ask.method,
            url=self._url(door, await self._page_query() if is_list else self._query),
            fields=outgoing(ask.headers, own_fields(door, self._dialect, ask.headers)),
            body=self._call.body if self._form is None else b"",
            form=self._form,
            costs=ask.method == "POST" and not place.id and not place.collection.is_free,
            dialect=self._dialect,
            read=None,
        )
        if is_list:
            errand.read = lambda body: self._listed(errand, body)
        elif not place.rest.endswith(("/content", "/results")):
            errand.read = lambda body: self._noted(errand, body)
        else:
            await self._listen(errand)
        if self._is_answer and ask.method == "GET":
            await self._follow(errand)
        return errand

    async def _provider(self) -> Provider:
        """Where it is kept, or is to be."""
        engine, principal, place = self._engine, self._call.principal, self._place
        named = named_in(self._call.body) if self._ask.method == "POST" else ()
        keeper = await keeper_of(engine, principal, named) if named else ""
        if place.id:
            if engine.settings.passes_unknown_ids:
                self._kept = await engine.metering.minted.find(principal.owner, place.id)
            else:
                self._kept = await find_kept(engine, principal, place.id)
        if self._kept is not None:
            if keeper and keeper != self._kept.provider:
                raise InvalidRequest(f"{place.id!r} is kept by {self._kept.provider}, what it is to use by {keeper}.")
            keeper = self._kept.provider
        wanted = keeper or self._ask.wanted
        if not wanted and self._ask.method == "POST" and not place.id:
            wanted = provider_meant(engine, self._call, self._form, place, self._dialect)
        return provider_for(engine, principal, self._dialect, wanted, is_kept=bool(keeper))

    def _url(self, door: Door, query: list[tuple[str, str]]) -> str:
        address = address_of(self._dialect, self._place)
        return door.url(f"{address}?{urlencode(query)}" if query else address)

    # What is made, and what is gone

    async def _noted(self, errand: Errand, body: bytes) -> bytes:
        """Keeps the ids that an answer tells; counts what a batch used."""
        answer = members_of(body)
        if not answer and self._ask.method != "DELETE":  # to which Google says nothing
            return body
        made = made_by(self._place, self._ask.method, answer)
        entries = [minted(self._call, kind, id, errand.provider.name) for id, kind in made.items()]
        if self._ask.method == "DELETE" and self._kept is not None and not self._place.rest:
            entries.append(gone(self._call, self._kept))
            errand.costs = await self._leaves_a_debt()  # nobody can tell any more what it came to
        if self._place.collection.kind == "batch" and self._place.id:
            entries += await self._billed(errand, answer)
        elif self._is_answer and answer.get("status") not in PENDING:
            entries += await self._paid(errand, body)
        self._note(entries)
        if isinstance(answer.get("results_url"), str):
            # Their SDK follows it as it stands, with our caller's key: relative, it leads back here
            body = _ENCODE({**answer, "results_url": f"/v1/messages/batches/{self._place.id or answer['id']}/results"})
        return body

    def _note(self, entries: list[Minted]) -> None:
        self._record.minted += tuple(entries)
        self._engine.metering.minted.remember(entries)

    async def _billed(self, errand: Errand, batch: Members) -> list[Minted]:
        """The marks that a batch's sum is in the books, if it tells one and is not yet."""
        lines = summed_up(batch)
        if not lines or not await self._claims(self._place.id):
            return []
        errand.bill = lambda: lines
        marked = [self._place.id, *output_ids(batch)]
        return [minted(self._call, BILL, billed_mark(id), errand.provider.name) for id in marked]

    @property
    def _is_answer(self) -> bool:
        """Whether it is about one answer of a model itself."""
        return self._place.collection.kind in _READERS and self._place.rest in ("", "/cancel")

    def _reader(self, model: str, bytes_max: int) -> Hearing:
        return _READERS[self._place.collection.kind](model, bytes_max)

    async def _leaves_a_debt(self) -> bool:
        """Whether what is deleted has cost something that is in nobody's books."""
        if self._place.collection.kind == "batch":
            return await self._claims(self._place.id)
        return self._is_answer and await self._owes()

    async def _owes(self) -> bool:
        """Whether this answer went on in the background, and what it used is in nobody's books yet."""
        owed = await self._engine.metering.minted.find(self._call.principal.owner, owed_mark(self._place.id))
        return owed is not None and await self._claims(self._place.id)

    async def _paid(self, errand: Errand, body: bytes) -> list[Minted]:
        """The mark that what an answer used in the background is in the books, if it tells that now."""
        model = self._kept.model if self._kept is not None else ""
        heard = self._reader(model, len(body))
        heard.begin("application/json")
        heard.feed(body)
        heard.feed(b"")
        lines = heard.bill()
        if not lines or not await self._owes():
            return []
        errand.bill = lambda: lines
        return [minted(self._call, BILL, billed_mark(self._place.id), errand.provider.name)]

    async def _follow(self, errand: Errand) -> None:
        """The same, of an answer whose stream is taken up again."""
        if self._kept is None or not await self._owes():
            return
        heard = self._reader(self._kept.model, self._engine.settings.answer_bytes_max)

        def bill() -> list[Line]:
            ids, owner = self._engine.metering.minted, self._call.principal.owner
            lines = heard.bill() if heard.is_ended else []
            if lines and ids.recall(owner, billed_mark(self._place.id)) is None:
                self._note([minted(self._call, BILL, billed_mark(self._place.id), errand.provider.name)])
                return lines
            return []

        errand.overhearing, errand.bill = heard, bill

    async def _claims(self, id: str) -> bool:
        """Whether what `id` cost is in nobody's books yet."""
        ids, owner = self._engine.metering.minted, self._call.principal.owner
        return await ids.find(owner, billed_mark(id)) is None and ids.recall(owner, billed_mark(id)) is None

    async def _listen(self, errand: Errand) -> None:
        """Results tell what each line used, where the batch does not."""
        place, kept = self._place, self._kept
        tells = place.rest == "/results" or (kept is not None and kept.kind == "batch_output")
        if not tells or not await self._claims(place.id):
            return
        lines = ResultLines()

        def bill() -> list[Line]:
            ids, owner = self._engine.metering.minted, self._call.principal.owner
            if not lines.is_whole or ids.recall(owner, billed_mark(place.id)) is not None:
                return []
            found = lines.bill()
            if found:
                self._note([minted(self._call, BILL, billed_mark(place.id), errand.provider.name)])
            return found

        errand.overhearing, errand.bill = lines, bill

    # Lists

    async def _page_query(self) -> list[tuple[str, str]]:
        """A whole page, from where the caller's last one ended: at something of the caller's own."""
        for name in ("after", "after_id", "before", "before_id"):
            cursor = dict(self._query).get(name)
            if cursor and not self._engine.settings.passes_unknown_ids:
                await find_kept(self._engine, self._call.principal, cursor)
        return joined(self._query, limit=str(PAGE_ITEMS))

    async def _listed(self, errand: Errand, body: bytes) -> bytes:
        """The caller's own part of the provider's list."""
        if self._engine.settings.passes_unknown_ids:
            return body
        asked = dict(self._query).get("limit", "")
        wanted = min(int(asked), PAGE_ITEMS) if asked.isdecimal() and int(asked) > 0 else PAGE_ITEMS
        own: list[tuple[str, Raw]] = []
        page = first = read_page(body)
        for _ in range(PAGES_MAX):
            own += await self._own_of(page)
            if len(own) > wanted or not page.has_more or not page.items:
                break
            page = await self._next(errand, page.items[-1][0])
        return render_page(first, own[:wanted], has_more=len(own) > wanted or (page.has_more and bool(own)))

    async def _own_of(self, page: Page) -> list[tuple[str, Raw]]:
        owner = self._call.principal.owner
        known = await self._engine.metering.minted.find_all(owner, [id for id, _ in page.items])
        return [(id, raw) for id, raw in page.items if id in known]

    async def _next(self, errand: Errand, after: str) -> Page:
        engine = self._engine
        query = joined(self._query, limit=str(PAGE_ITEMS), **{cursor_of(self._dialect): after})
        body = await fetch(engine, errand.door, self._url(errand.door, query), errand.fields)
        return read_page(body)


def address_of(dialect: str, place: Place) -> str:
    """Where a thing is, below the base URL of a provider's door."""
    if dialect == GEMINI:  # whose base has the version in it
        return place.path.removeprefix("/v1beta") if place.id else place.rest or place.path
    return f"/v1{place.path}" if dialect == ANTHROPIC else place.path


def own_fields(door: Door, dialect: str, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """The gateway's own header fields: its credential, and the API's version unless the caller names one."""
    if dialect == ANTHROPIC and b"anthropic-version" not in headers and door.version:
        return (("anthropic-version", door.version), *door.headers)
    return door.headers


def door_of(provider: Provider, dialect: str, place: Place) -> Door:
    """The provider's door to that API; for answers, to that of responses where it has one. Raises `InvalidRequest` for
    none at all."""
    first = "openai_responses" if place.collection.kind in _ANSWERS else ""
    for door in sorted(provider.doors, key=lambda door: door.dialect != first):
        if door.dialect in SPOKEN[dialect] and door.paths is None:
            return door
    raise InvalidRequest(
        f"{provider.name} does not speak {_APIS[dialect]} API, so it has no such things.", param="provider"
    )
