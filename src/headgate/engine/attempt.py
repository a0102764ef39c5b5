"""One attempt at one deployment, from the journal's line to the last byte: PLANNED, SENT, COMMITTED, DONE or FAILED.

COMMITTED is the first byte given to the client. Until then a failure is returned, so that another deployment can be
tried; from then on it can only be told, honestly, in the client's own stream.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from headgate.core.events import Event, Failed, Finished, PartDelta, PartStarted, Started
from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.dialects.base import Head, Malformed, ReplyTo
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.keepers import PENDING, minted, owing
from headgate.engine.lanes import Passage, Prepared
from headgate.engine.watching import Watch
from headgate.policies.metering import estimate
from headgate.transport.base import Flight, Timeouts, UpstreamRequest

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

CONNECT_S = 3.0
"""How long opening a connection may take."""
MOMENT_S = 0.001
"""What a call whose time is up still gets, so that it fails as late and not as a mistake."""
LINGER_S = 1.0
"""How long a stream may stay open after its last event before its connection is given up."""

STOPPED = "Headgate was stopped before the answer had ended."


class Attempting:
    """The state of one attempt."""

    __slots__ = ("_answerer", "_attempt", "_call", "_engine", "_head", "_passage", "_prepared", "_sent_s", "_watch")

    def __init__(self, engine: "Engine", call: Call, answerer: Answerer, prepared: Prepared, head: Head) -> None:
        self._engine = engine
        self._call = call
        self._answerer = answerer
        self._prepared = prepared
        self._head = head
        self._passage: Passage | None = None
        self._sent_s = 0.0
        self._attempt = Attempt(
            number=0,
            provider=prepared.way.deployment.provider,
            model=prepared.way.deployment.model,
            dialect=prepared.way.dialect.name,
            lane=prepared.lane,
            price_version=engine.metering.price_version,
        )

    async def run(self, number: int, allowance_s: float, deadline_s: float, others_left: int) -> Problem | None:
        """Makes the attempt. None: the client has its answer; else why not, and nothing has gone out unless the
        answerer says so. `others_left`: how many deployments may be tried after it."""
        self._attempt.number = number
        self._sent_s = time.monotonic()
        self._attempt.started_ms = (self._sent_s - self._call.started_s) * 1e3
        self._engine.metering.begin(self._call.record, self._attempt)
        watch = self._watch = Watch(self._engine, self._prepared, self._head, self._sent_s)
        flight: Flight | None = None
        try:
            request, timeouts = self._outgoing(allowance_s)
            signer = self._prepared.way.door.signer
            if signer:
                request = await self._engine.signed(request, signer, timeouts.whole_s)
            flight = self._engine.transports[self._prepared.way.scheme].start(request, timeouts)
            self._answerer.watch(flight.abort)
            if others_left:
                watch.may_leave(flight)
            await flight.head()
            self._attempt.status = flight.status
            watch.head(flight)
            if not 200 <= flight.status < 300:
                await self._refuse(flight)
            if self._head.is_stream:
                await self._stream(flight, deadline_s)
            else:
                await self._whole(flight)
        except (UpstreamError, Malformed) as error:
            watch.failed(error.problem)
            return await self._failed(error)
        except asyncio.CancelledError:
            self._cut_short()
            raise
        finally:
            self._answerer.watch(None)
            if flight is not None:
                flight.close()
            self._end()
            watch.ended(self._attempt)
        return None

    def _outgoing(self, allowance_s: float) -> tuple[UpstreamRequest, Timeouts]:
        prepared, settings = self._prepared, self._engine.settings
        request = UpstreamRequest(method="POST", url=prepared.url, headers=prepared.headers, body=prepared.body)
        whole_s = allowance_s if allowance_s > MOMENT_S else MOMENT_S
        timeouts = Timeouts(
            connect_s=whole_s if whole_s < CONNECT_S else CONNECT_S,
            head_s=whole_s,
            idle_s=settings.idle_s if self._head.is_stream else whole_s,
            whole_s=whole_s,
        )
        return request, timeouts

    async def _refuse(self, flight: Flight) -> None:
        """An error status becomes the problem that its body tells."""
        body = await flight.read_all(self._engine.settings.answer_bytes_max)
        raise UpstreamError(self._prepared.way.dialect.parse_error(flight.status, flight.headers, body))

    async def _whole(self, flight: Flight) -> None:
        """A complete answer, read the same way as a stream."""
        body = await flight.read_all(self._engine.settings.answer_bytes_max)
        dialect, is_verbatim = self._prepared.way.dialect, self._prepared.lane == "verbatim"
        events = [dialect.tap(body)] if is_verbatim and dialect.tap is not None else dialect.parse_response(body)
        self._judge(events)
        dropped = self._prepared.dropped
        content_type = "application/json"
        if is_verbatim:
            content_type = flight.content_type() or content_type
        else:
            dropped = dropped.copy()
            body = self._call.dialect.render_response(events, self._reply_to(), dropped)
        self._book(events)
        if self._head.is_kept:
            self._keep(events[-1])
        self._attempt.ttft_ms = self._win(dropped)
        self._answerer.whole(body, content_type, self._attempt)

    async def _stream(self, flight: Flight, deadline_s: float) -> None:
        """A streamed answer: held back until its first event has parsed, then passed on as it comes."""
        if _is_whole(flight):
            await self._read_whole(flight)
            return
        passage = self._passage = Passage(self._prepared, self._call, self._reply_to())
        data, events = await self._first_events(flight, passage)
        if self._head.is_kept and events:
            self._keep(events[0])
        flight.limit(deadline_s - time.monotonic(), Outcome.SLOW)
        self._win(self._prepared.dropped)
        self._answerer.begin(self._stream_type(flight), self._attempt)
        lingers = False
        while True:
            if self._attempt.ttft_ms is None and any(map(_is_meaningful, events)):
                self._attempt.ttft_ms = self._watch.first()
            out = passage.write(data, events)
            if out:
                await self._answerer.more(out)
            if passage.failed is not None:
                raise _Told(passage.failed)
            if not data:
                break
            if self._call.holding is not None:
                self._call.holding.grow(passage.text_chars)
            if passage.finished is not None and not lingers:
                lingers = True
                flight.limit(LINGER_S, Outcome.OK)
            data = await flight.read()
            events = passage.read(data)
        self._finish_stream()

    async def _first_events(self, flight: Flight, passage: Passage) -> tuple[bytes, list[Event]]:
        """Everything up to the first event. Silence, headers and comments alone are no answer, however long."""
        held = b""
        while True:
            data = await flight.read()
            if not data and not held:
                raise Malformed("the answer is empty")
            events = passage.read(data)
            self._judge(events)
            held += data
            if events or not data:
                return held, events
            if len(held) > self._engine.settings.answer_bytes_max:
                raise Malformed(f"the answer has no event in {len(held)} bytes (answer_bytes_max)")

    async def _read_whole(self, flight: Flight) -> None:
        """An upstream that was asked for a stream and answered whole: its answer is rendered as the stream."""
        body = await flight.read_all(self._engine.settings.answer_bytes_max)
        events = self._prepared.way.dialect.parse_response(body)
        self._judge(events)
        self._win(self._prepared.dropped)
        self._answerer.begin(self._call.dialect.stream_type, self._attempt)
        self._attempt.ttft_ms = self._watch.first()
        renderer = self._call.dialect.stream_renderer(self._reply_to())
        await self._answerer.more(renderer.render(events))
        self._book(events)
        self._answerer.end()

    def _finish_stream(self) -> None:
        if self._passage is not None and self._passage.finished is not None:
            self._book([self._passage.finished])
        self._answerer.end()

    def _stream_type(self, flight: Flight) -> str:
        if self._prepared.lane == "verbatim":
            return flight.content_type() or self._call.dialect.stream_type
        return "application/json" if self._call.framing == "array" else self._call.dialect.stream_type

    def _keep(self, event: Event) -> None:
        """The upstream keeps this answer: its id belongs to the caller from now on, whatever becomes of the rest."""
        if not self._prepared.way.is_same or not isinstance(event, Started | Finished) or not event.id:
            return
        call, attempt = self._call, self._attempt
        call.record.minted = (minted(call, "response", event.id, attempt.provider, attempt.model),)
        if isinstance(event, Finished) and _is_pending(event):
            call.record.minted += (owing(call, event.id, attempt.provider, attempt.model),)
        self._engine.metering.minted.remember(call.record.minted)

    def _judge(self, events: list[Event]) -> None:
        """An error inside a good status is an error."""
        for event in events:
            if isinstance(event, Failed):
                raise UpstreamError(event.problem)

    def _win(self, dropped: set[str]) -> float:
        """This attempt's answer is the call's. Returns how many milliseconds it has taken so far."""
        self._watch.stays()
        call, now_s = self._call, time.monotonic()
        record = call.record
        if dropped:
            record.dropped = sorted(dropped)
        waited_ms = taken_ms = (now_s - self._sent_s) * 1e3
        for earlier in record.attempts:
            waited_ms += earlier.duration_ms
        record.overhead_ms = (now_s - call.started_s) * 1e3 - waited_ms
        return taken_ms

    def _book(self, events: list[Event]) -> None:
        """The usage that the answer reported."""
        for event in events:
            if isinstance(event, Finished):
                self._call.record.finish_reason = event.reason
                if _is_pending(event):
                    self._attempt.is_priced = False
                    return
                self._attempt.usage = event.usage
                self._attempt.usage_source = "provider_reported" if event.usage else "none"
        if self._attempt.usage is None:
            self._count()
        self._engine.metering.settle(self._attempt, self._prepared.way.deployment.prices)

    def _count(self) -> None:
        """What an answer without a report has probably consumed."""
        passage = self._passage
        reported = passage.usage if passage else None
        counted = estimate(len(self._prepared.body), passage.text_chars if passage else 0)
        if reported is not None and reported.output_tokens >= counted.output_tokens:
            self._attempt.usage, self._attempt.usage_source = reported, "provider_reported"
            return
        self._attempt.usage, self._attempt.usage_source = counted, "counted"

    async def _failed(self, error: HeadgateError) -> Problem | None:
        """Books the failure; tells the client if it has already begun to read this answer."""
        problem = error.problem
        attempt, record, passage = self._attempt, self._call.record, self._passage
        if passage is not None and passage.finished is not None and not isinstance(error, _Told):
            self._finish_stream()
            return None
        attempt.outcome, attempt.message = problem.outcome, problem.message
        if not self._answerer.is_committed:
            if passage is not None and passage.usage is not None:  # an error in place of an answer may be billed
                attempt.usage, attempt.usage_source = passage.usage, "provider_reported"
                self._engine.metering.settle(attempt, self._prepared.way.deployment.prices)
            return problem
        self._count()
        self._engine.metering.settle(attempt, self._prepared.way.deployment.prices)
        record.outcome, record.error = problem.outcome, problem.message
        if problem.outcome is not Outcome.CLIENT_GONE and passage is not None:
            if not isinstance(error, _Told):
                await self._answerer.more(passage.fail(problem))
            self._answerer.end()
        return None

    def _cut_short(self) -> None:
        """Books what was consumed before this process was stopped."""
        attempt = self._attempt
        attempt.outcome, attempt.message = Outcome.LOCAL, STOPPED
        self._count()
        self._engine.metering.settle(attempt, self._prepared.way.deployment.prices)

    def _end(self) -> None:
        """The attempt's line in the record."""
        record, attempt = self._call.record, self._attempt
        attempt.duration_ms = (time.monotonic() - self._sent_s) * 1e3
        record.attempts.append(attempt)
        record.cost_nano_usd += attempt.cost_nano_usd
        record.is_priced = record.is_priced and attempt.is_priced
        if self._answerer.is_committed:
            record.usage, record.usage_source = attempt.usage, attempt.usage_source
            record.ttft_ms = attempt.ttft_ms
            if self._passage is not None:
                record.dropped = sorted({*record.dropped, *self._passage.dropped})

    def _reply_to(self) -> ReplyTo:
        call, head = self._call, self._head
        return ReplyTo(
            id=call.id,
            model=head.model,
            now_s=call.record.started_us // 1_000_000,
            is_stream=head.is_stream,
            wants_usage=head.wants_usage,
            version=call.envelope.version,
            echo=self._prepared.request,
            framing=call.framing,
        )


class _Told(UpstreamError):
    """The answer's own error event has been passed on already."""


def _is_pending(end: Finished) -> bool:
    """Whether an answer has only been begun, in the background."""
    return end.usage is None and end.wire_reason in PENDING


def _is_whole(flight: Flight) -> bool:
    """Whether an upstream answered a streaming call with one JSON object."""
    return flight.content_type().startswith("application/json")


def _is_meaningful(event: Event) -> bool:
    return isinstance(event, PartDelta | PartStarted | Finished)
