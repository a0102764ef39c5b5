"""Callers' limits while calls run: what is held of them, and what is booked when a call has ended, once.

Every call that ends is booked, whether anything was held for it or not. Must not know how much a call may use.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from headgate.core.principal import Sold, Tariff
from headgate.core.problems import HeadgateError, ProblemKind
from headgate.core.record import CallRecord
from headgate.ledger.charging import charge_of, is_empty, winner
from headgate.limits.amounts import Amounts, Denial, amounts
from headgate.limits.budgets import CalendarBudget, RollingBudget
from headgate.limits.gate import Limited
from headgate.limits.holds import Allowance, Asked, Hold, Place

RETRY_S: Final = 30.0
"""When to try again while the disk is nearly full."""
Names = Callable[[str, str, str], frozenset[str]]
"""All that a model is called, from its name as asked for, the provider and that one's own name of it."""


class DiskNearlyFull(HeadgateError):
    """Headgate has little room left on its disk, and takes no call that is paid in advance. Retry later."""

    kind: ProblemKind = "overloaded"
    code = "disk_nearly_full"

    def __init__(self) -> None:
        super().__init__()
        self.problem = structs.replace(self.problem, retry_after_s=RETRY_S)


def as_told(model: str, provider: str, upstream: str) -> frozenset[str]:
    """Where nobody knows more names of a model."""
    return frozenset({model, upstream, f"{provider}/{upstream}"})


def _wall_us() -> int:
    return time.time_ns() // 1000


class Limits:
    """The limits of all callers who have any."""

    def __init__(
        self,
        limited: Mapping[str, Limited],
        names: Names = as_told,
        clock_us: Callable[[], int] = _wall_us,
        tariffs: Mapping[str, Tariff] | None = None,
    ) -> None:
        self.tariffs: Mapping[str, Tariff] = {} if tariffs is None else tariffs
        """Likewise, of the callers who do not pay what it costs."""
        self.limited = limited
        """By the ids of their keys."""
        self.names = names
        self._clock_us = clock_us
        self._held: dict[str, Hold] = {}
        self.is_short_of_disk = False
        """Whether nothing is held of credit paid in advance, since its use might not be written down."""

    def allowance(self, key_id: str) -> Allowance | None:
        """What limits a caller; None: nothing."""
        limited = self.limited.get(key_id)
        return None if limited is None else limited.allowance

    def hold(self, call_id: str, allowance: Allowance, asked: Asked) -> Hold | Denial:
        """Holds it until the call has ended. Raises `DiskNearlyFull`."""
        if self.is_short_of_disk and allowance.is_prepaid:
            raise DiskNearlyFull()
        held = allowance.hold(asked)
        if isinstance(held, Hold):
            self._held[call_id] = held
        return held

    def has_room(self, key_id: str) -> bool:
        """Whether a caller's budgets have anything left, for work that goes on without new calls."""
        allowance = self.allowance(key_id)
        if allowance is None:
            return True
        now_us = self._clock_us()
        return all(
            gauge.remaining(now_us) > 0
            for gauge in allowance.plain
            if isinstance(gauge, CalendarBudget | RollingBudget) and not gauge.terms.is_soft
        )

    def charge(self, record: CallRecord) -> None:
        """Puts on a call that has ended what its caller pays for it, if that is not what it costs."""
        tariff, answered = self.tariffs.get(record.key_id), winner(record)
        usage = record.usage
        if tariff is None or answered is None or usage is None or record.charge_nano_usd is not None:
            return
        if is_empty(record):
            return
        sold = Sold(record.model, answered.provider, answered.model, usage, answered.cost_nano_usd, record.started_us)
        record.charge_nano_usd = tariff.charge(sold)

    def settle(self, record: CallRecord) -> None:
        """Books what a call used that has ended, and lets go of what was held for it."""
        hold = self._held.pop(record.id, None)
        if hold is None:
            allowance = self.allowance(record.key_id)
            if allowance is None or (record.usage is None and not record.charge_nano_usd):
                return
            hold = allowance.unheld(Asked(record.started_us, Amounts(), (), record.user, record.tags))
        usage, used, place = record.usage, Amounts(requests=1), None
        if usage is not None:
            used = amounts(usage.input_tokens, usage.output_tokens, charge_of(record))
        elif record.charge_nano_usd:  # its part of an answer that another call was made for
            used = amounts(0, 0, record.charge_nano_usd)
        if hold.is_scoped and (answered := winner(record)) is not None:
            names = self.names(record.model, answered.provider, answered.model)
            place = Place(answered.provider, names)
        hold.settle(record.started_us + int(record.duration_ms * 1000), used, place)
