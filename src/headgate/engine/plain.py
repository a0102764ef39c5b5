"""What plain calls come to: found once for a model, and good for the next ones as long as nothing is to be minded.

A call is plain that names a model and nothing besides which bears on where it goes. Nothing is to be minded while
every deployment of a fixed order is well and without limits. Whatever is else is decided by `candidates`.
"""

from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from headgate.core.needs import NO_NEEDS
from headgate.dialects.base import Head
from headgate.engine.call import Call
from headgate.engine.candidates import NO_DEMAND, Choice, Wanted
from headgate.engine.watching import look
from headgate.providers.catalog import Deployment
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL
from headgate.routing.fleet import Member
from headgate.routing.plan import Plan
from headgate.routing.quotas import Need

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

_KNOWN_MAX: Final = 4096
_NOTHING: Final[set[str]] = set()
_NO_LIMIT: Final = 1 << 62


class Plain(Struct, frozen=True, gc=False):
    """What the plain calls for one model have in common."""

    plan: Plan
    members: tuple[Member, ...]
    route: str
    """As the record names it."""
    candidates: list[str]
    generation: int
    """Of the fleet that the members are of."""
    tokens_max: int
    """A longer prompt might not fit everywhere."""
    output_tokens_max: int
    """Nor might a longer answer."""

    def choice(self, model: str, body_bytes: int) -> Choice:
        """For one call."""
        return Choice(model, self.plan, _NOTHING, NO_DEMAND, body_bytes // BYTES_PER_TOKEN_USUAL)


class PlainCalls:
    """Those of an engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._known: dict[tuple[str, tuple[str, ...] | None], Plain] = {}

    def find(self, call: Call, head: Head, now_s: float) -> Plain | None:
        """What this call comes to, if it is plain and such a call came before."""
        if not _is_plain(call, head):
            return None
        found = self._known.get((head.model, call.principal.models))
        if found is None:
            return None
        fleet = self._engine.fleet
        if fleet.has_due(now_s):
            look(fleet.sweep(now_s))
        if (
            found.generation != fleet.generation
            or len(call.body) > found.tokens_max * BYTES_PER_TOKEN_USUAL
            or (head.max_tokens or 0) > found.output_tokens_max
            or self._engine.lines.is_any
        ):
            return None
        for member in found.members:
            if not member.is_well:
                return None
        return None if _wants_rest(found.members[0], call, head, now_s) else found

    def remember(self, call: Call, head: Head, wanted: Wanted, choice: Choice) -> None:
        """What was found for a call, for others like it, if it was plain and the order is the operator's."""
        plan, route, fleet = choice.plan, choice.plan.route, self._engine.fleet
        if head.is_stream or not _is_plain(call, head) or not (len(route.targets) == 1 or route.strategy == "ordered"):
            return
        key = (head.model, call.principal.models)
        found = self._known.get(key)
        if found is not None and found.generation == fleet.generation:
            return
        has_terms = route.rules or route.instead or route.sticky or route.caching is not None or route.prompt_cache
        is_whole = wanted.routes is wanted.named.routes and len(plan.deployments) == len(route.targets)
        in_order = all(target.deployment is each for target, each in zip(route.targets, plan.deployments, strict=False))
        if has_terms or self._engine.metering.refuses_unpriced or not (is_whole and in_order):
            return
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[key] = Plain(
            plan=structs.replace(plan, weighed=()),
            members=tuple(fleet.member(deployment) for deployment in plan.deployments),
            route="model" if route.is_direct else route.name,
            candidates=[deployment.id for deployment in plan.deployments],
            generation=fleet.generation,
            tokens_max=min(map(_window, plan.deployments)),
            output_tokens_max=min(map(_output_limit, plan.deployments)),
        )


def _wants_rest(first: Member, call: Call, head: Head, now_s: float) -> bool:
    """Whether the quota of the one that is asked first is used up; those of the others are looked at if it fails."""
    quota = first.quota
    if not quota.buckets and quota.not_before_s <= now_s:
        return False
    usual, most = int(first.output_tokens), head.max_tokens
    written = usual if most is None or most > usual else most
    return quota.wait_s(Need(len(call.body) // BYTES_PER_TOKEN_USUAL, written), now_s) > 0.0


def _is_plain(call: Call, head: Head) -> bool:
    return head.needs is NO_NEEDS and not (head.has_wishes or head.home or call.tags or call.keeper)


def _window(deployment: Deployment) -> int:
    facts = deployment.facts
    return _NO_LIMIT if facts is None or facts.context_tokens is None else facts.context_tokens


def _output_limit(deployment: Deployment) -> int:
    facts = deployment.facts
    return _NO_LIMIT if facts is None or facts.output_tokens is None else facts.output_tokens
