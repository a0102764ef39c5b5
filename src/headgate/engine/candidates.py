"""Which deployments a call may be tried at: what its names mean, what it wishes, what it needs, what has a price.

Decides before anything is sent or held; does no I/O.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from headgate.core.needs import NO_WISHES, Ability, Wishes
from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest, UnknownModel, Unpriced, Unrenderable
from headgate.dialects.base import Head
from headgate.dialects.wishes import parse_wishes, without_wishes
from headgate.engine.call import Call
from headgate.providers.catalog import Deployment
from headgate.providers.models import Facts
from headgate.routing.abilities import able, demand_of, refusal
from headgate.routing.names import Directory
from headgate.routing.plan import Plan, plan
from headgate.routing.preferences import named, provider_slugs, unmet, wished

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


_WISHED: Final[frozenset[Ability]] = frozenset({"reasoning"})


class Choice(Struct, frozen=True):
    """What came of a call's name, wishes and needs."""

    model: str
    """The first model that it names."""
    plan: Plan
    dropped: set[str]
    """Wishes that mean nothing here."""


def choose(engine: "Engine", call: Call, head: Head) -> Choice:
    """The plan of a call. Raises a `ClientError` that says what to change. Takes the wishes out of the body."""
    wishes = NO_WISHES
    if head.has_wishes:
        wishes, call.body = parse_wishes(call.body), without_wishes(call.body)
    choice = planned(engine, call.principal, head.model, wishes)
    if call.keeper:
        choice = kept_at(call.keeper, choice)
    if head.home:
        choice = at_home(engine, call.dialect.name, head.home, choice)
    chosen = _candidates(engine, call, head, choice, wishes)
    return choice if chosen is choice.plan else Choice(choice.model, chosen, choice.dropped)


def planned(engine: "Engine", principal: Principal, model: str, wishes: Wishes) -> Choice:
    """What the names and the wishes of a call come to, whatever it needs."""
    if model and wishes is NO_WISHES:
        return Choice(model, _plan(engine, principal, model), set())
    names = named(model, wishes)
    if not names:
        raise InvalidRequest("'model' is required: name the model that is to answer", param="model")
    plans = [_plan(engine, principal, name) for name in names]
    directory = engine.directory
    chosen = wished(plans, wishes, partial(provider_slugs, directory))
    return Choice(names[0], chosen, unmet(directory, wishes))


def kept_at(keeper: str, choice: Choice) -> Choice:
    """The choice without what runs elsewhere than where things are that the call refers to."""
    left = tuple(each for each in choice.plan.deployments if each.provider == keeper)
    if not left:
        raise InvalidRequest(
            f"What this call refers to is kept by {keeper}, and {choice.model!r} does not run there. "
            f"Ask for a model at {keeper}, or send the content itself.",
            param="model",
        )
    return Choice(choice.model, Plan(choice.plan.route, left), choice.dropped)


def at_home(engine: "Engine", dialect: str, member: str, choice: Choice) -> Choice:
    """The choice without what does not speak the caller's dialect, since `member` means nothing elsewhere."""
    left = tuple(each for each in choice.plan.deployments if each.door(dialect).dialect == dialect)
    if not left:
        there = sorted(
            name
            for name, provider in engine.directory.providers.items()
            if any(door.dialect == dialect for door in provider.doors)
        )
        can = f"Providers here that can: {', '.join(there)}" if there else "No provider here can"
        raise Unrenderable(
            f"{member!r} needs a provider that keeps answers itself; {choice.model!r} runs at "
            f"{_listed(choice.plan.deployments)}. {can}. Ask for a model there, or leave {member!r} out.",
            param=member,
        )
    return Choice(choice.model, Plan(choice.plan.route, left), choice.dropped)


def _plan(engine: "Engine", principal: Principal, name: str) -> Plan:
    route = engine.route(name)
    may_use(principal, name)
    return plan(route, engine.dice)


def _candidates(engine: "Engine", call: Call, head: Head, choice: Choice, wishes: Wishes) -> Plan:
    """The plan without those that cannot do it or have no price where one is demanded."""
    demand = demand_of(_required(head.needs.abilities, wishes), len(call.body), head.max_tokens)
    chosen = choice.plan
    left = able(chosen.deployments, demand)
    if not left:
        others = partial(_usable, engine.directory, call.principal)
        raise refusal(choice.model, chosen.deployments, demand, others)
    if not engine.metering.refuses_unpriced:
        return chosen if left is chosen.deployments else Plan(chosen.route, left)
    priced = tuple(each for each in left if engine.metering.is_priced(each.prices, each.model))
    if not priced:
        raise Unpriced(
            f"No price is known for {_listed(left)}, and this gateway refuses what has none (prices.unpriced: refuse). "
            f"Set one under providers.{left[0].provider}.prices, or ask for another model.",
            param="model",
        )
    return Plan(chosen.route, priced)


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
