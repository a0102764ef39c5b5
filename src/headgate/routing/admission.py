"""Who goes next when nobody may go just now: a queue with deadlines, classes and fairness. Pure: time is an argument.

Classes go strictly before each other, but whoever waits rises by one in each half a minute. Within one, tenants share
by what they have consumed, not by how many requests they send: the virtual token counter (Sheng et al., Fairness in
Serving Large Language Models, OSDI 2024, https://arxiv.org/abs/2401.00588), weighted. Whoever comes back from a pause
starts level with the others and not with credit. Who cannot be served before the deadline is told at once. Whether the
first in line may go is not decided here.
"""

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import Final

from msgspec import Struct

WAITING_MAX: Final = 1000
TENANT_WAITING_MAX: Final = 100
"""Of one tenant, so that nobody fills the queue alone."""
TENANTS_MAX: Final = 10_000
RISE_S: Final = 30.0
"""Who has waited so long goes with the class above its own, so that nobody is kept waiting for ever."""
OUTPUT_WEIGHT: Final = 2.0
"""What a token that comes out counts, where one that goes in counts 1."""
PACE_S_MAX: Final = 1.0
"""A longer time between two that go is a pause and no pace."""
_LEARN: Final = 0.1


class Entrant(Struct, frozen=True, kw_only=True, gc=False):
    """A request that wants to go."""

    id: str
    tenant: str
    input_tokens: int
    output_tokens: int
    deadline_s: float
    """After which there is no use in it."""
    priority: int = 0
    """Lower classes go first."""
    since_s: float = 0.0
    """When it came."""
    weight: float = 1.0
    """Of the tenant: twice the weight, twice the tokens."""

    @property
    def cost(self) -> float:
        """What it will probably consume."""
        return self.input_tokens + OUTPUT_WEIGHT * self.output_tokens


class Refused(Struct, frozen=True, gc=False):
    """There is no room, or not in time."""

    why: str
    """`full`, `tenant_full` or `late`."""
    retry_after_s: float


class Admission:
    """One queue."""

    __slots__ = ("_counters", "_lanes", "_last_s", "_pace_s", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        """How many wait."""
        self._lanes: dict[int, dict[str, deque[Entrant]]] = {}
        """By class, by tenant, in order of arrival."""
        self._counters: dict[str, float] = {}
        """What each tenant has consumed, by its weight."""
        self._pace_s = 0.0
        """How long it usually is from one that goes to the next."""
        self._last_s: float | None = None

    def enter(self, entrant: Entrant, wait_s: float, now_s: float) -> Refused | None:
        """It waits from now on, unless it is refused. `wait_s`: nobody may go before."""
        self._lift(entrant.tenant)
        ahead = sum(
            len(each) for priority, lane in self._lanes.items() if priority < entrant.priority for each in lane.values()
        )
        lane = self._lanes.setdefault(entrant.priority, {})
        own = lane.setdefault(entrant.tenant, deque())
        turn_s = wait_s + self._pace_s * (ahead + len(own) * max(len(lane), 1))
        why = (
            "full"
            if self.waiting >= WAITING_MAX
            else "tenant_full"
            if len(own) >= TENANT_WAITING_MAX
            else "late"
            if now_s + turn_s > entrant.deadline_s
            else ""
        )
        if why:
            self._tidy(entrant.priority, entrant.tenant)
            return Refused(why, turn_s)
        own.append(entrant)
        self.waiting += 1
        return None

    def first(self, now_s: float) -> Entrant | None:
        """Who goes next: of the best class, who has had least; and whoever came first of one that has had as much."""
        heads = (own[0] for lane in self._lanes.values() for own in lane.values())
        counters = self._counters
        return min(
            heads,
            key=lambda each: (_risen(each, now_s), counters.get(each.tenant, 0.0), each.since_s),
            default=None,
        )

    def go(self, entrant: Entrant, now_s: float) -> None:
        """The first in line goes."""
        self._lanes[entrant.priority][entrant.tenant].popleft()
        self.waiting -= 1
        self._tidy(entrant.priority, entrant.tenant)
        self._charge(entrant, entrant.cost)
        if self._last_s is not None:
            self._pace_s += _LEARN * (min(max(now_s - self._last_s, 0.0), PACE_S_MAX) - self._pace_s)
        self._last_s = now_s

    def leave(self, id: str) -> bool:
        """A request that waits does not want to any more. False: it is not here."""
        for priority, lane in self._lanes.items():
            for tenant, entrants in lane.items():
                for entrant in entrants:
                    if entrant.id == id:
                        entrants.remove(entrant)
                        self.waiting -= 1
                        self._tidy(priority, tenant)
                        return True
        return False

    def done(self, entrant: Entrant, actual_cost: float) -> None:
        """One that went is over: what it consumed in truth."""
        self._charge(entrant, actual_cost - entrant.cost)

    def late(self, now_s: float) -> list[Entrant]:
        """Those whose deadline has passed: they are out of the queue."""
        found: list[Entrant] = []
        for priority, lane in list(self._lanes.items()):
            for tenant, entrants in list(lane.items()):
                late = [each for each in entrants if each.deadline_s <= now_s]
                if late:
                    found += late
                    self.waiting -= len(late)
                    lane[tenant] = deque(each for each in entrants if each.deadline_s > now_s)
                    self._tidy(priority, tenant)
        return found

    def soonest_s(self) -> float:
        """The next deadline of those who wait; infinite: nobody does."""
        return min(
            (each.deadline_s for lane in self._lanes.values() for own in lane.values() for each in own), default=inf
        )

    def _charge(self, entrant: Entrant, cost: float) -> None:
        counter = self._counters.get(entrant.tenant, 0.0) + cost / max(entrant.weight, 1e-9)
        self._counters[entrant.tenant] = max(counter, 0.0)

    def _lift(self, tenant: str) -> None:
        """Who has nothing waiting starts level with whoever has consumed least of those who wait."""
        if len(self._counters) >= TENANTS_MAX and tenant not in self._counters:
            self._counters = {name: self._counters[name] for name in self._tenants() if name in self._counters}
        waiting = set(self._tenants())
        if tenant in waiting:
            return
        least = min((self._counters.get(name, 0.0) for name in waiting), default=None)
        if least is not None:
            self._counters[tenant] = max(self._counters.get(tenant, 0.0), least)

    def _tenants(self) -> Iterable[str]:
        return (tenant for lane in self._lanes.values() for tenant in lane)

    def _tidy(self, priority: int, tenant: str) -> None:
        """Nothing is kept of who does not wait."""
        lane = self._lanes[priority]
        if not lane[tenant]:
            del lane[tenant]
        if not lane:
            del self._lanes[priority]


def _risen(entrant: Entrant, now_s: float) -> int:
    """The class of one that waits, by how long."""
    return max(entrant.priority - max(int((now_s - entrant.since_s) / RISE_S), 0), 0)
