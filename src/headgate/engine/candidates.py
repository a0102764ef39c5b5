"""Which deployments a call may be tried at: what its names mean, what it wishes, what it needs, what has a price.

Decides before anything is sent or held; does no I/O.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec import Struct, structs

from headgate.core.needs import NO_WISHES, Ability, Wishes
from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest, Outcome, UnknownModel, Unpriced, Unrenderable, UpstreamError
from headgate.core.record import Weighed
from headgate.dialects.base import Head
from headgate.dialects.wishes import parse_wishes, without_cap, without_wishes
from headgate.engine.call import Call
from headgate.engine.sticking import key_of
from headgate.engine.watching import look
from headgate.providers.catalog import Deployment
from headgate.providers.models import Facts
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL, Demand, able, demand_of, refusal, why_unable
from headgate.routing.conditions import Subject
from headgate.routing.names import Directory
from headgate.routing.plan import Asked, Plan, Route, marked, plan, ruled, with_able
from headgate.routing.preferences import Scope, joined, named, provider_slugs, unmet, wished

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


_OBJECT: Final = msgspec.json.Decoder(dict[str, object]).decode
NO_DEMAND: Final = Demand(frozenset())
_WISHED: Final[frozenset[Ability]] = frozenset({"reasoning"})


class Choice(Struct, frozen=True):
    """What came of a call's name, wishes and needs."""

    model: str
    """The first model that it names."""
    plan: Plan
    dropped: set[str]
    """Wishes that mean nothing here."""
    demand: Demand
    """What it takes to answer."""
    input_tokens: int = 0
    """The prompt has about so many."""


class Full(UpstreamError):
    """Nobody who could serve the call may be asked just now: `problem.retry_after_s` says from when on."""


class Wanted(Struct, frozen=True, gc=False):
    """What a call comes to before it is weighed, which may have to be done more than once."""

    named: "Named"
    routes: tuple[Route, ...]
    """Without what cannot do it."""
    wishes: Wishes
    demand: Demand
    asked: Asked

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All that may be tried, each once, in no order."""
        return tuple({each.deployment.id: each.deployment for route in self.routes for each in route.targets}.values())

    def only(self, left: Sequence[Deployment]) -> "Wanted":
        """Without those that are not among these."""
        if len(left) == len(self.deployments):
            return self
        routes = meant_only(Named(self.named.model, self.routes, set()), left.__contains__).routes
        return structs.replace(self, routes=routes)

    def choose(self, engine: "Engine") -> Choice:
        """The plan, as things stand. Raises `Full`, or another `UpstreamError` where there is nothing to wait for."""
        named, routes, demand = self.named, self.routes, self.demand
        chosen = ordered(engine, routes, self.wishes, self.asked)
        if routes is not named.routes:
            if len(chosen.deployments) > 1:
                chosen = structs.replace(chosen, deployments=able(chosen.deployments, demand))
            chosen = structs.replace(chosen, weighed=(*chosen.weighed, *_left_out(named.routes, routes, demand)))
        return Choice(named.model, chosen, named.dropped, demand, self.asked.input_tokens)

    def choose_again(self, engine: "Engine", now_s: float) -> Choice:
        """The same later."""
        return structs.replace(self, asked=structs.replace(self.asked, now_s=now_s)).choose(engine)


def want(engine: "Engine", call: Call, head: Head) -> Wanted:
    """What a call names, wishes and needs. Raises a `ClientError` that says what to change. Takes the wishes out of
    the body."""
    wishes = NO_WISHES
    if head.has_wishes:
        wishes = capped(call, parse_wishes(call.body))
        call.body = without_wishes(call.body)
    named = meant(engine, call.principal, head.model, wishes, partial(subject_of, call))
    if call.tags:
        named = tagged(call.tags, named)
    if call.keeper:
        named = at_keeper(call.keeper, named)
    if head.home:
        named = at_home(engine, call.dialect.name, head.home, named)
    demand = demand_of(_required(head.needs.abilities, wishes), len(call.body), head.max_tokens)
    routes = _able(engine, call.principal, named, demand)
    asked = Asked(
        now_s=time.monotonic(),
        dice=engine.dice,
        quoting=engine.metering.quote,
        is_stream=head.is_stream,
        input_tokens=len(call.body) // BYTES_PER_TOKEN_USUAL,
        max_tokens=head.max_tokens or 0,
        key=key_of(call, routes[0].sticky),
    )
    return Wanted(named, routes, wishes, demand, asked)


def capped(call: Call, wishes: Wishes) -> Wishes:
    """The wishes about where to run; what the call may cost is kept with it, and the less of two holds."""
    most = wishes.cost_nano_usd_max
    if most is None:
        return wishes
    said = call.cost_nano_usd_max
    call.cost_nano_usd_max = most if said is None else min(most, said)
    return without_cap(wishes)


class Named(Struct, frozen=True):
    """What the names and the wishes of a call come to, whatever it needs."""

    model: str
    """The first model that it names."""
    routes: tuple[Route, ...]
    """One for each that it names, with the targets that its wishes leave."""
    dropped: set[str]


def meant(engine: "Engine", principal: Principal, model: str, wishes: Wishes, subject: Callable[[], Subject]) -> Named:
    """Raises a `ClientError` where nothing has such a name, or the wishes leave nothing."""
    if model and wishes is NO_WISHES:
        return Named(model, (_route(engine, principal, model, subject),), set())
    names = named(model, wishes)
    if not names:
        raise InvalidRequest("'model' is required: name the model that is to answer", param="model")
    routes = [_route(engine, principal, name, subject) for name in names]
    directory = engine.directory
    scope = Scope(partial(provider_slugs, directory), engine.metering.quote)
    return Named(names[0], wished(routes, wishes, scope), unmet(directory, wishes))


def kept_at(keeper: str, choice: Choice) -> Choice:
    """The choice without what runs elsewhere than where things are that the call refers to."""
    left = tuple(each for each in choice.plan.deployments if each.provider == keeper)
    if not left:
        raise _kept_elsewhere(keeper, choice.model)
    return structs.replace(choice, plan=structs.replace(choice.plan, deployments=left))


def at_keeper(keeper: str, named: Named) -> Named:
    """The same before anything is weighed."""
    found = meant_only(named, lambda each: each.provider == keeper)
    if not found.routes:
        raise _kept_elsewhere(keeper, named.model)
    return found


def _kept_elsewhere(keeper: str, model: str) -> InvalidRequest:
    return InvalidRequest(
        f"What this call refers to is kept by {keeper}, and {model!r} does not run there. "
        f"Ask for a model at {keeper}, or send the content itself.",
        param="model",
    )


def at_home(engine: "Engine", dialect: str, member: str, named: Named) -> Named:
    """The choice without what does not speak the caller's dialect, since `member` means nothing elsewhere."""
    left = meant_only(named, lambda each: each.door(dialect).dialect == dialect)
    if not left.routes:
        there = sorted(
            name
            for name, provider in engine.directory.providers.items()
            if any(door.dialect == dialect for door in provider.doors)
        )
        can = f"Providers here that can: {', '.join(there)}" if there else "No provider here can"
        asked = [target.deployment for route in named.routes for target in route.targets]
        raise Unrenderable(
            f"{member!r} needs a provider that keeps answers itself; {named.model!r} runs at "
            f"{_listed(asked)}. {can}. Ask for a model there, or leave {member!r} out.",
            param=member,
        )
    return left


def tagged(tags: frozenset[str], named: Named) -> Named:
    """The choice among targets that are marked with everything the call asks for. Raises `InvalidRequest`."""
    left = tuple(route for each in named.routes if (route := marked(each, tags)).targets)
    if not left:
        known = sorted({tag for route in named.routes for each in route.targets for tag in each.tags})
        there = f"Its targets have: {', '.join(known)}." if known else "None of its targets has a tag."
        raise InvalidRequest(
            f"No target of {named.model!r} has every tag of x-headgate-tags ({', '.join(sorted(tags))}). {there}",
            param="x-headgate-tags",
        )
    return Named(named.model, left, named.dropped)


def meant_only(named: Named, is_meant: Callable[[Deployment], bool]) -> Named:
    """Of each model that is named, the targets that are meant."""
    routes = (
        structs.replace(route, targets=tuple(each for each in route.targets if is_meant(each.deployment)))
        for route in named.routes
    )
    return Named(named.model, tuple(route for route in routes if route.targets), named.dropped)


def planned(engine: "Engine", principal: Principal, model: str, wishes: Wishes, input_tokens: int = 0) -> Choice:
    """What the names and the wishes of a call come to, whatever it needs."""
    named = meant(engine, principal, model, wishes, partial(caller_of, principal))
    asked = Asked(now_s=time.monotonic(), dice=engine.dice, quoting=engine.metering.quote, input_tokens=input_tokens)
    return Choice(named.model, ordered(engine, named.routes, wishes, asked), named.dropped, NO_DEMAND, input_tokens)


def _route(engine: "Engine", principal: Principal, name: str, subject: Callable[[], Subject]) -> Route:
    route = engine.route(name)
    may_use(principal, name)
    return ruled(route, subject)


def subject_of(call: Call) -> Subject:
    """What conditions may ask about."""
    body, record = _OBJECT(call.body), call.record
    metadata = body.get("metadata")
    subject = caller_of(call.principal).values
    return Subject(
        {
            "metadata": cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {},
            "params": body,
            "url": {"pathname": call.path},
            "tenant": {**subject["tenant"], "user": record.user, "session": record.session},
            "prompt": {"tokens": len(call.body) // BYTES_PER_TOKEN_USUAL},
        }
    )


def caller_of(principal: Principal) -> Subject:
    """The same where only the caller is known."""
    return Subject({"tenant": {"key": principal.key_id, "name": principal.name, "team": principal.team}})


def ordered(engine: "Engine", routes: Sequence[Route], wishes: Wishes, asked: Asked) -> Plan:
    """In which order to try them: by strategy, and as far as they are well. Raises when there is nothing to try."""
    fleet = engine.fleet
    look(fleet.sweep(asked.now_s))
    if wishes is NO_WISHES:
        chosen = plan(routes[0], asked, fleet)
    else:
        plans = [plan(route, asked, fleet) for route in routes]
        chosen = joined(plans, wishes, partial(provider_slugs, engine.directory))
    if chosen.blocked is not None:
        raise (Full if chosen.blocked.outcome is Outcome.RATE else UpstreamError)(chosen.blocked)
    return chosen


def _able(engine: "Engine", principal: Principal, named: Named, demand: Demand) -> tuple[Route, ...]:
    """The routes without what cannot do it, or has no price where one is demanded."""
    routes: list[Route] = []
    is_whole = True
    for route in named.routes:
        left = with_able(route, demand)
        is_whole = is_whole and left is route
        if left.targets:
            routes.append(left)
    if not routes:
        others = partial(_usable, engine.directory, principal)
        raise refusal(
            named.model, [each.deployment for route in named.routes for each in route.targets], demand, others
        )
    if engine.metering.refuses_unpriced:
        priced = _priced(engine, routes)
        is_whole, routes = is_whole and len(priced) == len(routes) and all(map(is_, priced, routes)), priced
    return named.routes if is_whole else tuple(routes)


def _left_out(before: Sequence[Route], after: Sequence[Route], demand: Demand) -> Iterator[Weighed]:
    """What the record says of those that are no candidates."""
    left = {target.deployment.id for route in after for target in route.targets}
    gone = {each.deployment.id: each.deployment for route in before for each in route.targets}
    for id, deployment in gone.items():
        if id not in left:
            yield Weighed(id, why_unable(deployment, demand) or "has no price, or the caller's limits leave no room")


def _priced(engine: "Engine", routes: Sequence[Route]) -> list[Route]:
    left: list[Route] = []
    for route in routes:
        kept = tuple(each for each in route.targets if engine.metering.quote(each.deployment) is not None)
        if kept:
            left.append(route if len(kept) == len(route.targets) else structs.replace(route, targets=kept))
    if left:
        return left
    deployments = [each.deployment for route in routes for each in route.targets]
    raise Unpriced(
        f"No price is known for {_listed(deployments)}, and this gateway refuses what has none "
        f"(prices.unpriced: refuse). Set one under providers.{deployments[0].provider}.prices, or ask for another "
        "model.",
        param="model",
    )


def _required(abilities: frozenset[Ability], wishes: Wishes) -> frozenset[Ability]:
    """To think harder is a wish like any other knob, unless every parameter must be met."""
    return abilities - _WISHED if abilities and not wishes.require_parameters else abilities


def _listed(deployments: Sequence[Deployment]) -> str:
    return ", ".join(each.id for each in deployments)


def _usable(directory: Directory, principal: Principal) -> Iterator[tuple[str, Facts]]:
    """The models that this key may use, with what is known of them."""
    for name in directory.entries if principal.models is None else principal.models:
        found = directory.entry(name)
        facts = found[0].chosen()[0].facts if found is not None else None
        if facts is not None:
            yield name, facts


def may_use(principal: Principal, model: str) -> None:
    """Raises `UnknownModel` unless the caller's key allows the model: what it may not use is not there for it."""
    allowed = principal.models
    if allowed is not None and model not in allowed:
        near = get_close_matches(model, allowed, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        told = f"This key may not use the model {model!r}.{hint} GET /v1/models lists the names it may use."
        raise UnknownModel(told, param="model")
