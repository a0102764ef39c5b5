"""One attempt at talking to a model: whole answers and streams, in either lane."""

import time
from typing import Final

from headgate.core.events import Event, Failed, Finished, PartDelta, PartStarted, Started
from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.dialects.base import Dialect, Malformed, ReplyTo
from headgate.engine.call import reply_to
from headgate.engine.keepers import PENDING, minted, owing
from headgate.engine.lanes import Passage, Prepared
from headgate.engine.trial import LINGER_S, Told, Trial
from headgate.engine.trying import Trying
from headgate.policies.metering import estimate
from headgate.transport.base import Flight, UpstreamRequest

_FLOWING: Final = frozenset({"text", "tool_call", "refusal"})
"""Parts that come without long pauses once they have begun."""

_KINDS: Final = {"openai_chat": "chat_completion"}
"""By dialect, what an answer is called where it is kept; elsewhere it is a response."""

_WITHHELD: Final = Problem(
    kind="invalid_request",
    message="The provider's content filter withheld the answer.",
    outcome=Outcome.POLICY,
    code="content_filter",
)


class Attempting(Trial):
    """The state of one attempt."""

    __slots__ = ("_answerer", "_call", "_head", "_last", "_longest_s", "_passage", "_prepared", "said_s")

    def __init__(self, trying: Trying, prepared: Prepared, begun: Attempt | None = None) -> None:
        way = prepared.way
        attempt = begun or Attempt(
            number=0,
            provider=way.deployment.provider,
            model=way.deployment.model,
            dialect=way.dialect.name,
            lane=prepared.lane,
            price_version=trying.engine.metering.price_version,
        )
        super().__init__(trying, attempt, way.deployment, way.door)
        self._answerer = trying.answerer
        self._call = trying.call
        self._head = trying.head
        self._prepared = prepared
        self._last: Event | None = None
        self._longest_s = 0.0
        """The longest pause so far."""
        self._passage: Passage | None = None
        self.said_s = 0.0
        """When it last said something."""
        self.body_bytes = len(prepared.body)

    @property
    def dialect(self) -> Dialect:
        """The upstream's."""
        return self._prepared.way.dialect

    @property
    def _passes_on(self) -> bool:
        return self._head.is_stream

    def _request(self) -> UpstreamRequest:
        prepared = self._prepared
        return UpstreamRequest(method="POST", url=prepared.url, headers=prepared.headers, body=prepared.body)

    async def _answer(self, flight: Flight) -> None:
        if not self._head.is_stream:
            await self._whole(flight)
        elif _is_whole(flight):
            await self._read_whole(flight)
        else:
            await self._stream(flight)

    async def _whole(self, flight: Flight) -> None:
        """A complete answer, read the same way as a stream."""
        body = await flight.read_all(self.trying.engine.settings.answer_bytes_max)
        dialect, is_verbatim = self._prepared.way.dialect, self._prepared.lane == "verbatim"
        is_chat = self._head.is_kept and dialect.name in _KINDS  # its id stands at its beginning
        tap = dialect.tap if is_verbatim and not is_chat else None
        events = [tap(body)] if tap is not None else dialect.parse_response(body)
        self._judge(events)
        dropped = self._prepared.dropped
        content_type = "application/json"
        if is_verbatim:
            content_type = flight.content_type() or content_type
        else:
            dropped = dropped.copy()
            body = self._call.dialect.render_response(events, self.reply_to, dropped)
        self._book(events)
        if self._head.is_kept:
            self._keep(events[0 if is_chat else -1])
        self.attempt.ttft_ms = self._win(dropped)
        self._answerer.whole(body, content_type, self.attempt)

    async def _stream(self, flight: Flight) -> None:
        """A streamed answer: held back until it says something, then passed on as it comes."""
        passage = self._passage = self._opened()
        data, events = await self._first_events(flight, passage)
        self._win(self._prepared.dropped)
        self._bound(flight)
        if self._head.is_kept and events:
            self._keep(events[0])
        self._answerer.begin(self._stream_type(flight), self.attempt)
        await self._flow(flight, passage, data, events)

    def _opened(self) -> Passage:
        return Passage(self._prepared, self._call, self.reply_to)

    async def _flow(self, flight: Flight, passage: Passage, data: bytes, events: list[Event]) -> None:
        """The whole stream from its first word."""
        self.said_s, self._last = time.monotonic(), events[-1] if events else None
        flows = self.trying.engine.flows
        flows.add(self)
        try:
            await self._pass_on(flight, passage, data, events)
        finally:
            flows.discard(self)
        if self._longest_s and self.watch is not None:
            self.watch.ticket.member.gaps.ended(self._longest_s)
        self._finish()

    async def _pass_on(self, flight: Flight, passage: Passage, data: bytes, events: list[Event]) -> None:
        """Everything from there to the end."""
        lingers = False
        while True:
            if self.attempt.ttft_ms is None and any(map(_is_meaningful, events)):
                self.attempt.ttft_ms = self._first()
            out = passage.write(data, events)
            if out:
                await self._answerer.more(out)
            if passage.failed is not None:
                raise Told(passage.failed)
            if not data:
                break
            if self._call.holding is not None:
                self._call.holding.grow(passage.text_chars)
            if passage.finished is not None and not lingers:
                lingers = True
                flight.limit(LINGER_S, Outcome.OK)
            data = await flight.read()
            events = passage.read(data)
            if events:
                now_s, self._last = time.monotonic(), events[-1]
                if now_s - self.said_s > self._longest_s:
                    self._longest_s = now_s - self.said_s
                self.said_s = now_s

    @property
    def is_congested(self) -> bool:
        """Whether it is the client that keeps the stream waiting."""
        return self._answerer.is_congested

    @property
    def stall_s(self) -> float:
        """A longer pause just now is a stall: in the midst of words as its deployment has taught, while it thinks or
        does something else as for all."""
        usual_s, passage = self.trying.engine.settings.idle_s, self._passage
        is_flowing = isinstance(self._last, PartDelta) and passage is not None and passage.kind in _FLOWING
        if not is_flowing or self.watch is None:
            return usual_s
        return min(usual_s, self.watch.ticket.member.gaps.stall_s)

    async def _first_events(self, flight: Flight, passage: Passage) -> tuple[bytes, list[Event]]:
        """Everything up to the first event that says something. Silence, headers, comments and empty beginnings are no
        answer, however long: until then the call can go elsewhere. Of an answer that is kept, the beginning is: its
        id is what the caller comes back with."""
        held, events = b"", list[Event]()
        while True:
            data = await flight.read()
            if not data and not held:
                raise Malformed("the answer is empty")
            more = passage.read(data)
            self._judge(more)
            held += data
            events += more
            if not data or (events and self._head.is_kept) or any(map(_is_meaningful, more)):
                return held, events
            if len(held) > self.trying.engine.settings.answer_bytes_max:
                raise Malformed(f"the answer says nothing in {len(held)} bytes (answer_bytes_max)")

    async def _read_whole(self, flight: Flight) -> None:
        """An upstream that was asked for a stream and answered whole: its answer is rendered as the stream."""
        body = await flight.read_all(self.trying.engine.settings.answer_bytes_max)
        events = self._prepared.way.dialect.parse_response(body)
        self._judge(events)
        self._win(self._prepared.dropped)
        self._answerer.begin(self._call.dialect.stream_type, self.attempt)
        self.attempt.ttft_ms = self._first()
        renderer = self._call.dialect.stream_renderer(self.reply_to)
        await self._answerer.more(renderer.render(events))
        self._book(events)
        self._answerer.end()

    def _first(self) -> float | None:
        return None if self.watch is None else self.watch.first()

    @property
    def _is_finished(self) -> bool:
        return self._passage is not None and self._passage.finished is not None

    def _finish(self) -> None:
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
        call, attempt = self._call, self.attempt
        kind = _KINDS.get(attempt.dialect, "response")
        call.record.minted = (minted(call, kind, event.id, attempt.provider, attempt.model),)
        if isinstance(event, Finished) and _is_pending(event):
            call.record.minted += (owing(call, event.id, attempt.provider, attempt.model),)
        self.trying.engine.metering.minted.remember(call.record.minted)

    def _judge(self, events: list[Event]) -> None:
        """An error inside a good status is an error; so is an answer that was withheld, where the operator has said
        where else to ask."""
        for event in events:
            if isinstance(event, Failed):
                raise UpstreamError(event.problem)
            if isinstance(event, Finished) and event.reason == "content_filter" and self.trying.goes_on_after_policy:
                self._book([event])
                raise UpstreamError(_WITHHELD)

    def _book(self, events: list[Event]) -> None:
        """The usage that the answer reported."""
        for event in events:
            if isinstance(event, Finished):
                if self.has_won or not self.trying.winner:
                    self._call.record.finish_reason = event.reason
                if _is_pending(event):
                    self.attempt.is_priced = False
                    return
                self.attempt.usage = event.usage
                self.attempt.usage_source = "provider_reported" if event.usage else "none"
        if self.attempt.usage is None:
            self._count()
        self._settle()

    def _count(self) -> None:
        """What an answer without a report has probably consumed."""
        passage = self._passage
        reported = passage.usage if passage else None
        counted = estimate(len(self._prepared.body), passage.text_chars if passage else 0)
        if reported is not None and reported.output_tokens >= counted.output_tokens:
            self.attempt.usage, self.attempt.usage_source = reported, "provider_reported"
            return
        self.attempt.usage, self.attempt.usage_source = counted, "counted"

    def _book_part(self) -> None:
        self._count()
        self._settle()

    def _book_told(self) -> None:
        if self._passage is not None and self._passage.usage is not None:
            self.attempt.usage, self.attempt.usage_source = self._passage.usage, "provider_reported"
            self._settle()

    def _settle(self) -> None:
        self.trying.engine.metering.settle(self.attempt, self.deployment.prices)

    async def _break_off(self, error: HeadgateError) -> None:
        passage, problem = self._passage, error.problem
        if problem.outcome is not Outcome.CLIENT_GONE and passage is not None:
            if not isinstance(error, Told):
                await self._answerer.more(passage.fail(problem))
            self._answerer.end()

    def _end(self) -> None:
        super()._end()
        if self.has_won and self._passage is not None:
            record = self._call.record
            record.dropped = sorted({*record.dropped, *self._passage.dropped})

    @property
    def reply_to(self) -> ReplyTo:
        """Whom the answer is for."""
        return reply_to(self._call, self._head, self._prepared.request)


def _is_pending(end: Finished) -> bool:
    """Whether an answer has only been begun, in the background."""
    return end.usage is None and end.wire_reason in PENDING


def _is_whole(flight: Flight) -> bool:
    """Whether an upstream answered a streaming call with one JSON object."""
    return flight.content_type().startswith("application/json")


def _is_meaningful(event: Event) -> bool:
    return isinstance(event, PartDelta | PartStarted | Finished)
