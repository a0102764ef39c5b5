"""Conducts calls: what they all share, and how one that talks to a model is asked of each of its deployments."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec import Struct

from headgate.core.problems import HeadgateError, InvalidRequest, Outcome, Problem, UpstreamError
from headgate.core.request import Request
from headgate.core.signatures import has_seals
from headgate.dialects.base import Dialect, Head, PromptMark
from headgate.engine.admitting import admitted, foreseen_in_chat
from headgate.engine.answer import Answerer
from headgate.engine.attempt import Attempting
from headgate.engine.call import Call
from headgate.engine.candidates import Choice, Full, Wanted, want
from headgate.engine.continuing import Breakable
from headgate.engine.draining import Drains
from headgate.engine.effects import has_effects
from headgate.engine.exchange import Exchange
from headgate.engine.keepers import keeper_of
from headgate.engine.lanes import Prepared, Way, prepare, way
from headgate.engine.own import OwnThings
from headgate.engine.plain import PlainCalls
from headgate.engine.reusing import Question, Reuse
from headgate.engine.stalling import Flow
from headgate.engine.sticking import shared_prompt_key
from headgate.engine.straight import Straight
from headgate.engine.trial import STOPPED, waited_ms
from headgate.engine.trying import Trying
from headgate.engine.waiting import Lines
from headgate.policies.metering import Metering
from headgate.providers.catalog import Deployment
from headgate.routing.budgets import Efficacy, Purse, RetryBudget
from headgate.routing.continuing import may_be_continued
from headgate.routing.course import Means
from headgate.routing.fleet import Fleet
from headgate.routing.names import Directory, find_route
from headgate.routing.plan import Route
from headgate.transport.base import Signer, Transport, UpstreamRequest
from headgate.transport.sockets import Sockets

_log = logging.getLogger("headgate")
_ROUTES_MAX = 4096


class Settings(Struct, frozen=True, kw_only=True):
    """Bounds on every call."""

    answer_bytes_max: int = 64 * 1024 * 1024
    """Of a whole answer, and of the body of an upstream's error."""
    head_s: float = 60.0
    """How long a stream's first event may take while another candidate is left."""
    whole_s: float = 300.0
    """How long a whole answer may take while another candidate is left."""
    idle_s: float = 120.0
    """How long a stream may be silent."""
    keeper: str = ""
    """The provider that keeps files and batches where the call names none; empty: the only one that can."""
    passing: frozenset[str] = frozenset()
    """Providers that calls may be passed through to, by keys that are allowed it."""
    passes_unknown_ids: bool = False
    """Whether a call may refer to what was not made here; every caller then reaches all that the account keeps."""


class Engine:
    """Serves calls. Holds what all calls share; the directory is swapped whole when the configuration changes."""

    def __init__(
        self,
        directory: Directory,
        transports: Mapping[str, Transport],
        metering: Metering,
        settings: Settings | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.directory = directory
        self.signers: Mapping[str, Signer] = {}
        """By the name that a door gives; the directory's, and replaced together with it."""
        self.sockets: Sockets | None = None
        """Opens live sessions; None: this engine has none."""
        self._means: dict[str, Means] = {}
        self._routes: dict[str, Route] = {}
        self._ways: dict[tuple[str, str, str, bool], Way] = {}
        self.reuse: Reuse | None = None
        """The answers that may be used again, where any route wants that."""
        self.own: OwnThings | None = None
        """The files and batches of the gateway itself, where it keeps any."""
        self.transports = transports
        self.metering = metering
        self.settings = settings or Settings()
        self.dice = dice
        self.fleet = Fleet()
        """What is known of the deployments in use."""
        self.flows: set[Flow] = set()
        """The streams that clients read just now."""
        self.plain = PlainCalls(self)
        self.drains = Drains()
        """The answers that are read on though their callers have left."""
        self.lines = Lines(self)
        """Who waits until somebody may be asked."""

    def route(self, name: str) -> Route:
        """What a model's name means; remembered, since callers ask for the same few. Raises `UnknownModel`."""
        route = self._routes.get(name)
        if route is None:
            route = find_route(self.directory, name)
            if len(self._routes) >= _ROUTES_MAX:
                self._routes.clear()
            self._routes[name] = route
        return route

    def way(self, deployment: Deployment, client: Dialect, *, is_stream: bool) -> Way:
        """How callers of a dialect reach a deployment; remembered likewise."""
        name = (deployment.provider, deployment.model, client.name, is_stream)
        found = self._ways.get(name)
        if found is None:
            if len(self._ways) >= _ROUTES_MAX:
                self._ways.clear()
            found = self._ways[name] = way(deployment, client, is_stream=is_stream)
        return found

    async def signed(self, request: UpstreamRequest, signer: str, within_s: float) -> UpstreamRequest:
        """The request as it may be sent. A credential that cannot be had is the upstream's failure."""
        if not signer:
            return request
        try:
            async with asyncio.timeout(within_s):
                return await self.signers[signer].sign(request)
        except TimeoutError:
            told = f"the credential of {signer} did not come within {within_s:g} s"
            raise UpstreamError(Problem(kind="upstream", message=told, outcome=Outcome.SLOW)) from None

    def means(self, route: Route) -> Means:
        """What the calls of a route share to pay second attempts with."""
        found = self._means.get(route.name)
        if found is None:
            if len(self._means) >= _ROUTES_MAX:
                self._means.clear()
            found = self._means[route.name] = Means(RetryBudget(), Purse(route.hedge_share), Efficacy())
        return found

    async def serve(self, call: Call, exchange: Exchange) -> None:
        """Answers one call, whatever happens: an answer, or an error in the caller's dialect. Never raises."""
        await conducted(self, call, exchange, self._talk)

    async def _talk(self, call: Call, answerer: Answerer) -> None:
        head = call.head or call.dialect.peek(call.body, call.envelope)
        call.record.model, call.record.is_stream = head.model, head.is_stream
        if head.refers:
            call.keeper = await keeper_of(self, call.principal, head.refers)
        wanted = want(self, call, head)
        question: Question | None = None
        if self.reuse is not None and wanted.routes[0].caching is not None:
            question = self.reuse.question(call, head, wanted.routes, wanted.deployments)
        limits = self.metering.limits.allowance(call.principal.key_id)
        if limits is not None or call.cost_nano_usd_max is not None:
            foreseen = foreseen_in_chat(call.body, head.max_tokens, is_stream=head.is_stream)
            wanted = wanted.only(admitted(self, call, limits, wanted.deployments, foreseen))
        if question is None or self.reuse is None:
            await self._ask(call, head, wanted, answerer)
        else:
            await self.reuse.answer(question, answerer, partial(self._ask, call, head, wanted))

    async def _ask(self, call: Call, head: Head, wanted: Wanted, answerer: Answerer) -> None:
        """Asks those that may answer."""
        choice, turn = self.at_once(wanted), None
        if choice is None:
            choice, turn = await self.lines.wait(call, answerer, wanted)
        else:
            self.plain.remember(call, head, wanted, choice)
        trying = Trying(self, call, answerer, choice, head)
        await trying.run(_Talking(trying, choice))
        if turn is not None:
            turn.done(call.record.usage)

    async def carry_on(self, straight: Straight, call: Call, exchange: Exchange) -> None:
        """Answers a call that was begun on the straight way. Never raises."""
        await conducted(self, call, exchange, partial(self._take_over, straight))

    async def _take_over(self, straight: Straight, call: Call, answerer: Answerer) -> None:
        choice = straight.choice()
        trying = Trying(self, call, answerer, choice, straight.head)
        trial = Attempting(trying, straight.prepared, straight.attempt)
        trial.take_over(straight.watch, straight.flight)
        await trying.run(_Talking(trying, choice), (trial, straight.watch))

    def at_once(self, wanted: Wanted) -> Choice | None:
        """The plan of a call that need not wait."""
        if self.lines.has(wanted):
            return None
        try:
            return wanted.choose(self)
        except Full:
            return None


async def conducted(
    engine: Engine, call: Call, exchange: Exchange, answer: Callable[[Call, Answerer], Awaitable[None]]
) -> None:
    """Has one call answered, whatever happens, and its record written. Never raises."""
    record = call.record
    answerer = Answerer(call, exchange)
    try:
        await answer(call, answerer)
    except HeadgateError as error:
        answerer.refuse(error.problem)
    except asyncio.CancelledError:
        record.outcome, record.error = Outcome.LOCAL, STOPPED
        raise
    except Exception:
        _log.exception("a bug in Headgate ended call %s", call.id)
        answerer.refuse(Problem(kind="internal", message="Headgate failed on this call.", outcome=Outcome.LOCAL))
    finally:
        record.duration_ms = (time.monotonic() - call.started_s) * 1e3
        own_ms = record.duration_ms - waited_ms(record.attempts) - record.queued_ms
        record.overhead_ms = own_ms if own_ms > 0 else 0.0
        engine.metering.call_ended(record)


class _Talking:
    """What a call to talk to a model asks of each of its deployments."""

    __slots__ = ("_choice", "_request", "_trying")

    def __init__(self, trying: Trying, choice: Choice) -> None:
        self._trying = trying
        self._choice = choice
        self._request: Request | None = None

    def prepare(self, deployment: Deployment) -> Attempting:
        """What to send. Raises a `ClientError` when this deployment cannot be asked such a thing."""
        trying, call, is_stream = self._trying, self._trying.call, self._trying.head.is_stream
        way = trying.engine.way(deployment, call.dialect, is_stream=is_stream)
        # A proof that another service made must be taken out of the body, and told as dropped.
        same = way.is_same and call.framing == "sse" and not has_seals(call.body, call.dialect.seals)
        if not same and self._request is None:
            self._request = call.dialect.parse_request(call.body, call.envelope)
        continues = self._continues(is_stream=is_stream)
        prepared = prepare(call, way, None if same and not continues else self._request)
        if self._choice.plan.route.prompt_cache and way.door.marks_prompts:
            self._mark(prepared, self._choice.plan.route.prompt_cache)
        if prepared.dropped and self._choice.plan.route.on_loss == "refuse":
            lost = ", ".join(sorted(prepared.dropped))
            raise InvalidRequest(
                f"{deployment.id} cannot be told: {lost}. This route refuses loss (on_loss: refuse).",
                code="unsupported_parameter",
            )
        prepared.dropped |= self._choice.dropped
        return Breakable(trying, prepared, self._choice.plan.route) if continues else Attempting(trying, prepared)

    def _mark(self, prepared: Prepared, ttl: str) -> None:
        """Tells the provider's cache of prompts what the caller has not."""
        mark, call = prepared.way.dialect.mark_prompt, self._trying.call
        if mark is not None:
            prepared.body = mark(prepared.body, PromptMark(ttl=ttl, key=shared_prompt_key(call)))

    def _continues(self, *, is_stream: bool) -> bool:
        """Whether another deployment may finish the answer if it breaks off. Then it is told in words in either lane:
        of bytes that are not ours nobody can say how they go on."""
        trying, choice = self._trying, self._choice
        if choice.plan.route.on_cut == "end" or not is_stream or trying.head.is_kept:
            return False
        if self._request is None:
            self._request = trying.call.dialect.parse_request(trying.call.body, trying.call.envelope)
        return may_be_continued(self._request)

    def may_be_doubled(self) -> bool:
        """Not what a provider keeps, nor what has its own tools run there."""
        return not self._trying.head.is_kept and not has_effects(self._trying.call.body)
