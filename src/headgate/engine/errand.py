"""One attempt at a side operation, from the journal's line to the last byte. Must not know any operation's wire.

A whole answer is read, judged and then told. One that is passed on as it comes (sound, events) is the client's with its
first piece: what breaks after that is told within its stream, or by a connection that ends before the answer does.
"""

import re

from msgspec import Struct, structs

from headgate.core.events import Failed
from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.core.usage import Usage
from headgate.dialects.base import Dialect, Malformed
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import CHARS_PER_TOKEN, Asked, Kept, SideOperation, StreamTap, is_json, usage_told
from headgate.engine.keepers import minted, owing
from headgate.engine.trial import LINGER_S, Told, Trial
from headgate.engine.trying import Trying
from headgate.providers.catalog import Deployment, Door
from headgate.transport.base import Flight, UpstreamRequest

_EVENTS = "text/event-stream"
_COUNT = re.compile(r"[0-9]{1,15}")
_NO_WORDS = frozenset({Outcome.PROTOCOL, Outcome.CUT})
_CUT = "the answer ended before it was whole"


class To(Struct, frozen=True, kw_only=True, gc=False):
    """Where an attempt goes, and with what."""

    deployment: Deployment
    door: Door
    side: SideOperation
    """The row of the dialect that is spoken there."""
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dropped: frozenset[str]


class Errand(Trial):
    """The state of one attempt."""

    __slots__ = ("_answerer", "_asked", "_is_verbatim", "_side", "_tap", "_to", "_told")

    def __init__(self, trying: Trying, side: SideOperation, asked: Asked, to: To) -> None:
        is_verbatim = to.side is side
        attempt = Attempt(
            number=0,
            provider=to.deployment.provider,
            model=to.deployment.model,
            dialect=to.door.dialect,
            lane="verbatim" if is_verbatim else "translated",
            price_version=trying.engine.metering.price_version,
        )
        super().__init__(trying, attempt, to.deployment, to.door)
        self._answerer = trying.answerer
        self._asked = asked
        self._is_verbatim = is_verbatim
        self._side = side
        """The row of the client's dialect."""
        self._tap: StreamTap | None = None
        self._to = to
        self._told: Usage | None = None
        """What an error in place of a whole answer has told."""
        self.body_bytes = CHARS_PER_TOKEN * asked.measured.input_tokens

    @property
    def dialect(self) -> Dialect:
        """The upstream's."""
        return DIALECTS[self.door.dialect]

    @property
    def _passes_on(self) -> bool:
        return self.trying.head.is_stream

    def _request(self) -> UpstreamRequest:
        to = self._to
        return UpstreamRequest(method="POST", url=to.url, headers=to.headers, body=to.body)

    async def _answer(self, flight: Flight) -> None:
        """By what the answer is: events, bytes to pass on, or a whole to be read."""
        side, content_type = self._to.side, flight.content_type()
        if content_type[: len(_EVENTS)].lower() == _EVENTS and side.streaming is not None and self._is_verbatim:
            await self._events(flight)
        elif side.is_binary and not is_json(content_type) and content_type[:9].lower() != "text/html":
            await self._bytes(flight)
        else:
            await self._whole(flight)

    async def _whole(self, flight: Flight) -> None:
        content_type = flight.content_type() or "application/json"
        body = await flight.read_all(self.trying.engine.settings.answer_bytes_max)
        if not body:
            raise Malformed("the answer is empty")
        side = self._to.side
        usage = self._read(body, content_type)
        if usage is None and side.counted_in:
            usage = _counted(flight, side.counted_in)
        self._book(usage)  # whatever becomes of it, it has been used
        self._keep(None if side.kept is None else side.kept(body))
        dropped = set(self._to.dropped)
        if not self._is_verbatim:
            body, content_type = self._told_home(body, dropped), "application/json"
        self.attempt.ttft_ms = self._win(dropped)
        self._answerer.whole(body, content_type, self.attempt)

    def _read(self, body: bytes, content_type: str) -> Usage | None:
        """What an answer tells of its usage; an error in its place may tell that too, and is told in its words."""
        side = self._to.side
        try:
            return side.read(body, content_type, self._asked)
        except Malformed as fault:
            self._told = usage_told(side, body)
            raise _error_in(self.dialect, body) or fault from None

    def _told_home(self, body: bytes, dropped: set[str]) -> bytes:
        """The answer as the client's dialect has it."""
        theirs, ours = self._to.side.halves, self._side.halves
        if theirs is None or ours is None:  # only a mistake in the tables leads here
            raise Malformed(f"an answer of {self._to.door.dialect} cannot be told")
        return ours.render_response(theirs.parse_response(body), self._asked.question, dropped)

    async def _bytes(self, flight: Flight) -> None:
        """Whatever it is, as it comes."""
        answerer = self._answerer
        data = await flight.read()
        if not data:
            raise Malformed("the answer is empty")
        self._begin(flight)
        while data:
            await answerer.more(data)
            data = await flight.read()
        self._book(None)
        answerer.end()

    async def _events(self, flight: Flight) -> None:
        """Held back until the first event has been read, then passed on in whole events."""
        streaming, answerer = self._to.side.streaming, self._answerer
        if streaming is None:  # it was asked before
            return
        tap = self._tap = streaming.tap()
        passage = streaming.filter(self._asked)
        held = data = await self._first_events(flight, tap)
        self._begin(flight)
        lingers = False
        while data:
            out = passage.feed(held or data)
            held = b""
            if out:
                await answerer.more(out)
            if tap.failed is not None:
                raise Told(tap.failed)
            if tap.is_over and not lingers:
                lingers = True
                flight.limit(LINGER_S, Outcome.OK)
            data = await flight.read()
            tap.feed(data)
        if not tap.is_finished:
            raise UpstreamError(Problem(kind="upstream", message=_CUT, outcome=Outcome.CUT))
        rest = passage.close()
        if rest:
            await answerer.more(rest)
        self._finish()

    async def _first_events(self, flight: Flight, tap: StreamTap) -> bytes:
        """Everything up to the first event. Silence, headers and comments alone are no answer."""
        held: list[bytes] = []
        size, limit = 0, self.trying.engine.settings.answer_bytes_max
        while not tap.events:
            data = await flight.read()
            tap.feed(data)
            held.append(data)
            size += len(data)
            if not data and not tap.events:
                raise Malformed("the answer is a stream without any event")
            if size > limit:
                raise Malformed(f"the answer has no event in {size} bytes (answer_bytes_max)")
        if tap.failed is not None:
            raise UpstreamError(tap.failed)
        return b"".join(held)

    def _keep(self, kept: Kept | None) -> None:
        """The upstream keeps this answer: its id is the caller's before the caller learns it."""
        if kept is None:
            return
        call, attempt = self.trying.call, self.attempt
        entries = [minted(call, self._to.side.name.removesuffix("s"), kept.id, attempt.provider, attempt.model)]
        if kept.is_pending:
            entries.append(owing(call, kept.id, attempt.provider, attempt.model))
        call.record.minted = tuple(entries)
        self.trying.engine.metering.minted.remember(entries)

    def _begin(self, flight: Flight) -> None:
        """The head of the answer: from here on it is this attempt's."""
        self._keep(None if self._tap is None else self._tap.kept)
        self._win(self._to.dropped)
        self._bound(flight)
        self.attempt.ttft_ms = None if self.watch is None else self.watch.first()
        self._answerer.begin(flight.content_type() or "application/octet-stream", self.attempt)

    @property
    def _is_finished(self) -> bool:
        return self._tap is not None and self._tap.is_finished

    def _finish(self) -> None:
        self._book(self._tap.usage if self._tap is not None else None)
        self._answerer.end()

    def _book_part(self) -> None:
        self._book(self._tap.usage if self._tap is not None else None)

    def _book_told(self) -> None:
        told = self._told if self._tap is None else self._tap.usage
        if told is not None:
            self._book(told)

    async def _break_off(self, error: HeadgateError) -> None:
        streaming, problem = self._to.side.streaming, error.problem
        if self._tap is None or streaming is None or problem.outcome is Outcome.CLIENT_GONE:
            return  # bytes that broke off have no words: the connection ends before they do
        if not isinstance(error, Told):
            await self._answerer.more(streaming.fail(problem))
        self._answerer.end()

    def _book(self, told: Usage | None) -> None:
        """What was consumed: as the answer says, else as far as the request tells."""
        asked, attempt, tap = self._asked, self.attempt, self._tap
        usage = told
        if usage is None:
            chars = tap.chars if tap is not None else 0
            written = asked.measured.output_tokens or -(-chars // CHARS_PER_TOKEN)
            usage = structs.replace(asked.measured, output_tokens=written)
        elif usage.measures is None and asked.measured.measures is not None:
            usage = structs.replace(usage, measures=asked.measured.measures)
        attempt.usage = usage
        attempt.usage_source = "counted" if told is None or told.is_estimated else "provider_reported"
        self.trying.engine.metering.settle(attempt, self._to.deployment.prices)


def _error_in(dialect: Dialect, body: bytes) -> UpstreamError | None:
    """The error that a body with a good status is; None: it is none that this dialect has words for."""
    try:
        events = dialect.parse_response(body)
    except HeadgateError:
        return None
    problem = next((event.problem for event in events if isinstance(event, Failed)), None)
    return None if problem is None or problem.outcome in _NO_WORDS else UpstreamError(problem)


def _counted(flight: Flight, name: str) -> Usage | None:
    """What a header field tells of the tokens that went in."""
    told = next((value for field, value in flight.fields_named(name) if field == name), "")
    return Usage(input_tokens=int(told)) if _COUNT.fullmatch(told) else None
