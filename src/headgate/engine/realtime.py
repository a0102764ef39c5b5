"""One live session: a client's WebSocket joined to a provider's, both ways at their own pace, and read as it passes.

The session is a call of its own, whose record says how long it lasted and how it ended. Each answer of the model, and
each transcript of what the caller said, is another, written down as soon as it is over: so what was used is booked
once, however the session ends. Must not know how a client's socket came to be.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from msgspec import Struct, structs

from headgate.core.needs import NO_WISHES
from headgate.core.principal import Principal
from headgate.core.problems import ClientError, MissingAbility, Outcome, Problem, Unpriced, UpstreamError
from headgate.core.record import Attempt, CallRecord, UsageSource
from headgate.core.usage import Usage
from headgate.dialects import realtime
from headgate.dialects.base import Malformed
from headgate.dialects.registry import DIALECTS
from headgate.engine.admitting import enter
from headgate.engine.call import Call
from headgate.engine.candidates import NO_DEMAND, Wanted, caller_of, meant, meant_only
from headgate.engine.trial import STOPPED
from headgate.engine.trying import attempt_lines
from headgate.engine.watching import report
from headgate.policies.metering import CHARS_PER_TOKEN
from headgate.providers.catalog import Deployment, Door
from headgate.routing.fleet import Heard
from headgate.routing.plan import Asked
from headgate.routing.verdicts import RULES, summary
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.sockets import Refusal
from headgate.transport.websocket import Message, SocketBounds, WebSocket

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

OPEN_S: Final = 10.0
"""How long a provider may take to open a session."""
OPERATION: Final = "realtime"
ANSWERS_MAX: Final = 64
"""Of one session at a time, that are followed from their beginning."""
ANSWER: Final = "realtime_response"
TRANSCRIPT: Final = "realtime_transcription"
NORMAL, GOING_AWAY, CUT, POLICY_VIOLATION = 1000, 1001, 1006, 1008

_AUDIO_CHARS_PER_TOKEN: Final = {"audio/pcm": 3200, "pcm16": 3200, "": 3200}
"""Of base64: a token is 50 ms of what a model says, and PCM is 16 bits at 24 kHz. Other formats are 8 bits at 8 kHz.
https://platform.openai.com/docs/guides/realtime-costs (2026-11)"""
_AUDIO_CHARS_PER_TOKEN_8K: Final = 533
_ERRORS: Final = DIALECTS["openai_chat"]


class Wish(Struct, frozen=True, kw_only=True):
    """What a client asks to be joined to."""

    model: str
    """As the client names it."""
    intent: str = ""
    """`transcription`: the provider is asked for such a session, and not for the model."""
    headers: tuple[tuple[str, str], ...] = ()
    """The client's own header fields that travel on."""
    session: bytes = b""
    """An event that sets the session up before the client says anything; empty: none."""


class _Answer(Struct):
    """An answer under way."""

    record: CallRecord
    """Of which the journal has the beginning."""
    began_s: float
    status: str = "cut"
    ttft_ms: float | None = None
    text_chars: int = 0
    audio_chars: int = 0


class Session:
    """Opened by `open`, then joined to a client by `join`, and in any case ended by `end`."""

    def __init__(self, engine: "Engine", call: Call, wish: Wish, bounds: SocketBounds) -> None:
        self._engine = engine
        self._call = call
        self._wish = wish
        self._bounds = bounds
        self._upstream: WebSocket | None = None
        self._deployment: Deployment | None = None
        self._attempt: Attempt | None = None
        self._began_s = 0.0
        self._answers: dict[str, _Answer] = {}
        """Those under way: by default one, but a client may ask for more beside the conversation."""
        self._parts = 0
        self._context_tokens = 0
        """Of the last answer: what the next one is billed for at least."""
        self._transcriber = self._audio_format = ""
        call.record.surface, call.record.operation = realtime.NAME, OPERATION
        call.record.model, call.record.is_stream = wish.model, True
        call.record.session = call.record.session or call.id

    # Opening

    async def open(self) -> None:
        """Opens the provider's side. Raises `ClientError`, or `UpstreamError` when every provider has failed."""
        record, problems = self._call.record, list[Problem]()
        enter(self._engine, self._call)
        for number, deployment in enumerate(await self._candidates(), 1):
            attempt = self._begin(number, deployment)
            try:
                self._upstream = await self._opened(deployment, attempt)
            except (UpstreamError, ClientError) as error:
                problem = error.problem
                attempt.outcome, attempt.message = problem.outcome, problem.message
                self._report(problem)
                self._close_attempt()
                problems.append(problem)
                if RULES[problem.outcome].is_callers:
                    break
                continue
            self._report()
            if self._wish.session:
                self._upstream.send(Message(self._wish.session))
            return
        problem = summary(problems, is_late=False)
        metadata: dict[str, object] = {"request_id": record.id, "attempts": list(attempt_lines(record))}
        raise UpstreamError(structs.replace(problem, metadata=metadata, raw=b""))

    async def _candidates(self) -> tuple[Deployment, ...]:
        """In order. Waits its turn where all of them want rest."""
        engine, record = self._engine, self._call.record
        wanted = live_wanted(engine, self._call.principal, self._wish.model)
        choice = engine.at_once(wanted)
        if choice is None:
            choice, _ = await engine.lines.wait(self._call, None, wanted)
        chosen = choice.plan
        record.route = "model" if chosen.route.is_direct else chosen.route.name
        record.strategy = chosen.route.strategy
        record.candidates = [each.id for each in chosen.deployments]
        return chosen.deployments

    def _begin(self, number: int, deployment: Deployment) -> Attempt:
        """The journal's line, before anything goes out."""
        engine, call = self._engine, self._call
        record = call.record
        self._began_s, self._deployment = time.monotonic(), deployment
        started_ms = (self._began_s - call.started_s) * 1e3
        self._attempt = attempt = Attempt(
            number=number,
            provider=deployment.provider,
            model=deployment.model,
            dialect=realtime.NAME,
            lane="verbatim",
            started_ms=started_ms,
            price_version=engine.metering.price_version,
        )
        engine.metering.begin(record, attempt)
        return attempt

    async def _opened(self, deployment: Deployment, attempt: Attempt) -> WebSocket:
        engine, door = self._engine, deployment.realtime
        if door is None or engine.sockets is None:  # `_candidates` has left out the former, wiring sets the latter
            raise MissingAbility(param="model")
        url = address(door, deployment.model, self._wish.intent)
        request = UpstreamRequest(method="GET", url=url, headers=(*self._wish.headers, *door.headers))
        request = await engine.signed(request, door.signer, OPEN_S)
        opened = await engine.sockets.open(request, Timeouts(head_s=OPEN_S), self._bounds)
        attempt.status = opened.status if isinstance(opened, Refusal) else 101
        if isinstance(opened, Refusal):
            raise UpstreamError(_ERRORS.parse_error(opened.status, opened.headers, opened.body))
        return opened

    # Joining

    @property
    def fields(self) -> Mapping[str, str]:
        """Header fields that tell the client whom it is joined to."""
        attempt, call_id = self._attempt, self._call.id
        about = {"x-request-id": call_id, "x-headgate-request-id": call_id}
        if attempt is not None:
            about |= {"x-headgate-provider": attempt.provider, "x-headgate-attempts": str(attempt.number)}
        return about

    async def join(self, client: WebSocket, still_good: Callable[[], Awaitable[bool]]) -> None:
        """Relays until either side is over; then so is the other. `still_good`: whether the caller's key is."""
        upstream = self._upstream
        if upstream is None:
            return
        self._call.record.status = 101
        # Whoever is gone must not wait for messages that nobody takes
        client.on_leaving(lambda: upstream.abort() if upstream.is_congested else None)
        upstream.on_leaving(lambda: client.abort() if client.is_congested else None)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay_up(client, upstream))
            group.create_task(self._relay_down(client, upstream, still_good))

    async def _relay_up(self, client: WebSocket, upstream: WebSocket) -> None:
        asked, model = self._wish.model, self._deployment.model if self._deployment else ""
        while (message := await client.receive()) is not None:
            if message.is_text and asked != model:
                message = Message(realtime.with_model(message.data, asked, model))
            upstream.send(message)
            if upstream.is_congested:
                await upstream.drained()
        if not upstream.is_over:
            self._conclude(*_by_client(client))
            upstream.close(GOING_AWAY if client.close_code == CUT else client.close_code, client.close_reason)

    async def _relay_down(
        self, client: WebSocket, upstream: WebSocket, still_good: Callable[[], Awaitable[bool]]
    ) -> None:
        record = self._call.record
        while (message := await upstream.receive()) is not None:
            is_end = message.is_text and self._observe(message.data)
            client.send(message)
            record.streamed_bytes += len(message.data)
            client.busy(is_busy=bool(self._answers))
            if client.is_congested:
                await client.drained()
            if is_end and not await still_good():
                client.close(POLICY_VIOLATION, "the key is not good any more, or its budget is used up")
        if not client.is_over:
            self._conclude(*_by_upstream(upstream))
            if record.outcome is not Outcome.OK:
                self._report(Problem(kind="upstream", message=record.error, outcome=record.outcome))
            reason = upstream.close_reason or ("the provider's connection ended" if upstream.close_code == CUT else "")
            client.close(upstream.close_code, reason)

    def _conclude(self, outcome: Outcome, words: str) -> None:
        """How the session ended, by whoever ended it."""
        record, attempt = self._call.record, self._attempt
        record.outcome, record.error = outcome, words or record.error
        if attempt is not None:
            attempt.outcome, attempt.message = outcome, words

    def _report(self, problem: Problem | None = None) -> None:
        """What came of asking for a session, or of the session, for whoever chooses where the next ones go."""
        if self._deployment is not None:
            outcome = Outcome.OK if problem is None else problem.outcome
            report(self._engine, self._deployment, Heard(outcome=outcome, sent_s=self._began_s, problem=problem))

    # Accounting

    def end(self, problem: Problem | None = None) -> None:
        """Books what is still open, once; `problem` if it never came to a session."""
        record = self._call.record
        if self._upstream is not None and not self._upstream.is_over:
            self._upstream.close(GOING_AWAY)
        if problem is not None:
            record.outcome, record.error = problem.outcome, problem.message
            record.status = record.status or problem.http_status
        outcome = record.outcome if record.outcome is not Outcome.OK else Outcome.CLIENT_GONE
        while self._answers:
            self._book_answer(self._answers.popitem()[1], None, outcome, record.error)
        self._close_attempt()
        record.duration_ms = (time.monotonic() - self._call.started_s) * 1e3
        self._engine.metering.call_ended(record)

    def _close_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.duration_ms = (time.monotonic() - self._began_s) * 1e3
            self._call.record.attempts.append(attempt)

    def _observe(self, data: bytes) -> bool:
        """What a message of the provider means for the books; whether it ends an answer."""
        try:
            event = realtime.read_event(data)
        except Malformed as error:
            self._call.record.error = str(error)
            return False
        match event:
            case realtime.Begun(id):
                if len(self._answers) < ANSWERS_MAX:
                    self._answers[id] = self._begun()
            case realtime.Told():
                self._told(event)
            case realtime.Ended():
                self._ended(event)
                return True
            case realtime.Heard():
                self._heard(event)
            case realtime.Session(transcriber, audio_format):
                self._transcriber, self._audio_format = transcriber, audio_format
            case realtime.Wrong(problem):
                self._call.record.error = problem.message
            case None:
                pass
        return False

    def _told(self, event: realtime.Told) -> None:
        answer = self._answers.get(event.response_id)
        if answer is not None:
            answer.text_chars += event.text_chars
            answer.audio_chars += event.audio_chars
            if answer.ttft_ms is None:
                answer.ttft_ms = (time.monotonic() - answer.began_s) * 1e3

    def _ended(self, event: realtime.Ended) -> None:
        answer = self._answers.pop(event.response_id, None)
        if answer is None:
            answer = self._begun()
        answer.status = event.status
        outcome = Outcome.SERVER if event.status == "failed" else Outcome.OK
        self._book_answer(answer, event.usage, outcome, event.reason)

    def _book_answer(self, answer: _Answer, usage: Usage | None, outcome: Outcome, words: str) -> None:
        source: UsageSource = "provider_reported"
        if usage is None:
            usage, source = self._counted(answer), "counted"
        self._context_tokens = usage.total_tokens
        record = answer.record
        record.duration_ms = (time.monotonic() - answer.began_s) * 1e3
        record.ttft_ms, record.outcome, record.error = answer.ttft_ms, outcome, words
        record.finish_reason = answer.status
        self._book(record, usage, source, self._deployment.model if self._deployment else "")

    def _counted(self, answer: _Answer) -> Usage:
        """What an answer without a report has probably consumed: what was told of it, and what came before it."""
        per_token = _AUDIO_CHARS_PER_TOKEN.get(self._audio_format, _AUDIO_CHARS_PER_TOKEN_8K)
        audio, text = -(-answer.audio_chars // per_token), -(-answer.text_chars // CHARS_PER_TOKEN)
        return Usage(
            input_tokens=self._context_tokens,
            output_tokens=audio + text,
            output_audio_tokens=audio,
            is_estimated=True,
        )

    def _heard(self, event: realtime.Heard) -> None:
        """Speech is written down by a model that has a price of its own; one that is billed by time has none here."""
        record = self._part(TRANSCRIPT, self._transcriber)
        self._book(record, event.usage, "provider_reported" if event.usage else "none", self._transcriber)

    def _begun(self) -> _Answer:
        return _Answer(self._part(ANSWER, self._deployment.model if self._deployment else ""), time.monotonic())

    def _part(self, operation: str, model: str) -> CallRecord:
        """A record of something within the session, and the journal's line of its beginning."""
        whole = self._call.record
        self._parts += 1
        record = CallRecord(
            id=f"{whole.id}-{self._parts}",
            started_us=time.time_ns() // 1000,
            key_id=whole.key_id,
            surface=whole.surface,
            operation=operation,
            model=whole.model,
            is_stream=True,
            user=whole.user,
            session=whole.session,
            tags=whole.tags,
            route=whole.route,
            status=101,
        )
        attempt = self._attempt_of(record, model)
        self._engine.metering.begin(record, attempt)
        return record

    def _attempt_of(self, record: CallRecord, model: str) -> Attempt:
        """The only attempt of something within the session."""
        return Attempt(
            number=1,
            provider=self._deployment.provider if self._deployment else "",
            model=model,
            dialect=realtime.NAME,
            lane="verbatim",
            ttft_ms=record.ttft_ms,
            duration_ms=record.duration_ms,
            outcome=record.outcome,
            status=101,
            message=record.error,
            price_version=self._engine.metering.price_version,
        )

    def _book(self, record: CallRecord, usage: Usage | None, source: UsageSource, model: str) -> None:
        metering, deployment = self._engine.metering, self._deployment
        if deployment is None:
            return
        attempt = self._attempt_of(record, model)
        attempt.usage, attempt.usage_source, attempt.is_priced = usage, source, usage is not None
        metering.settle(attempt, deployment.prices)
        record.attempts = [attempt]
        record.usage, record.usage_source = usage, source
        record.cost_nano_usd, record.is_priced = attempt.cost_nano_usd, attempt.is_priced
        metering.call_ended(record)


def live_wanted(engine: "Engine", principal: Principal, model: str) -> Wanted:
    """Where a model can be spoken to live. Raises a `ClientError` that says what to change."""
    named = meant(engine, principal, model, NO_WISHES, partial(caller_of, principal))
    able = meant_only(named, lambda each: each.realtime is not None)
    if not able.routes:
        there = sorted(name for name, each in engine.directory.providers.items() if each.realtime is not None)
        told = f"Realtime is spoken by {', '.join(there)}" if there else "No provider with realtime is configured"
        asked = ", ".join(target.deployment.id for route in named.routes for target in route.targets)
        raise MissingAbility(f"{asked} cannot be spoken to live. {told}.", param="model")
    metering = engine.metering
    if metering.refuses_unpriced:
        able = meant_only(able, lambda each: metering.is_priced(each.prices, each.model))
        if not able.routes:
            raise Unpriced(param="model")
    asked_now = Asked(now_s=time.monotonic(), dice=engine.dice, quoting=metering.quote, is_stream=True)
    return Wanted(able, able.routes, NO_WISHES, NO_DEMAND, asked_now)


def address(door: Door, model: str, intent: str) -> str:
    """Where a session is opened: https://platform.openai.com/docs/guides/realtime-websocket (2026-11)."""
    query = urlencode({"intent": intent}) if intent else f"model={quote(model, safe='')}"
    return door.url(f"/realtime?{query}", model)


def _by_client(client: WebSocket) -> tuple[Outcome, str]:
    if not client.is_left:
        return Outcome.LOCAL, client.close_reason or STOPPED
    return (Outcome.CLIENT_GONE, "") if client.close_code == CUT else (Outcome.OK, "")


def _by_upstream(upstream: WebSocket) -> tuple[Outcome, str]:
    code = upstream.close_code
    if code == CUT:
        return Outcome.CUT, "the provider's connection ended without a close"
    if not upstream.is_left:
        return Outcome.STALL, upstream.close_reason
    is_good = code in (NORMAL, GOING_AWAY, 1005) or 4000 <= code < 5000
    words = f"the provider closed the session: {code} {upstream.close_reason}".rstrip()
    return (Outcome.OK, "" if code == NORMAL else words) if is_good else (Outcome.SERVER, words)
