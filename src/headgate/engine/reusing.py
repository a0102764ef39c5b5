"""Answers that are used again, between what a call wants and the attempts at it: kept ones, and those under way.

Decides nothing about a call that its route gives no terms for: that never comes here. What is kept is read from what
the client was told, so that there is one way to it, whatever lane the answer came by.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, structs

from headgate.cache.answers import Answers
from headgate.cache.entries import Entry, says_twice, told, why_not_kept
from headgate.cache.keys import Asked, Request, key_of, read, scope_of, user_of, why_not
from headgate.cache.shelf import Held
from headgate.core.caching import NO_WISH, Caching, Reused, Wish
from headgate.core.events import Event, Finished
from headgate.core.principal import Principal, Sold
from headgate.core.problems import HeadgateError, Outcome, Problem
from headgate.core.record import Attempt
from headgate.dialects.base import Head, ReplyTo
from headgate.dialects.caching import body_wish, without_cache_member
from headgate.engine.answer import Answerer
from headgate.engine.call import Call, reply_to
from headgate.engine.effects import does_more
from headgate.engine.replaying import replay
from headgate.engine.sharing import Reader, Shared
from headgate.ledger.charging import winner
from headgate.providers.catalog import Deployment
from headgate.routing.plan import Route
from headgate.routing.verdicts import RULES

_log = logging.getLogger("headgate")
Ask = Callable[[Answerer], Awaitable[None]]
"""Asks for a fresh answer."""
_NOT_KEPT: Final = Problem(
    kind="timeout",
    message="No answer to this is kept, and a fresh one is not wanted (only-if-cached).",
    code="only_if_cached",
    outcome=Outcome.CLIENT,
)
_COST: Final = re.compile(rb"x-headgate-cost-usd: [0-9.]+\r\n")
_MISS: Final = b"x-headgate-cache: miss\r\n"


class Question(Struct, frozen=True, kw_only=True, gc=False):
    """A call whose answer may be used again."""

    call: Call
    head: Head
    caching: Caching
    wish: Wish
    key: bytes
    is_words: bool = True
    """False: the answer is kept as it is, not in words."""

    @property
    def form(self) -> tuple[object, ...]:
        """What the bytes of its answer depend on, besides the answer."""
        return self.head.is_stream, self.head.wants_usage, self.call.framing

    @property
    def reply_to(self) -> ReplyTo:
        """Whom a kept answer is for. What it does not tell of itself is the same for everybody."""
        return reply_to(self.call, self.head)


class _Flight:
    """A shared answer under way, and who asks for it."""

    __slots__ = ("leader", "may_fail", "over", "shared")

    def __init__(self, leader: Call, *, may_fail: bool) -> None:
        self.leader = leader
        self.shared = Shared()
        self.may_fail = may_fail
        """Whether somebody else asks anew if this fails."""
        self.over = asyncio.Event()
        """Everything of it is written down."""

    def pass_on(self) -> bool:
        """Has another one of those who wait ask anew, once. False: there is nobody, or it was done before."""
        heir = next((each for each in self.shared.readers if each.call is not self.leader), None)
        if heir is None or not self.may_fail:
            return False
        self.may_fail = False
        self.leader = heir.call
        heir.lead()
        return True


class Reuse:
    """The calls of one engine whose answers may be used again."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._flights: dict[tuple[object, ...], _Flight] = {}

    def question(
        self, call: Call, head: Head, routes: Sequence[Route], deployments: Sequence[Deployment]
    ) -> Question | None:
        """What is asked of these; None: its answer is for this call alone, and is asked for as ever. Raises
        `InvalidRequest` for a wish that is none."""
        route = routes[0]
        caching = route.caching
        if caching is None:
            return None
        is_words = call.record.operation == "generate"
        wish = call.wish or NO_WISH
        if b'"cache"' in call.body:
            wish = body_wish(call.body, wish)
            call.body = without_cache_member(call.body)
        request = read(call.dialect.name, call.body)
        user = call.record.user or user_of(request.members) if caching.scope == "user" else ""
        scope = scope_of(caching.scope, call.principal, user)
        reason = "off" if wish.is_off else why_not(caching, request)
        if not reason:
            reason = "its user is not known" if not scope else _why_alone(call, head, routes, request)
        if reason:
            call.fields += f"x-headgate-cache: bypass\r\nx-headgate-cache-reason: {reason}\r\n"
            return None
        call.record.route = "model" if route.is_direct else route.name
        asked = Asked(
            surface=call.dialect.name,
            operation=call.record.operation,
            model=head.model,
            deployments=[each.id for each in deployments],
            scope=scope,
            namespace=wish.namespace,
            version=caching.version,
            betas=(call.envelope.version, *call.envelope.betas),
            headers=call.headers,
            query=call.query if is_words else f"{call.path}?{call.query}",
        )
        key = key_of(self.answers.digest, asked, request)
        return Question(call=call, head=head, caching=caching, wish=wish, key=key, is_words=is_words)

    async def answer(self, question: Question, answerer: Answerer, ask: Ask) -> None:
        """Answers a call: with what is kept, with what is under way, or with what `ask` brings."""
        wish = question.wish
        if wish.reads:
            recall = self.answers.recall
            # it may have been put there while it was looked for elsewhere
            held = recall(question.key) or await self.answers.find(question.key) or recall(question.key)
            if held is not None and self._is_fresh(held.entry, wish):
                await self._serve(question, held, answerer)
                return
        if wish.only_kept:
            answerer.refuse(_NOT_KEPT)
            return
        question.call.fields += f"x-headgate-cache: miss\r\nx-headgate-cache-key: {question.key.hex()}\r\n"
        name = (question.key, *question.form)
        if says_twice(question.call.body):  # of which nobody knows what it asks
            await ask(answerer)
            return
        shares = question.caching.coalesce and wish.reads
        flight = self._flights.get(name) if shares else None
        leads = flight is None
        if flight is None:
            flight = _Flight(question.call, may_fail=shares)
            if shares:
                self._flights[name] = flight
        reader = flight.shared.join(question.call, answerer, partial(_retold, flight, question.call.id))
        while True:
            if leads:
                await self._lead(flight, question, ask)
            if await reader.read():
                break
            leads = True
        answerer.watch(None)
        if flight.leader is not question.call:
            await self._book(flight, question.call, reader)

    def _is_fresh(self, entry: Entry, wish: Wish) -> bool:
        return wish.age_s_max is None or self._age_s(entry) <= wish.age_s_max

    def _age_s(self, entry: Entry) -> float:
        return max(self.answers.clock_us() - entry.stored_us, 0) / 1e6

    # what is kept

    async def _serve(self, question: Question, held: Held, answerer: Answerer) -> None:
        call, entry, age_s = question.call, held.entry, self._age_s(held.entry)
        record = call.record
        left_s = (entry.expires_us - self.answers.clock_us()) // 1_000_000
        call.fields += (
            f"x-headgate-cache: hit\r\nage: {int(age_s)}\r\nx-headgate-cache-ttl-s: {left_s}\r\n"
            f"x-headgate-cache-source: {entry.source}\r\nx-headgate-cache-key: {entry.key.hex()}\r\n"
        )
        now_ms = (time.monotonic() - call.started_s) * 1e3
        record.overhead_ms = now_ms
        record.dropped = list(entry.dropped)
        record.finish_reason = entry.finish_reason
        record.reused = Reused(
            how="hit",
            source=entry.source,
            age_s=age_s,
            provider=entry.provider,
            model=entry.upstream,
            usage=entry.usage,
            cost_nano_usd=entry.cost_nano_usd,
            saved_ms=max(entry.duration_ms - now_ms, 0.0),
        )
        attempt = _no_attempt(entry, call)
        if entry.content_type:
            answerer.whole(entry.body, entry.content_type, attempt)
            return
        if not question.head.is_stream:
            body = self.answers.shelf.tell(held, question.form, partial(_whole, question, entry))
            answerer.whole(body, "application/json", attempt)
            return
        answerer.begin(_stream_type(call), attempt)
        if question.caching.replay == "paced":
            await replay(entry, call.dialect.stream_renderer(question.reply_to), answerer)
        else:
            await answerer.more(self.answers.shelf.tell(held, question.form, partial(_stream, question, entry)))
        if not answerer.is_gone:
            answerer.end()

    # what is under way

    async def _lead(self, flight: _Flight, question: Question, ask: Ask) -> None:
        """Asks for the answer, for everybody who wants it."""
        call, shared = question.call, flight.shared
        inner = _Asking(call, flight)
        try:
            await ask(inner)
        except HeadgateError as error:
            inner.refuse(error.problem)
        except Exception:
            _log.exception("a bug in Headgate ended call %s", call.id)
            inner.refuse(Problem(kind="internal", message="Headgate failed on this call.", outcome=Outcome.LOCAL))
        finally:
            if flight.leader is call:
                self._land(flight, question, is_told=inner.is_committed)
        if flight.leader is call and call.record.status == 200 and call.record.outcome is Outcome.OK:
            self._keep(question, shared)

    def _land(self, flight: _Flight, question: Question, *, is_told: bool) -> None:
        """The answer is over. Where its call was stopped before anything was told, another one may ask."""
        if not flight.shared.is_over:
            if not is_told and flight.pass_on():
                return
            flight.shared.cut()
        name = (question.key, *question.form)
        if self._flights.get(name) is flight:
            del self._flights[name]
        if question.caching.shares == "equal":
            _share(flight)
        flight.over.set()

    async def _book(self, flight: _Flight, call: Call, reader: Reader) -> None:
        """Writes down what became of a call that another one's answer was used for."""
        record, paid = call.record, flight.leader.record
        record.streamed_bytes = reader.bytes
        if reader.is_gone:
            record.outcome, record.status = Outcome.CLIENT_GONE, record.status or 499
            return
        await flight.over.wait()
        record.status, record.outcome, record.error = flight.shared.status, paid.outcome, paid.error
        record.finish_reason, record.dropped = paid.finish_reason, paid.dropped
        record.route, record.strategy, record.ttft_ms = paid.route, paid.strategy, paid.ttft_ms
        answered = winner(paid)
        if answered is not None:
            record.reused = Reused(
                how="coalesced",
                source=paid.id,
                provider=answered.provider,
                model=answered.model,
                usage=paid.usage,
                cost_nano_usd=answered.cost_nano_usd,
            )

    def _keep(self, question: Question, shared: Shared) -> None:
        call, wish, caching = question.call, question.wish, question.caching
        answered = winner(call.record)
        too_long = shared.bytes > self.answers.bounds.answer_bytes_max
        if not wish.stores or answered is None or too_long:
            return
        body = b"".join(shared.parts)
        if question.is_words:
            events = _events(question, body)
            if why_not_kept(events, tools=caching.tools):
                return
            body = told(events)
        now_us, record = self.answers.clock_us(), call.record
        ttl_s = caching.ttl_s if wish.ttl_s is None else min(wish.ttl_s, caching.ttl_s_max)
        entry = Entry(
            key=question.key,
            key_id=call.principal.key_id,
            team=call.principal.team,
            organisation=call.principal.organisation,
            namespace=wish.namespace,
            surface=call.dialect.name,
            operation=record.operation,
            model=record.model,
            provider=answered.provider,
            upstream=answered.model,
            tags=wish.tags,
            source=call.id,
            stored_us=now_us,
            expires_us=now_us + ttl_s * 1_000_000,
            usage=record.usage,
            cost_nano_usd=answered.cost_nano_usd,
            ttft_ms=record.ttft_ms or 0.0,
            duration_ms=(time.monotonic() - call.started_s) * 1e3,
            finish_reason=record.finish_reason,
            dropped=tuple(record.dropped),
            content_type="" if question.is_words else "application/json",
            body=body,
        )
        self.answers.put(entry)


class _Asking(Answerer):
    """What goes out to everybody. A failure that is no caller's fault is told to nobody, once, while others wait: one
    of those asks anew."""

    __slots__ = ("_flight",)

    def __init__(self, call: Call, flight: _Flight) -> None:
        super().__init__(call, flight.shared)
        self._flight = flight

    def refuse(self, problem: Problem, *, attempts: Sequence[Mapping[str, object]] = ()) -> None:
        """An error, to everybody; or to nobody."""
        is_first = not self.is_committed and not self.is_gone
        if is_first and RULES[problem.outcome].goes_elsewhere:
            record = self._flight.leader.record
            if self._flight.pass_on():
                self.is_committed = True
                record.outcome, record.error = problem.outcome, problem.message
                return
        super().refuse(problem, attempts=attempts)


def _why_alone(call: Call, head: Head, routes: Sequence[Route], request: Request) -> str:
    """Why an answer cannot stand for another: it is tied to what a provider keeps, or does something besides."""
    if head.refers or head.home or call.keeper:
        return "refers to what its provider keeps"
    terms = [route.caching for route in routes]
    if None in terms:
        return "one of its models is not cached"
    if head.is_kept and any(each is not None and each.scope == "organisation" for each in terms):
        return "kept by its provider"
    return "has effects besides its answer" if does_more(request.members) else ""


def _retold(flight: _Flight, reader: str, data: bytes) -> bytes:
    """Header fields, or an error's body, as told to another call than the one that asked for them."""
    leader = flight.leader.id
    if leader == reader:
        return data
    mine = data.replace(leader.encode(), reader.encode())
    shared = f"x-headgate-cache: coalesced\r\nx-headgate-cache-source: {leader}\r\n".encode()
    return _COST.sub(b"", mine).replace(_MISS, shared, 1)


def _share(flight: _Flight) -> None:
    """Everybody who got the answer pays as much of it."""
    paid = flight.leader
    full, others = _price(paid, paid.principal), [each.call for each in flight.shared.readers if each.call is not paid]
    if full is None or not others:
        return
    heads = len(others) + 1
    for call in others:
        call.record.charge_nano_usd = (_price(paid, call.principal) or 0) // heads
    paid.record.charge_nano_usd = full - (heads - 1) * (full // heads)


def _price(paid: Call, principal: Principal) -> int | None:
    """What an answer would cost a caller by itself, in nano-USD."""
    answered, usage = winner(paid.record), paid.record.usage
    if answered is None or usage is None:
        return None
    if principal.tariff is None:
        return answered.cost_nano_usd
    where = paid.record.model, answered.provider, answered.model
    return principal.tariff.charge(Sold(*where, usage, answered.cost_nano_usd, paid.record.started_us))


def _no_attempt(entry: Entry, call: Call) -> Attempt:
    """What header fields tell of an answer that nobody was asked for."""
    return Attempt(number=0, provider=entry.provider, model=entry.upstream, dialect=call.dialect.name, lane="verbatim")


def _stream_type(call: Call) -> str:
    return "application/json" if call.framing == "array" else call.dialect.stream_type


def _whole(question: Question, entry: Entry) -> bytes:
    return question.call.dialect.render_response(entry.events, question.reply_to, set())


def _stream(question: Question, entry: Entry) -> bytes:
    return question.call.dialect.stream_renderer(question.reply_to).render(entry.events)


def _events(question: Question, body: bytes) -> list[Event]:
    """What an answer told its client, in words, with the usage that it did not want to see."""
    dialect, usage = question.call.dialect, question.call.record.usage
    if question.head.is_stream:
        parser = dialect.stream_parser()
        events = [*parser.feed(body), *parser.close()]
    else:
        events = dialect.parse_response(body)
    return [
        structs.replace(event, usage=usage) if isinstance(event, Finished) and event.usage is None else event
        for event in events
    ]
