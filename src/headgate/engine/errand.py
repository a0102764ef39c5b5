"""One attempt at a side operation, from the journal's line to the last byte. Must not know any operation's wire.

A whole answer is read, judged and then told. One that is passed on as it comes (sound, events) is the client's with its
first piece: what breaks after that is told within its stream, or by a connection that ends before the answer does.
"""

import asyncio
import time

from msgspec import Struct, structs

from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import CHARS_PER_TOKEN, Asked, Kept, SideOperation, StreamTap, is_json
from headgate.engine.answer import Answerer
from headgate.engine.attempt import CONNECT_S, LINGER_S, MOMENT_S, STOPPED
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.keepers import minted, owing
from headgate.providers.catalog import Deployment, Door
from headgate.transport.base import Flight, Timeouts, UpstreamRequest

_EVENTS = "text/event-stream"
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


class Errands(Struct, frozen=True, gc=False):
    """What all attempts of a call have in common."""

    engine: Engine
    call: Call
    answerer: Answerer
    side: SideOperation
    """The row of the client's dialect."""
    asked: Asked


class Errand:
    """The state of one attempt."""

    def __init__(self, common: Errands, to: To) -> None:
        self._common = common
        self._to = to
        self._tap: StreamTap | None = None
        self._sent_s = 0.0
        self._is_verbatim = to.side is common.side
        self._attempt = Attempt(
            number=0,
            provider=to.deployment.provider,
            model=to.deployment.model,
            dialect=to.door.dialect,
            lane="verbatim" if self._is_verbatim else "translated",
            price_version=common.engine.metering.price_version,
        )

    async def run(self, number: int, allowance_s: float, deadline_s: float) -> Problem | None:
        """Makes the attempt. None: the client has its answer; else why not, and nothing has gone out."""
        common = self._common
        self._attempt.number = number
        self._sent_s = time.monotonic()
        self._attempt.started_ms = (self._sent_s - common.call.started_s) * 1e3
        common.engine.metering.begin(common.call.record, self._attempt)
        flight: Flight | None = None
        try:
            flight = await self._start(allowance_s)
            common.answerer.watch(flight.abort)
            await flight.head()
            self._attempt.status = flight.status
            if not 200 <= flight.status < 300:
                body = await flight.read_all(common.engine.settings.answer_bytes_max)
                raise UpstreamError(DIALECTS[self._to.door.dialect].parse_error(flight.status, flight.headers, body))
            await self._answer(flight, deadline_s)
        except (UpstreamError, Malformed) as error:
            return await self._failed(error)
        except asyncio.CancelledError:
            self._attempt.outcome, self._attempt.message = Outcome.LOCAL, STOPPED
            self._book(None)
            raise
        finally:
            common.answerer.watch(None)
            if flight is not None:
                flight.close()
            self._end()
        return None

    async def _start(self, allowance_s: float) -> Flight:
        to, engine = self._to, self._common.engine
        whole_s = max(allowance_s, MOMENT_S)
        passes_on = self._common.asked.is_stream or to.side.is_binary
        timeouts = Timeouts(
            connect_s=min(whole_s, CONNECT_S),
            head_s=whole_s,
            idle_s=min(engine.settings.idle_s, whole_s) if passes_on else whole_s,
            whole_s=whole_s,
        )
        request = UpstreamRequest(method="POST", url=to.url, headers=to.headers, body=to.body)
        request = await engine.signed(request, to.door.signer, whole_s)
        return engine.transports[to.url.partition(":")[0]].start(request, timeouts)

    async def _answer(self, flight: Flight, deadline_s: float) -> None:
        """By what the answer is: events, bytes to pass on, or a whole to be read."""
        side, content_type = self._to.side, flight.content_type()
        if content_type[: len(_EVENTS)].lower() == _EVENTS and side.streaming is not None and self._is_verbatim:
            await self._events(flight, deadline_s)
        elif side.is_binary and not is_json(content_type) and content_type[:9].lower() != "text/html":
            await self._bytes(flight, deadline_s)
        else:
            await self._whole(flight)

    async def _whole(self, flight: Flight) -> None:
        common, content_type = self._common, flight.content_type() or "application/json"
        body = await flight.read_all(common.engine.settings.answer_bytes_max)
        if not body:
            raise Malformed("the answer is empty")
        usage = self._to.side.read(body, content_type, common.asked)
        self._keep(None if self._to.side.kept is None else self._to.side.kept(body))
        dropped = set(self._to.dropped)
        if not self._is_verbatim:
            body, content_type = self._told_home(body, dropped), "application/json"
        self._book(usage)
        self._win(dropped)
        self._attempt.ttft_ms = (time.monotonic() - self._sent_s) * 1e3
        common.answerer.whole(body, content_type, self._attempt)

    def _told_home(self, body: bytes, dropped: set[str]) -> bytes:
        """The answer as the client's dialect has it."""
        theirs, ours = self._to.side.halves, self._common.side.halves
        if theirs is None or ours is None:  # only a mistake in the tables leads here
            raise Malformed(f"an answer of {self._to.door.dialect} cannot be told")
        return ours.render_response(theirs.parse_response(body), self._common.asked.question, dropped)

    async def _bytes(self, flight: Flight, deadline_s: float) -> None:
        """Whatever it is, as it comes."""
        answerer = self._common.answerer
        data = await flight.read()
        if not data:
            raise Malformed("the answer is empty")
        flight.limit(deadline_s - time.monotonic(), Outcome.SLOW)
        self._begin(flight)
        while data:
            await answerer.more(data)
            data = await flight.read()
        self._book(None)
        answerer.end()

    async def _events(self, flight: Flight, deadline_s: float) -> None:
        """Held back until the first event has been read, then passed on in whole events."""
        streaming, answerer = self._to.side.streaming, self._common.answerer
        if streaming is None:  # it was asked before
            return
        tap = self._tap = streaming.tap()
        passage = streaming.filter(self._common.asked)
        held = data = await self._first_events(flight, tap)
        flight.limit(deadline_s - time.monotonic(), Outcome.SLOW)
        self._begin(flight)
        lingers = False
        while data:
            out = passage.feed(held or data)
            held = b""
            if out:
                await answerer.more(out)
            if tap.failed is not None:
                raise _Told(tap.failed)
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
        size, limit = 0, self._common.engine.settings.answer_bytes_max
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
        call, attempt = self._common.call, self._attempt
        entries = [minted(call, self._to.side.name.removesuffix("s"), kept.id, attempt.provider, attempt.model)]
        if kept.is_pending:
            entries.append(owing(call, kept.id, attempt.provider, attempt.model))
        call.record.minted = tuple(entries)
        self._common.engine.metering.minted.remember(entries)

    def _begin(self, flight: Flight) -> None:
        """The head of the answer: from here on it is this attempt's."""
        self._keep(None if self._tap is None else self._tap.kept)
        self._attempt.ttft_ms = (time.monotonic() - self._sent_s) * 1e3
        self._win(self._to.dropped)
        self._common.answerer.begin(flight.content_type() or "application/octet-stream", self._attempt)

    def _finish(self) -> None:
        self._book(self._tap.usage if self._tap is not None else None)
        self._common.answerer.end()

    async def _failed(self, error: HeadgateError) -> Problem | None:
        """Books the failure; tells the client if it has already begun to read this answer."""
        problem, attempt, tap = error.problem, self._attempt, self._tap
        record, answerer = self._common.call.record, self._common.answerer
        if tap is not None and tap.is_finished and not isinstance(error, _Told):
            self._finish()  # what came after the end is of no concern
            return None
        attempt.outcome, attempt.message = problem.outcome, problem.message
        if not answerer.is_committed:
            if tap is not None and tap.usage is not None:  # an error in place of an answer may be billed
                self._book(tap.usage)
            return problem
        self._book(tap.usage if tap is not None else None)
        record.outcome, record.error = problem.outcome, problem.message
        streaming = self._to.side.streaming
        if tap is None or streaming is None or problem.outcome is Outcome.CLIENT_GONE:
            return None  # bytes that broke off have no words: the connection ends before they do
        if not isinstance(error, _Told):
            await answerer.more(streaming.fail(problem))
        answerer.end()
        return None

    def _book(self, told: Usage | None) -> None:
        """What was consumed: as the answer says, else as far as the request tells."""
        asked, attempt, tap = self._common.asked, self._attempt, self._tap
        usage = told
        if usage is None:
            chars = tap.chars if tap is not None else 0
            written = asked.measured.output_tokens or -(-chars // CHARS_PER_TOKEN)
            usage = structs.replace(asked.measured, output_tokens=written)
        elif usage.measures is None and asked.measured.measures is not None:
            usage = structs.replace(usage, measures=asked.measured.measures)
        attempt.usage = usage
        attempt.usage_source = "counted" if told is None or told.is_estimated else "provider_reported"
        self._common.engine.metering.settle(attempt, self._to.deployment.prices)

    def _win(self, dropped: frozenset[str] | set[str]) -> None:
        """This attempt's answer is the call's."""
        call = self._common.call
        if dropped:
            call.record.dropped = sorted(dropped)
        now_s = time.monotonic()
        waited_ms = (now_s - self._sent_s) * 1e3 + sum(each.duration_ms for each in call.record.attempts)
        call.record.overhead_ms = (now_s - call.started_s) * 1e3 - waited_ms

    def _end(self) -> None:
        """The attempt's line in the record."""
        record, attempt = self._common.call.record, self._attempt
        attempt.duration_ms = (time.monotonic() - self._sent_s) * 1e3
        record.attempts.append(attempt)
        record.cost_nano_usd += attempt.cost_nano_usd
        record.is_priced = record.is_priced and attempt.is_priced
        if self._common.answerer.is_committed:
            record.usage, record.usage_source = attempt.usage, attempt.usage_source
            record.ttft_ms = attempt.ttft_ms


class _Told(UpstreamError):
    """The answer's own error event has been passed on already."""
