"""A route and what is known of its deployments become an order to try them in. Pure: clock and dice are arguments.

Nothing is weighed while there is nothing to weigh: with every deployment well and a strategy that looks at nothing
else, the order is the operator's.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Final, Literal

from msgspec import Struct, structs

from headgate.core.caching import Caching
from headgate.core.problems import ConfigError, Outcome, Problem
from headgate.core.record import Weighed
from headgate.providers.catalog import Deployment
from headgate.routing.abilities import Demand, able, suits
from headgate.routing.affinity import Sticky, stuck
from headgate.routing.budgets import HEDGE_SHARE
from headgate.routing.conditions import Condition, Subject
from headgate.routing.continuing import Continuation, OnCut
from headgate.routing.fleet import Fleet, Member, Standing
from headgate.routing.health import State
from headgate.routing.quotas import Need
from headgate.routing.strategies import Candidate, Dice, Order, Quote, ranked, why_not

PANIC_INTERVAL_S: Final = 1.0
"""With every deployment of a route out of order, one call in so long still tries the one that has been well longest."""
PANIC_RETRY_S: Final = 1.0
"""What the others are told to wait."""

BUSY_S: Final = 0.05
"""How soon it is looked again whether a deployment that takes no more at a time has room."""

Quoting = Callable[[Deployment], Quote | None]
"""What a deployment costs; None: not known."""


class Target(Struct, frozen=True):
    """One choice of a route."""

    deployment: Deployment
    weight: float = 1.0
    tags: frozenset[str] = frozenset()
    """The operator's words for it, which a call may ask for."""
    continuation: Continuation = "user_turn"
    """How it is asked for the rest of an answer that broke off elsewhere."""


class Rule(Struct, frozen=True):
    """Other targets for calls that meet a condition."""

    condition: Condition
    targets: tuple[Target, ...]


class Route(Struct, frozen=True, kw_only=True):
    """A model name that clients ask for, and where it may be served."""

    name: str
    strategy: Order
    targets: tuple[Target, ...]
    timeout_s: float = 600.0
    """The deadline of a whole call, its retries included."""
    attempts_max: int = 3
    retry_same_first: bool = False
    hedge_share: float = HEDGE_SHARE
    """Of what its calls cost, so much may go into asking a second deployment beside a slow one; 0: none is."""
    queue_s: float = 20.0
    """How long a call may wait for deployments that all want rest; 0: it is refused."""
    on_loss: Literal["report", "refuse"] = "report"
    rules: tuple[Rule, ...] = ()
    """The first whose condition holds says the targets; none: `targets`."""
    on_cut: OnCut = "end"
    """What becomes of an answer that breaks off when the client has begun to read it."""
    instead: Mapping[Outcome, tuple[Target, ...]] = {}
    """Where a call goes on that has ended so: CONTEXT (its prompt is too long) or POLICY (its content was refused)."""
    sticky: Sticky | None = None
    """What makes calls go to the same target as long as it is well and not too busy."""
    caching: Caching | None = None
    """How its answers are used again; None: they are not."""
    prompt_cache: Literal["", "5m", "1h"] = ""
    """How long a provider's cache is to keep prompts that their callers have not marked; empty: nothing is marked."""
    is_direct: bool = False
    """Made on the fly from a model's name, not configured."""


class Plan(Struct, frozen=True):
    """What to try, in order. An attempt at each, and no more than `attempts_max` in all."""

    route: Route
    deployments: tuple[Deployment, ...]
    weighed: tuple[Weighed, ...] = ()
    """Why so; empty where nothing had to be weighed."""
    blocked: Problem | None = None
    """Why there is nothing to try."""


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """What of a call matters for where it goes."""

    now_s: float
    """Of the monotonic clock."""
    dice: Dice
    quoting: Quoting
    is_stream: bool = False
    input_tokens: int = 0
    """About so many."""
    max_tokens: int = 0
    """The answer may have so many; 0: the call does not say."""
    key: str = ""
    """Of the calls that it belongs to; empty: it belongs to none."""


_BACK: Final = frozenset({"suspect", "busy"})
"""Reasons for which a deployment comes last, not never."""


def plan(route: Route, asked: Asked, fleet: Fleet) -> Plan:
    """The order for one call. A sole target is tried unless it wants rest: its own answer says more than we could."""
    targets = route.targets
    if len(targets) == 1:
        return _sole(route, targets[0], asked, fleet)
    if (
        route.strategy == "ordered"
        and not asked.key
        and all(fleet.member(target.deployment).is_plain for target in targets)
    ):
        return Plan(route, tuple(target.deployment for target in targets))
    candidates = [_candidate(target, asked, fleet) for target in targets if _takes_part(target, route)]
    if len(candidates) == 1:
        return _sole(route, Target(candidates[0].deployment), asked, fleet)
    reasons = [why_not(each.standing) for each in candidates]
    free = [each for each, reason in zip(candidates, reasons, strict=True) if not reason]
    back = [each for each, reason in zip(candidates, reasons, strict=True) if reason in _BACK]
    order = ranked(route.strategy, free, asked.dice)
    if asked.key and order:
        order = stuck(order, asked.key)
        reasons[candidates.index(order[0])] = "sticky"
    chosen = [*order, *sorted(back, key=_failed)]
    blocked = None
    if not order and back and "suspect" not in reasons:
        chosen, blocked = [], _blocked(Outcome.RATE, BUSY_S)
    elif not chosen:
        chosen, blocked = _panic(route.name, candidates, asked, fleet)
    told = tuple(_weighed(each, why or "chosen") for each, why in zip(candidates, reasons, strict=True))
    return Plan(route, tuple(each.deployment for each in chosen), told, blocked)


def _sole(route: Route, target: Target, asked: Asked, fleet: Fleet) -> Plan:
    """The only one there is."""
    deployment = target.deployment
    member = fleet.member(deployment)
    if not member.is_plain:
        wait_s = member.quota.wait_s(_need(member, asked), asked.now_s)
        if wait_s <= 0.0 and member.health.state is State.HEALTHY and not member.limit.has_room(member.in_flight):
            wait_s = BUSY_S
        if wait_s > 0.0:
            return Plan(route, (), blocked=_blocked(Outcome.RATE, wait_s))
    return Plan(route, (deployment,))


def _need(member: Member, asked: Asked) -> Need:
    usual = int(member.output_tokens)
    return Need(asked.input_tokens, min(usual, asked.max_tokens) if asked.max_tokens else usual)


def _takes_part(target: Target, route: Route) -> bool:
    return target.weight > 0.0 or route.strategy != "weighted"


def _candidate(target: Target, asked: Asked, fleet: Fleet) -> Candidate:
    member = fleet.member(target.deployment)
    need = _need(member, asked)
    return Candidate(
        deployment=target.deployment,
        weight=target.weight,
        standing=fleet.standing(member, need, asked.now_s),
        quote=asked.quoting(target.deployment),
        need=need,
        is_stream=asked.is_stream,
    )


def _failed(candidate: Candidate) -> float:
    return candidate.standing.failed_s


def _weighed(candidate: Candidate, why: str) -> Weighed:
    standing = candidate.standing
    cost = candidate.cost if candidate.cost < inf else -1.0
    return Weighed(candidate.deployment.id, why, cost, standing.weight, standing.wait_s)


def _panic(
    route: str, candidates: Sequence[Candidate], asked: Asked, fleet: Fleet
) -> tuple[list[Candidate], Problem | None]:
    """Nothing may be asked. What only waits for its quota is waited for; of what is out of order, one call in a while
    tries the one that failed least recently, so that its return is seen, and the others are told to come back."""
    broken = [each for each in candidates if each.standing.state is State.OPEN]
    waits_s = [each.standing.wait_s for each in candidates if each not in broken]
    if waits_s:
        return [], _blocked(Outcome.RATE, min(waits_s))
    if not fleet.may_panic(route, asked.now_s, PANIC_INTERVAL_S):
        until_s = min(_until_s(each.standing) for each in broken) - asked.now_s
        return [], _blocked(Outcome.OVERLOAD, max(until_s, PANIC_RETRY_S))
    return [min(broken, key=_failed)], None


def _until_s(standing: Standing) -> float:
    return max(domain.until_s for domain in standing.member.domains)


def _blocked(outcome: Outcome, wait_s: float) -> Problem:
    is_rate = outcome is Outcome.RATE
    return Problem(
        kind="rate_limit" if is_rate else "overloaded",
        message=(
            "Every provider that could serve this call has asked to be left alone for a while."
            if is_rate
            else "Every provider that could serve this call is out of order just now."
        ),
        outcome=outcome,
        retry_after_s=round(wait_s, 3),
    )


def ruled(route: Route, subject: Callable[[], Subject]) -> Route:
    """The route with the targets that its conditions choose. `subject` is asked only if there are any."""
    if not route.rules:
        return route
    seen = subject()
    targets = next((rule.targets for rule in route.rules if rule.condition(seen)), route.targets)
    return structs.replace(route, targets=targets, attempts_max=max(route.attempts_max, len(targets)))


def instead(route: Route, outcome: Outcome, demand: Demand, tried: Collection[str]) -> Deployment | None:
    """Where to go on after a failure that is the call's own, if the operator has said so: the next that has not been
    tried and can do what the call takes."""
    targets = route.instead.get(outcome, ())
    deployments = able(tuple(target.deployment for target in targets), demand)
    return next((each for each in deployments if each.id not in tried), None)


def check_route(route: Route) -> None:
    """Refuses a route that could not serve anything."""
    for targets in (route.targets, *(rule.targets for rule in route.rules)):
        if not any(target.weight > 0 for target in targets):
            raise ConfigError(f"route {route.name!r} has no target with a weight above 0")


def marked(route: Route, tags: frozenset[str]) -> Route:
    """The route with the targets that have all the tags, also where it goes on after a refusal; perhaps none."""

    def left(targets: tuple[Target, ...]) -> tuple[Target, ...]:
        return tuple(each for each in targets if tags <= each.tags)

    elsewhere = {outcome: left(targets) for outcome, targets in route.instead.items()}
    return structs.replace(route, targets=left(route.targets), instead=elsewhere)


def with_able(route: Route, demand: Demand) -> Route:
    """The route with the targets that can do it; perhaps none."""
    for target in route.targets:
        if not suits(target.deployment, demand):
            break
    else:
        return route
    ids = {each.id for each in able(tuple(target.deployment for target in route.targets), demand)}
    return structs.replace(route, targets=tuple(each for each in route.targets if each.deployment.id in ids))
