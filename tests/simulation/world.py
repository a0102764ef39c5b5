"""A gateway without a network: the routing room driven by simulated callers and upstreams, in virtual time.

Everything follows from one seed, so a run that fails can be had again: `python -m tests.simulation --help`.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from headgate.core.problems import Outcome, Problem
from headgate.providers.catalog import Deployment, Door
from headgate.routing.budgets import Efficacy, Purse, RetryBudget
from headgate.routing.course import (
    HEDGE_LEAST_S,
    HEDGE_SHARE_OF_REST,
    Course,
    Failed,
    GiveUp,
    Leave,
    Means,
    Send,
    Terms,
    Wake,
)
from headgate.routing.fleet import Fleet, Member, Ticket
from headgate.routing.health import State
from headgate.routing.plan import BUSY_S, Asked, Route, Target, plan
from headgate.routing.quotas import Need
from headgate.routing.strategies import Order, Quote

SWEEP_S = 0.05
LATER_SWEEP_S = 0.5
"""Once the last fault is over, when nothing hangs on how soon it is seen that somebody is late."""
DEADLINE_S = 60.0
HEAD_S = 60.0
QUIET_S = 700.0
"""After the last fault everybody is well within this: a quarantine, or twice the longest eject time, and a ramp."""
QUOTE = Quote(1_000_000, 4_000_000, 100_000)


class Fault(NamedTuple):
    """What is wrong with an upstream, from when until when, and for which share of its requests."""

    kind: str
    upstream: str
    since_s: float
    until_s: float
    share: float = 1.0


class Reply(NamedTuple):
    """What an upstream will do: its head, its first token and its end, in seconds from now; None: never."""

    first_s: float | None
    end_s: float | None
    outcome: Outcome
    retry_after_s: float | None = None
    kind: str = ""


SILENCE = Reply(None, None, Outcome.SLOW)


class Upstream:
    """A provider: lognormal times to the first token, and faults on a schedule."""

    def __init__(self, name: str, dice: Random, faults: Sequence[Fault]) -> None:
        self.name = name
        self.deployment = Deployment(name, "m", (Door("d", f"https://{name}.example/v1"),), name)
        self.arrivals: list[float] = []
        self.refused_429 = 0
        self._dice = dice
        self._faults = [fault for fault in faults if fault.upstream == name]
        self._window = (0.0, 0)

    def reply(self, tokens: int, now_s: float) -> Reply:
        """To one request."""
        self.arrivals.append(now_s)
        dice = self._dice
        first_s = 0.35 * (1.0 + tokens / 1000.0) ** 0.3 * dice.lognormvariate(0.0, 0.5)
        whole = Reply(first_s, first_s + 0.9, Outcome.OK)
        for fault in self._faults:
            if fault.since_s <= now_s < fault.until_s and dice.random() < fault.share:
                whole = self._failing(fault.kind, whole, now_s)
        return whole

    def _failing(self, kind: str, usual: Reply, now_s: float) -> Reply:
        first_s = usual.first_s or 0.0
        match kind:
            case "silence":
                return SILENCE
            case "slow":
                return Reply(10.0 * first_s, 10.0 * first_s + 0.9, Outcome.OK)
            case "cut" | "stall":
                outcome = Outcome.CUT if kind == "cut" else Outcome.STALL
                return Reply(first_s, first_s + (0.5 if kind == "cut" else 5.3), outcome)
            case "drip":
                return Reply(first_s, first_s + 45.0, Outcome.OK)
            case "quota":
                return self._within_quota(usual, now_s)
            case _:
                after_s, outcome, retry_after_s = REFUSALS[kind]
                return Reply(None, after_s, outcome, retry_after_s, kind)

    def _within_quota(self, usual: Reply, now_s: float) -> Reply:
        """40 requests in each ten seconds, which every answer tells of."""
        start_s, used = self._window
        if now_s >= start_s + 10.0:
            start_s, used = now_s - now_s % 10.0, 0
        if used >= 40:
            self.refused_429 += 1
            return Reply(None, 0.02, Outcome.RATE, start_s + 10.0 - now_s)
        self._window = (start_s, used + 1)
        return usual._replace(kind=f"{39 - used} {start_s + 10.0 - now_s}")


REFUSALS: dict[str, tuple[float, Outcome, float | None]] = {
    "refused": (0.001, Outcome.CONNECT, None),
    "syn_dropped": (3.0, Outcome.CONNECT, None),
    "500": (0.05, Outcome.SERVER, None),
    "429_after_5": (0.02, Outcome.RATE, 5.0),
    "429": (0.02, Outcome.RATE, None),
    "529": (0.02, Outcome.OVERLOAD, None),
    "html": (0.05, Outcome.PROTOCOL, None),
    "context": (0.05, Outcome.CONTEXT, None),
    "policy": (0.05, Outcome.POLICY, None),
    "401": (0.02, Outcome.ACCOUNT, None),
}


class Call:
    """One call and what became of it."""

    __slots__ = (
        "answers",
        "arrived_s",
        "attempts",
        "committed",
        "course",
        "ended_s",
        "first_s",
        "outcome",
        "places",
        "probed",
        "tokens",
    )

    def __init__(self, arrived_s: float, tokens: int) -> None:
        self.arrived_s = arrived_s
        self.tokens = tokens
        self.course: Course | None = None
        self.probed = False
        """Its first deployment was half open."""
        self.places: list[Deployment] = []
        self.attempts: dict[int, tuple[Ticket, str]] = {}
        self.committed: list[int] = []
        self.answers: list[int] = []
        """Attempts of which the client has seen something."""
        self.first_s: float | None = None
        self.ended_s: float | None = None
        self.outcome = Outcome.OK

    @property
    def is_complete(self) -> bool:
        return self.ended_s is not None and self.outcome is Outcome.OK


class Choices:
    """The places of a call, as its course sees them."""

    def __init__(self, fleet: Fleet, deployments: Sequence[Deployment], tokens: int) -> None:
        self._fleet = fleet
        self.deployments = deployments
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self.deployments)

    def member(self, place: int) -> Member:
        return self._fleet.member(self.deployments[place])

    def extra_nano_usd(self, place: int) -> int:
        return int(QUOTE.nano_usd(Need(self._tokens, 60), 0.0))


class Scene(NamedTuple):
    """What a run is made of."""

    faults: Sequence[Fault] = ()
    seconds: float = 60.0
    rate_hz: float = 20.0
    strategy: Order = "ordered"
    upstreams: str = "abc"
    burst: tuple[float, float, float] = (0.0, 0.0, 1.0)
    """From when to when the rate is multiplied by what."""
    leaving: float = 0.0
    """The share of callers who hang up."""
    stalls: tuple[float, ...] = ()
    """When the gateway itself stands still for 0.3 s."""


class World:
    """A run."""

    def __init__(self, seed: int, scene: Scene) -> None:
        self.scene = scene
        self.now_s = 0.0
        self.dice = Random(seed)
        own = [Random(f"{seed}{name}") for name in scene.upstreams]
        self.upstreams = {
            name: Upstream(name, dice, scene.faults) for name, dice in zip(scene.upstreams, own, strict=True)
        }
        targets = tuple(Target(upstream.deployment) for upstream in self.upstreams.values())
        self.route = Route(name="r", strategy=scene.strategy, targets=targets)
        self.fleet = Fleet()
        self.means = Means(RetryBudget(), Purse(), Efficacy())
        self.calls: list[Call] = []
        self.states: set[tuple[str, State]] = set()
        """Every state that a domain was seen in."""
        self.settled = self.hedged = self.retried = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._tickets: dict[Ticket, tuple[Call, int]] = {}
        self._stalled_until_s = self._swept_s = 0.0
        self._domains = [domain for target in targets for domain in self.fleet.member(target.deployment).domains]
        self.states.update((domain.name, domain.state) for domain in self._domains)

    def at(self, when_s: float, act: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._due, (when_s, self._number, act))

    def run(self) -> "World":
        """Until every call has ended and every deployment is well again, or nobody believes that it will."""
        self.at(0.0, self._arrive)
        self.at(SWEEP_S, self._sweep)
        for when_s in self.scene.stalls:
            self.at(when_s, self._stall)
        while self._due:
            when_s, _, act = heappop(self._due)
            self.now_s = max(when_s, self.now_s, self._stalled_until_s)
            act()
        return self

    def _stall(self) -> None:
        self._stalled_until_s = self.now_s + 0.3

    def _arrive(self) -> None:
        now_s, scene = self.now_s, self.scene
        if now_s >= scene.seconds and (self.is_well() or now_s >= scene.seconds + QUIET_S):
            return
        call = Call(now_s, int(self.dice.lognormvariate(6.5, 1.0)))
        self.calls.append(call)
        self._begin(call)
        start_s, end_s, factor = scene.burst
        rate_hz = scene.rate_hz * (factor if start_s <= now_s < end_s else 1.0) if now_s < scene.seconds else 1.0
        self.at(now_s + self.dice.expovariate(rate_hz), self._arrive)

    def is_well(self) -> bool:
        """Whether everybody may have traffic, and the first of them all of it."""
        states = [domain.look(self.now_s) for domain in self._domains]
        resting = (State.HEALTHY, State.HALF_OPEN, State.RAMPING)
        return set(states[:3]) == {State.HEALTHY} and all(state in resting for state in states)

    def _begin(self, call: Call) -> None:
        now_s = self.now_s
        if call.ended_s is not None:
            return
        self._look(self.fleet.sweep(now_s))
        asked = Asked(
            now_s=now_s, dice=self.dice.random, quoting=lambda _: QUOTE, is_stream=True, input_tokens=call.tokens
        )
        chosen = plan(self.route, asked, self.fleet)
        is_full = chosen.blocked is not None and chosen.blocked.outcome is Outcome.RATE
        wait_s = 0.0 if chosen.blocked is None else max(chosen.blocked.retry_after_s or 0.0, BUSY_S)
        if is_full and now_s + wait_s <= call.arrived_s + self.route.queue_s:
            self.at(now_s + wait_s, lambda: self._begin(call))
            return
        if chosen.blocked is not None:
            call.ended_s, call.outcome = now_s, chosen.blocked.outcome
            return
        call.probed = any(
            domain.state is State.HALF_OPEN for domain in self.fleet.member(chosen.deployments[0]).domains
        )
        call.places = list(chosen.deployments)
        choices = Choices(self.fleet, chosen.deployments, call.tokens)
        call.course = Course(choices, Terms(now_s + DEADLINE_S), self.means)
        self._act(call, call.course.begin(now_s))
        self.at(now_s + DEADLINE_S, lambda: self._expire(call))
        if self.dice.random() < self.scene.leaving:
            self.at(now_s + self.dice.uniform(0.05, 1.2), lambda: self._leave(call))

    def _act(
        self, call: Call, action: Send | Leave | Wake | GiveUp | None, outcome: Outcome = Outcome.OVERLOAD
    ) -> None:
        assert call.course is not None
        match action:
            case Send(number, place, why, wait_s):
                if number > 1 and why != "again" and self._wants_rest(call, place):
                    self._act(call, call.course.skipped(action), outcome)
                else:
                    self.at(self.now_s + wait_s, lambda: self._send(call, number, place, why))
            case Leave(number):
                self._fail(call, number, Outcome.SLOW)
            case Wake(at_s):
                self.at(at_s, lambda: self._late(call))
            case GiveUp(cancel):
                for number in cancel:
                    self._close(call, number, Outcome.LOCAL)
                call.ended_s, call.outcome = self.now_s, outcome
            case None:
                pass

    def _wants_rest(self, call: Call, place: int) -> bool:
        return self.fleet.member(call.places[place]).quota.wait_s(Need(call.tokens, 60), self.now_s) > 0.0

    def _send(self, call: Call, number: int, place: int, why: str) -> None:
        deployment, now_s, course = call.places[place], self.now_s, call.course
        assert course is not None
        if call.ended_s is not None or course.is_over:
            return
        ticket = self.fleet.sent(self.fleet.member(deployment), Need(call.tokens, 60), now_s, is_stream=True)
        call.attempts[number] = (ticket, why)
        self._tickets[ticket] = (call, number)
        if why == "hedge" and not call.probed:
            self.hedged += int(QUOTE.nano_usd(Need(call.tokens, 60), 0.0))
        elif why != "first":
            self.retried += 1
        if course.more > 0:
            self._limit(call, number, ticket)
        reply = self.upstreams[deployment.provider].reply(call.tokens, now_s)
        if reply.first_s is not None:
            self.at(now_s + reply.first_s, lambda: self._first(call, number, reply))
        if reply.end_s is not None:
            self.at(now_s + reply.end_s, lambda: self._end(call, number, reply))

    def _limit(self, call: Call, number: int, ticket: Ticket) -> None:
        """When it is looked at before it is overdue, and how long it is waited for at all."""
        course, now_s = call.course, self.now_s
        assert course is not None
        rest_s = call.arrived_s + DEADLINE_S - now_s
        move_s = self.fleet.move_s(ticket.member, call.tokens, is_stream=True)
        limit_s = min(HEAD_S, rest_s / (course.more + 1), move_s)
        self.at(now_s + limit_s, lambda: self._time_is_up(call, number))
        soon_s = HEDGE_SHARE_OF_REST * rest_s
        if ticket.probing:
            soon_s = min(soon_s, self.fleet.member(call.places[course.next_place]).stream.predict(call.tokens).p95_s)
        if soon_s < min(ticket.patience_s, limit_s):
            self.at(now_s + max(soon_s, HEDGE_LEAST_S), lambda: self._overdue(ticket))

    def _time_is_up(self, call: Call, number: int) -> None:
        """Only what is not the last is cut: what it was left for may have failed meanwhile."""
        ticket = call.attempts[number][0]
        course = call.course
        assert course is not None
        if not ticket.is_over and ticket.first_s is None and (course.more > 0 or len(self._running(call)) > 1):
            self._fail(call, number, Outcome.SLOW)

    def _running(self, call: Call) -> list[int]:
        return [number for number, (ticket, _) in call.attempts.items() if not ticket.is_over]

    def _late(self, call: Call) -> None:
        for number in self._running(call):
            self._overdue(call.attempts[number][0])

    def _overdue(self, ticket: Ticket) -> None:
        if ticket in self._tickets and ticket.first_s is None:
            call, number = self._tickets[ticket]
            assert call.course is not None
            is_frozen = self.fleet.blame.is_frozen(self.now_s)
            self._act(call, call.course.overdue(number, ticket, self.now_s, is_hedgeable=not is_frozen))

    def _fail(self, call: Call, number: int, outcome: Outcome, retry_after_s: float | None = None) -> None:
        self._close(call, number, outcome, retry_after_s)
        assert call.course is not None
        self._act(call, call.course.failed(Failed(number, outcome, retry_after_s), self.now_s), outcome)

    def _expire(self, call: Call) -> None:
        if call.ended_s is None and not call.committed:
            for number in self._running(call):
                self._fail(call, number, Outcome.SLOW)

    def _first(self, call: Call, number: int, reply: Reply) -> None:
        ticket = call.attempts[number][0]
        if ticket.is_over:
            return
        if self.fleet.landed(ticket, self.now_s) and " " in reply.kind:
            left, reset_s = reply.kind.split()
            told = [("limit", "40"), ("remaining", left), ("reset", f"{float(reset_s):.3f}s")]
            fields = [(f"x-ratelimit-{part}-requests", text) for part, text in told]
            self.fleet.told(ticket, fields, 0.0, self.now_s)
        self.fleet.first(ticket, self.now_s)
        assert call.course is not None
        if not call.course.is_over:
            call.committed.append(number)
            call.first_s = self.now_s
            for other in call.course.won(number, self.now_s):
                self._close(call, other, Outcome.LOCAL)
        if number in call.committed:
            call.answers.append(number)

    def _end(self, call: Call, number: int, reply: Reply) -> None:
        ticket = call.attempts[number][0]
        if ticket.is_over:
            return
        if number in call.committed:
            self._close(call, number, reply.outcome)
            call.ended_s, call.outcome = self.now_s, reply.outcome
            cost = int(QUOTE.nano_usd(Need(call.tokens, 60), 0.0))
            self.settled += cost
            self.means.purse.earn(cost, self.now_s)
        else:
            self._fail(call, number, reply.outcome, reply.retry_after_s)

    def _close(self, call: Call, number: int, outcome: Outcome, retry_after_s: float | None = None) -> None:
        if number not in call.attempts:
            return  # it has not been sent yet, and will not be
        ticket = call.attempts[number][0]
        problem = Problem(kind="upstream", message="", outcome=outcome, retry_after_s=retry_after_s)
        self.fleet.ended(ticket, outcome, self.now_s, self.dice.random(), problem)
        self._tickets.pop(ticket, None)

    def _leave(self, call: Call) -> None:
        if call.ended_s is not None:
            return
        for number in self._running(call):
            if number in call.committed:
                self._close(call, number, Outcome.CLIENT_GONE)
            else:
                self._fail(call, number, Outcome.CLIENT_GONE)
        call.ended_s, call.outcome = self.now_s, Outcome.CLIENT_GONE

    def _sweep(self) -> None:
        now_s = self.now_s
        self.fleet.blame.lagged(now_s - self._swept_s, now_s)
        self._look(self.fleet.sweep(now_s))
        for domain in self._domains:
            if domain.state is not State.HEALTHY:
                self.states.add((domain.name, domain.look(now_s)))
        if self._due:
            self._swept_s = now_s + (SWEEP_S if now_s < self.scene.seconds else LATER_SWEEP_S)
            self.at(self._swept_s, self._sweep)

    def _look(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self._overdue(ticket)

    def at_share(self, name: str, since_s: float, until_s: float) -> float:
        """The share of calls of that time which went first to an upstream."""
        calls = [call for call in self.calls if since_s <= call.arrived_s < until_s]
        first = [call for call in calls if call.attempts and call.attempts[1][0].member.id == f"{name}/m"]
        return len(first) / len(calls)
