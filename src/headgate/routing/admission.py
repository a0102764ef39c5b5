"""Who goes next when there is not room for all: a queue with deadlines, classes and fairness. Time is an argument.

Classes go strictly before each other. Within one, tenants share by what they have consumed, not by how many requests
they send: the virtual token counter (Sheng et al., Fairness in Serving Large Language Models, OSDI 2024,
https://arxiv.org/abs/2401.00588), weighted. Whoever comes back from a pause starts level with the others and not with
credit. Who cannot be served before the deadline is told at once.
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
OUTPUT_WEIGHT: Final = 2.0
"""What a token that comes out counts, where one that goes in counts 1."""
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
    """One queue. `slots` may be on their way at a time."""

    __slots__ = ("_counters", "_lanes", "_service_s", "_waiting", "running", "slots")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.running = 0
        self._waiting = 0
        self._lanes: dict[int, dict[str, deque[Entrant]]] = {}
        """By class, by tenant, in order of arrival."""
        self._counters: dict[str, float] = {}
        """What each tenant has consumed, by its weight."""
        self._service_s = 1.0
        """How long a request usually holds its slot."""

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

    def enter(self, entrant: Entrant, now_s: float) -> bool | Refused:
        """True: it may go. False: it waits, until `next` names it."""
        self._lift(entrant.tenant)
        if self.running < self.slots and not self._waiting:
            self._go(entrant)
            return True
        wait_s = self._service_s * (self._waiting + 1) / max(self.slots, 1)
        lane = self._lanes.setdefault(entrant.priority, {})
        own = lane.setdefault(entrant.tenant, deque())
        why = (
            "full"
            if self._waiting >= WAITING_MAX
            else "tenant_full"
            if len(own) >= TENANT_WAITING_MAX
            else "late"
            if now_s + self._service_s / max(self.slots, 1) > entrant.deadline_s
            else ""
        )
        if why:
            self._tidy(entrant.priority, entrant.tenant)
            return Refused(why, wait_s)
        own.append(entrant)
        self._waiting += 1
        return False

    def next(self, now_s: float) -> tuple[list[Entrant], list[Entrant]]:
        """Who may go now, and whose deadline has passed: both are out of the queue."""
        late = self._late(now_s)
        going: list[Entrant] = []
        while self.running < self.slots and self._waiting:
            priority = min(self._lanes)
            lane = self._lanes[priority]
            tenant = min(lane, key=lambda name: self._counters.get(name, 0.0))
            entrant = lane[tenant].popleft()
            self._waiting -= 1
            self._tidy(priority, tenant)
            self._go(entrant)
            going.append(entrant)
        return going, late

    def leave(self, id: str) -> bool:
        """A request that waits does not want to any more. False: it is not here."""
        for priority, lane in self._lanes.items():
            for tenant, entrants in lane.items():
                for entrant in entrants:
                    if entrant.id == id:
                        entrants.remove(entrant)
                        self._waiting -= 1
                        self._tidy(priority, tenant)
                        return True
        return False

    def done(self, entrant: Entrant, actual_cost: float, held_s: float) -> None:
        """One that went is over: what it consumed in truth, and how long it held its slot."""
        self.running -= 1
        self._service_s += _LEARN * (max(held_s, 0.0) - self._service_s)
        self._charge(entrant, actual_cost - entrant.cost)

    def _go(self, entrant: Entrant) -> None:
        self.running += 1
        self._charge(entrant, entrant.cost)

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

    def _late(self, now_s: float) -> list[Entrant]:
        found: list[Entrant] = []
        for priority, lane in list(self._lanes.items()):
            for tenant, entrants in list(lane.items()):
                if min((each.deadline_s for each in entrants), default=inf) > now_s:
                    continue
                late = [each for each in entrants if each.deadline_s <= now_s]
                found += late
                self._waiting -= len(late)
                lane[tenant] = deque(each for each in entrants if each.deadline_s > now_s)
                self._tidy(priority, tenant)
        return found

    def _tidy(self, priority: int, tenant: str) -> None:
        """Nothing is kept of who does not wait."""
        lane = self._lanes[priority]
        if not lane[tenant]:
            del lane[tenant]
        if not lane:
            del self._lanes[priority]
