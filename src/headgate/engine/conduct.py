"""Conducts one call: attempt after attempt until one answers or nothing is left to try."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from headgate.core.problems import ClientError, HeadgateError, InvalidRequest, Outcome, Problem, UpstreamError
from headgate.core.record import CallRecord
from headgate.core.request import Request
from headgate.core.signatures import has_seals
from headgate.dialects.base import Dialect, Head
from headgate.engine.admitting import admit, wanted_by_chat
from headgate.engine.answer import Answerer
from headgate.engine.attempt import STOPPED, Attempting
from headgate.engine.call import Call
from headgate.engine.candidates import choose
from headgate.engine.exchange import Exchange
from headgate.engine.keepers import keeper_of
from headgate.engine.lanes import Prepared, Way, prepare, way
from headgate.engine.own import OwnThings
from headgate.policies.metering import Metering
from headgate.providers.catalog import Deployment
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL
from headgate.routing.fleet import Fleet
from headgate.routing.names import Directory, find_route
from headgate.routing.plan import Route, instead
from headgate.routing.verdicts import RULES, Situation, Verdict, summary, verdict
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
        self._routes: dict[str, Route] = {}
        self._ways: dict[tuple[str, str, str, bool], Way] = {}
        self.own: OwnThings | None = None
        """The files and batches of the gateway itself, where it keeps any."""
        self.transports = transports
        self.metering = metering
        self.settings = settings or Settings()
        self.dice = dice
        self.fleet = Fleet()
        """What is known of the deployments in use."""

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

    async def serve(self, call: Call, exchange: Exchange) -> None:
        """Answers one call, whatever happens: an answer, or an error in the caller's dialect. Never raises."""
        record = call.record
        answerer = Answerer(call, exchange)
        try:
            head = call.dialect.peek(call.body, call.envelope)
            record.model, record.is_stream = head.model, head.is_stream
            if head.refers:
                call.keeper = await keeper_of(self, call.principal, head.refers)
            conduct = _Conduct(self, call, answerer, head)
            await conduct.run()
        except HeadgateError as error:
            answerer.refuse(error.problem)
        except asyncio.CancelledError:
            record.outcome, record.error = Outcome.LOCAL, STOPPED
            raise
        except Exception:
            _log.exception("a bug in Headgate ended call %s", call.id)
            answerer.refuse(Problem(kind="internal", message="Headgate failed on this call.", outcome=Outcome.LOCAL))
        finally:
            record.duration_ms = own_ms = (time.monotonic() - call.started_s) * 1e3
            for attempt in record.attempts:
                own_ms -= attempt.duration_ms
            record.overhead_ms = own_ms if own_ms > 0 else 0.0
            self.metering.call_ended(record)


class _Conduct:
    """The attempts of one call."""

    def __init__(self, engine: Engine, call: Call, answerer: Answerer, head: Head) -> None:
        self._engine = engine
        self._call = call
        self._answerer = answerer
        self._head = head
        self._request: Request | None = None
        self._problems: list[Problem] = []
        self._refusal: Problem | None = None
        self._number = 0
        self._choice = choose(engine, call, head)
        route = self._route = self._choice.plan.route
        self._attempts_max = route.attempts_max
        timeout_s = call.timeout_s
        self._deadline_s = call.started_s + (
            route.timeout_s if timeout_s is None or timeout_s > route.timeout_s else timeout_s
        )

    async def run(self) -> None:
        """Attempts until one has answered; else tells the client what to know."""
        route, record = self._route, self._call.record
        deployments = self._choice.plan.deployments
        record.model = self._choice.model
        record.route = "model" if route.is_direct else route.name
        record.strategy = route.strategy
        record.candidates = [deployment.id for deployment in deployments]
        record.weighed = self._choice.plan.weighed
        call, head = self._call, self._head
        allowance = self._engine.metering.limits.allowance(call.principal.key_id)
        if allowance is not None:
            wanted = wanted_by_chat(call.body, head.max_tokens, is_stream=head.is_stream)
            deployments = admit(self._engine, call, allowance, deployments, wanted)
        left = deque(deployments)
        while left:
            deployment, others_left = left.popleft(), len(left)
            prepared, repeats = self._prepared(deployment), 0
            while prepared is not None:
                self._number += 1
                attempting = Attempting(self._engine, self._call, self._answerer, prepared, self._head)
                more = min(others_left, self._attempts_max - self._number)
                allowance_s = self._allowance_s(more, prepared)
                problem = await attempting.run(self._number, allowance_s, self._deadline_s, more)
                if problem is None:
                    return
                self._problems.append(problem)
                step = verdict(self._situation(problem, others_left, repeats))
                if step.verdict is Verdict.GIVE_UP:
                    instead = self._instead(problem)
                    if instead is None:
                        self._tell()
                        return
                    left.appendleft(instead)
                    break
                if step.verdict is Verdict.NEXT:
                    break
                repeats += 1
                await asyncio.sleep(step.wait_s)
        if self._problems:
            self._tell()
        elif self._refusal is not None:
            self._answerer.refuse(self._refusal)

    def _instead(self, problem: Problem) -> Deployment | None:
        """Where the operator lets a call go on that no other target would answer either."""
        if self._answerer.is_committed or time.monotonic() >= self._deadline_s:
            return None
        record = self._call.record
        tried = {f"{attempt.provider}/{attempt.model}" for attempt in record.attempts}
        found = instead(self._route, problem.outcome, self._choice.demand, tried)
        if found is not None:
            record.candidates.append(found.id)
            self._attempts_max += 1
        return found

    def _prepared(self, deployment: Deployment) -> Prepared | None:
        """What to send, or None when this deployment cannot be asked such a thing."""
        call = self._call
        # A proof that another service made must be taken out of the body, and told as dropped.
        try:
            way = self._engine.way(deployment, call.dialect, is_stream=self._head.is_stream)
            same = way.is_same and call.framing == "sse" and not has_seals(call.body, call.dialect.seals)
            if not same and self._request is None:
                self._request = call.dialect.parse_request(call.body, call.envelope)
            prepared = prepare(call, way, None if same else self._request)
            if prepared.dropped and self._route.on_loss == "refuse":
                lost = ", ".join(sorted(prepared.dropped))
                raise InvalidRequest(
                    f"{deployment.id} cannot be told: {lost}. This route refuses loss (on_loss: refuse).",
                    code="unsupported_parameter",
                )
        except ClientError as error:
            self._refusal = error.problem  # the error itself would hold on to this frame, and the frame to the call
            return None
        prepared.dropped |= self._choice.dropped
        return prepared

    def _allowance_s(self, others_left: int, prepared: Prepared) -> float:
        """How long this attempt may keep the client waiting: all that is left for the last candidate, else a share,
        and not much longer than its deployment ever takes."""
        engine, is_stream = self._engine, self._head.is_stream
        remaining = self._deadline_s - time.monotonic()
        if others_left == 0:
            return remaining
        usual = engine.settings.head_s if is_stream else engine.settings.whole_s
        fleet, tokens = engine.fleet, len(prepared.body) // BYTES_PER_TOKEN_USUAL
        move_s = fleet.move_s(fleet.member(prepared.way.deployment), tokens, is_stream=is_stream)
        return min(usual, remaining / (others_left + 1), move_s)

    def _situation(self, problem: Problem, others_left: int, repeats: int) -> Situation:
        return Situation(
            outcome=problem.outcome,
            is_committed=self._answerer.is_committed,
            others_left=others_left,
            attempts_left=self._attempts_max - self._number,
            repeats=repeats,
            retries_same_first=self._route.retry_same_first,
            retry_after_s=problem.retry_after_s,
            remaining_s=self._deadline_s - time.monotonic(),
        )

    def _tell(self) -> None:
        """The client's answer when every attempt failed; nothing more if it has had one already."""
        if self._answerer.is_committed:
            return
        last = self._problems[-1]
        problem = summary(self._problems, is_late=time.monotonic() >= self._deadline_s)
        if RULES[last.outcome].is_callers:
            self._answerer.refuse(problem)
            return
        self._answerer.refuse(problem, attempts=attempt_lines(self._call.record))


def attempt_lines(record: CallRecord) -> Sequence[Mapping[str, object]]:
    """What the client is told of the attempts, as `error.metadata.attempts`."""
    return [
        {
            "provider": attempt.provider,
            "model": attempt.model,
            "outcome": str(attempt.outcome),
            "status": attempt.status or None,
            "message": attempt.message,
            "duration_ms": round(attempt.duration_ms, 1),
        }
        for attempt in record.attempts
    ]
