"""A caller's limits, all levels in one object, and what one call holds of them: all or nothing, in a fixed order.

Must not know where limits are kept, nor what a call is.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import Struct, field

from headgate.limits.amounts import Amounts, Denial, Gauge, plus
from headgate.limits.rates import Rate


class Place(NamedTuple):
    """Where a call may run, as limits know it."""

    provider: str = ""
    names: frozenset[str] = frozenset()
    """Everything that the model is called there and by the caller."""


class Scoped(NamedTuple):
    """A gauge that counts only for some calls; an empty word: for all."""

    gauge: Gauge
    model: str = ""
    provider: str = ""
    tag: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it counts for every call."""
        return not (self.model or self.provider or self.tag)

    def counts_at(self, place: Place) -> bool:
        """Whether what is used there is used of it."""
        return (not self.provider or self.provider == place.provider) and (not self.model or self.model in place.names)


class Asked(NamedTuple):
    """A call that wants to begin."""

    now_us: int
    hold: Amounts
    """The most that it may use, as far as that can be told beforehand."""
    places: tuple[Place, ...] = ()
    """Where it may run."""
    user: str = ""
    tags: frozenset[str] | tuple[str, ...] = ()


class Allowance(Struct, frozen=True, kw_only=True):
    """All that limits one caller: compiled once, kept with its key. Its gauges are shared with others of its team."""

    plain: tuple[Gauge, ...] = ()
    """For every call."""
    scoped: tuple[Scoped, ...] = ()
    """For some."""
    each_user: Callable[[str], tuple[Scoped, ...]] | None = None
    """The gauges of an end user. None: they have none."""
    has_tags: bool = False
    """Whether the tags of a call matter."""
    is_prepaid: bool = False
    """Whether some of it is credit paid in advance."""
    shown: Mapping[int, tuple[Rate, ...]] = field(default_factory=dict[int, tuple[Rate, ...]])
    """The rates that header fields tell, by unit."""

    @property
    def is_plain(self) -> bool:
        """Whether neither model nor provider nor end user matters."""
        return not self.scoped and self.each_user is None

    def hold(self, asked: Asked) -> "Hold | Denial":
        """Holds it at every level, or at none: the one that a call has to wait for longest says why. Places are left
        out whose model or provider has no room of its own."""
        gauges, scoped = self.plain, ()
        if not self.is_plain:
            gauges, scoped = self._chosen(asked)
        refused: Denial | None = None
        for gauge in gauges:
            denial = gauge.denial(asked.now_us, asked.hold[gauge.unit])
            if denial is not None and (refused is None or _weight(denial) > _weight(refused)):
                refused = denial
        if refused is not None:
            return refused
        if not scoped:
            return Hold(asked, gauges)
        for each in scoped:
            denial = each.gauge.denial(asked.now_us, asked.hold[each.gauge.unit])
            if denial is not None and any(map(each.counts_at, asked.places)):
                refused = denial
                asked = asked._replace(places=tuple(place for place in asked.places if not each.counts_at(place)))
        if not asked.places and refused is not None:
            return refused
        return Hold(asked, gauges, scoped)

    def unheld(self, asked: Asked) -> "Hold":
        """A hold of nothing, for what is only known once it has been used."""
        return Hold(asked, *self._chosen(asked))

    def _chosen(self, asked: Asked) -> tuple[tuple[Gauge, ...], tuple[Scoped, ...]]:
        """Those that count wherever it runs, and the others. What has a tag that the call has not does not count."""
        more = self.scoped
        if self.each_user is not None and asked.user:
            more += self.each_user(asked.user)
        if self.has_tags:
            more = tuple(each for each in more if not each.tag or each.tag in asked.tags)
        plain = tuple(each.gauge for each in more if not each.model and not each.provider)
        return (*self.plain, *plain), tuple(each for each in more if each.model or each.provider)


class Hold:
    """What one call holds. Made by `Allowance.hold`; settled exactly once."""

    __slots__ = ("_elsewhere", "_scoped", "_taken", "held", "is_settled", "places")

    def __init__(self, asked: Asked, gauges: tuple[Gauge, ...], scoped: tuple[Scoped, ...] = ()) -> None:
        self.held = held = asked.hold
        now_us = asked.now_us
        self.places = asked.places
        """Where it may run."""
        self._taken = [(gauge, gauge.take(now_us, held[gauge.unit])) for gauge in gauges]
        meant = [each for each in scoped if any(map(each.counts_at, asked.places))]
        self._scoped = [(each, each.gauge.take(now_us, held[each.gauge.unit])) for each in meant]
        # nothing is held of these, but a call belongs to the window that it began in wherever it comes to run
        self._elsewhere = [(each, each.gauge.take(now_us, 0)) for each in scoped if each not in meant]
        self.is_settled = False

    @property
    def is_scoped(self) -> bool:
        """Whether it matters where the call ran."""
        return bool(self._scoped or self._elsewhere)

    def grow(self, now_us: int, more: Amounts) -> Denial | None:
        """Holds more, at every level or at none."""
        taken = [*self._taken, *((each.gauge, token) for each, token in self._scoped)]
        for gauge, _ in taken:
            amount = more[gauge.unit]
            denial = gauge.denial(now_us, amount) if amount else None
            if denial is not None:
                return denial
        for gauge, token in taken:
            gauge.grow(token, now_us, more[gauge.unit])
        self.held = plus(self.held, more)
        return None

    def settle(self, now_us: int, used: Amounts, place: Place | None = None) -> None:
        """Books what was used, and lets go of the rest; once. `place`: where it was used, which need not be one of
        those that it was held for. None: nowhere."""
        if self.is_settled:
            return
        self.is_settled = True
        held = self.held
        for gauge, token in self._taken:
            gauge.settle(token, now_us, held[gauge.unit], used[gauge.unit])
        for each, token in self._scoped:
            gauge = each.gauge
            is_there = place is not None and each.counts_at(place)
            gauge.settle(token, now_us, held[gauge.unit], used[gauge.unit] if is_there else 0)
        for each, token in self._elsewhere:
            if place is not None and each.counts_at(place):
                each.gauge.settle(token, now_us, 0, used[each.gauge.unit])


def _weight(denial: Denial) -> tuple[bool, bool, int]:
    """Money before rates, what never passes before what does, long before short."""
    return denial.is_money, denial.wait_us is None, denial.wait_us or 0
