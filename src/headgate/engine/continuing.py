"""An answer that breaks off in the midst of its words, and the attempt that finishes it at another deployment.

The client reads one answer: its id, its form and the place of its words stay those of the first. Where nobody can go
on, it ends with the error that it would have ended with anyway.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted
from headgate.core.problems import ClientError, HeadgateError, Outcome, Problem
from headgate.core.record import Attempt
from headgate.core.usage import Usage
from headgate.dialects.base import ReplyTo
from headgate.engine.attempt import Attempting
from headgate.engine.call import Call
from headgate.engine.lanes import Passage, Prepared, prepare
from headgate.engine.trying import Trying
from headgate.policies.metering import CHARS_PER_TOKEN
from headgate.providers.catalog import Deployment
from headgate.routing.continuing import Continuation, Seam, continued, is_same_model
from headgate.routing.plan import Route
from headgate.transport.base import Flight

_BREAKS: Final = frozenset({Outcome.CUT, Outcome.STALL, Outcome.SERVER, Outcome.OVERLOAD, Outcome.PROTOCOL})
"""Ends that another deployment can make good."""
_SSE: Final = "text/event-stream"


class Words(Passage):
    """The passage of an answer that may have to go on elsewhere: knows what it has said, and holds its failure back."""

    def __init__(self, prepared: Prepared, call: Call, reply_to: ReplyTo) -> None:
        super().__init__(prepared, call, reply_to)
        self.part: int | None = None
        """The open one; None: nothing can go on."""
        self._is_plain = True
        self._texts: list[str] = []

    @property
    def said(self) -> str:
        """All its words."""
        return "".join(self._texts)

    def read(self, data: bytes) -> list[Event]:
        """The events of what was read."""
        events = super().read(data)
        for event in events:
            match event:
                case PartDelta(_, text):
                    self._texts.append(text)
                case PartStarted(kind="text", choice=0) if self._is_plain and self.part is None:
                    self.part = event.index
                case PartStarted() | PartEnded() | Opaque():
                    self._is_plain, self.part = False, None
                case _:
                    pass
        return events

    def write(self, data: bytes, events: Sequence[Event]) -> bytes:
        """What the client gets for it, but for the failure: it may be made good."""
        return super().write(data, [event for event in events if not isinstance(event, Failed)])


class Rest(Passage):
    """The passage of the rest: its words become more of the part that was open."""

    def __init__(self, prepared: Prepared, attempt: "Continuing", words: Words, part: int) -> None:
        super().__init__(prepared, attempt.trying.call, attempt.reply_to)
        self.renderer = words.renderer  # the same answer goes on
        self._attempt = attempt
        self._part = part
        self._parts: set[int] = set()

    def read(self, data: bytes) -> list[Event]:
        """The events of what was read, as they follow what was said."""
        return [each for event in super().read(data) for each in self._following(event)]

    def _following(self, event: Event) -> Sequence[Event]:
        match event:
            case PartStarted(index=index, kind="text", choice=0):
                self._parts.add(index)
            case PartDelta(index, text) if index in self._parts:
                joined = self._attempt.seam.join(text)
                return (PartDelta(self._part, joined),) if joined else ()
            case PartStarted(kind="reasoning") | Opaque():
                self._attempt.left_out(event.name if isinstance(event, Opaque) else "reasoning")
            case PartStarted():
                self.failed = Problem(kind="upstream", message="what goes on are no words", outcome=Outcome.PROTOCOL)
                return (Failed(self.failed),)
            case Finished():
                held = self._attempt.seam.close()
                last = (PartDelta(self._part, held),) if held else ()
                usage = self._attempt.together(event.usage)
                end = structs.replace(event, usage=usage, extras={})
                return (*last, PartEnded(index=self._part), end)
            case Failed():
                return (event,)
            case _:
                pass
        return ()


class Breakable(Attempting):
    """An attempt whose answer may be finished by another one."""

    __slots__ = ("_broken", "_next", "_route")

    def __init__(self, trying: Trying, prepared: Prepared, route: Route) -> None:
        super().__init__(trying, prepared)
        self._route = route
        self._broken: Problem | None = None
        self._next: Continuing | None = None

    def _opened(self) -> Passage:
        return Words(self._prepared, self._call, self.reply_to)

    async def _break_off(self, error: HeadgateError) -> None:
        passage = self._passage
        if isinstance(passage, Words) and passage.part is not None and error.problem.outcome in _BREAKS:
            self._broken = error.problem
            self.trying.after = self._go_on
        else:
            await self._end_broken(error.problem)

    async def _go_on(self) -> None:
        """This attempt is over, and the answer is not."""
        trying, problem = self.trying, self._broken
        send = None if self._answerer.is_gone else trying.onward(self._fits)
        if send is not None and self._next is not None:
            await trying.carry_on(send, self._next)
            if self._next.has_won:
                return
        if problem is not None:
            await self._end_broken(problem)

    async def _end_broken(self, problem: Problem) -> None:
        passage = self._passage
        if passage is not None and problem.outcome is not Outcome.CLIENT_GONE and not self._answerer.is_gone:
            await self._answerer.more(passage.fail(problem))
            self._answerer.end()

    def _fits(self, deployment: Deployment) -> bool:
        """Whether the rest can be asked for there."""
        passage, request, route = self._passage, self._prepared.request, self._route
        if not isinstance(passage, Words) or passage.part is None or request is None:
            return False
        if route.on_cut == "continue" and not is_same_model(self.deployment, deployment):
            return False
        hows: dict[str, Continuation] = {each.deployment.id: each.continuation for each in route.targets}
        how = hows.get(deployment.id, "user_turn")
        more = continued(request, passage.said, -(-len(passage.said) // CHARS_PER_TOKEN), how)
        if more is None:
            return False
        call = self._call
        way = self.trying.engine.way(deployment, call.dialect, is_stream=True)
        if way.dialect is not self.dialect and self.dialect is call.dialect:
            return False  # the client is told of this answer in its own words, which no other dialect's end has
        try:
            prepared = prepare(call, way, more)
        except ClientError:
            return False
        self._next = Continuing(self, prepared, passage, how)
        return True


class Continuing(Attempting):
    """The attempt that finishes an answer."""

    __slots__ = ("_begun", "_left_out", "_words", "seam")

    def __init__(self, first: Breakable, prepared: Prepared, words: Words, how: Continuation) -> None:
        super().__init__(first.trying, prepared)
        self._begun: Attempt = first.attempt
        self._words = words
        self._left_out: set[str] = set()
        self.seam = Seam(words.said, how)

    def left_out(self, name: str) -> None:
        """Something that the rest has said and the client is not told."""
        self._left_out.add(name)

    def together(self, usage: Usage | None) -> Usage | None:
        """What the whole answer has used: its prompt once, and the words of both."""
        first = self._begun.usage
        if first is None or usage is None:
            return first
        return structs.replace(
            first,
            output_tokens=first.output_tokens + usage.output_tokens,
            reasoning_tokens=first.reasoning_tokens + usage.reasoning_tokens,
            is_estimated=True,
        )

    async def _stream(self, flight: Flight) -> None:
        part = self._words.part
        if part is None:  # it was asked before
            return
        passage = self._passage = Rest(self._prepared, self, self._words, part)
        data, events = await self._first_events(flight, passage)
        self.trying.winner = self.attempt.number
        record = self._call.record
        record.outcome, record.error = Outcome.OK, ""
        if self.watch is not None:
            self.watch.stays()
        self._bound(flight)
        if self._call.dialect.stream_type.startswith(_SSE) and self._call.framing == "sse":
            await self._answerer.more(b": headgate-continued %b\n\n" % self.deployment.id.encode())
        await self._flow(flight, passage, data, events)

    def _end(self) -> None:
        record, attempt = self._call.record, self.attempt
        ttft_ms = record.ttft_ms
        super()._end()
        record.ttft_ms = ttft_ms
        if not self.has_won:
            return
        usage = attempt.usage
        record.usage, record.usage_source = self.together(usage), "counted"
        if usage is not None:
            again = Usage(input_tokens=usage.input_tokens, cached_tokens=usage.cached_tokens)
            prompt_nano = min(self.trying.engine.metering.most(self.deployment, again), attempt.cost_nano_usd)
            record.extra_nano_usd += prompt_nano
        record.charge_nano_usd = record.cost_nano_usd - record.extra_nano_usd
        record.dropped = sorted({*record.dropped, *self._prepared.dropped, *self._left_out})
