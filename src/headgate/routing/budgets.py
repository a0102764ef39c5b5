"""What second attempts may cost: a budget of retries, a purse of money for hedges, and whether hedging is of use. Pure.

Retries as in Finagle (https://finagle.github.io/blog/2016/02/08/retry-budgets): a share of the calls of the last
seconds and a floor besides, so that an outage is not answered by a storm. Hedges are paid from a share of what calls
cost, which bounds their sum for every sequence of calls: spent <= share * settled + the most the purse could hold.
"""

from collections import deque
from math import exp, inf
from typing import Final, Literal

RETRY_SHARE: Final = 0.2
RETRY_FLOOR_HZ: Final = 10.0
RETRY_MEMORY_S: Final = 10.0
HEDGE_SHARE: Final = 0.03
PURSE_START_NANO_USD: Final = 10_000_000
"""A cent, so that the first calls can be hedged too."""
PURSE_HEDGES: Final = 30
"""The purse never holds more than so many usual hedges cost, or what comes in within `PURSE_INCOME_S`."""
PURSE_INCOME_S: Final = 10.0
WINDOW: Final = 100
FIRED_MIN: Final = 20
WINS_MIN: Final = 0.1
RECOVER_S: Final = 300.0
FOLD_S: Final = 0.1
"""What comes in is added up so often, and when something is asked for."""
_LEARN: Final = 0.1

Patience = Literal["p95", "p99", "off"]
"""After which quantile of its time to the first token a request is hedged."""
_LEVELS: Final[tuple[Patience, ...]] = ("p95", "p99", "off")


class RetryBudget:
    """How many attempts beyond the first all calls together may make: 20 % of them and 10 a second."""

    __slots__ = ("_calls", "_credit", "_floor", "_last_s")

    def __init__(self) -> None:
        self._calls = 0
        """Since the last look at the clock: every call comes by here, so that is not each time."""
        self._credit = 0.0
        self._floor = RETRY_FLOOR_HZ
        self._last_s = -inf

    def called(self, now_s: float) -> None:
        """A call has made its first attempt."""
        self._calls += 1
        if now_s >= self._last_s + FOLD_S:
            self._fold(now_s)

    def take(self, now_s: float, cost: float = 1.0) -> bool:
        """Pays for another attempt; False: not now."""
        self._fold(now_s)
        if self._credit + self._floor < cost:
            return False
        from_credit = min(self._credit, cost)
        self._credit -= from_credit
        self._floor -= cost - from_credit
        return True

    def _fold(self, now_s: float) -> None:
        age_s = 0.0 if self._last_s == -inf else max(0.0, now_s - self._last_s)
        self._last_s = now_s
        self._credit = (self._credit + RETRY_SHARE * self._calls) * exp(-age_s / RETRY_MEMORY_S)
        self._calls = 0
        self._floor = min(RETRY_FLOOR_HZ, self._floor + RETRY_FLOOR_HZ * age_s)


class Purse:
    """Money for hedges, in whole nano-USD."""

    __slots__ = ("_balance", "_earned", "_income_per_s", "_last_s", "_usual", "cap", "share")

    def __init__(self, share: float = HEDGE_SHARE) -> None:
        self.share = share
        self._balance = PURSE_START_NANO_USD if share > 0.0 else 0
        self.cap = self._balance
        """The most it may hold; it only grows."""
        self._earned = 0
        """Settled since the last look at the clock."""
        self._usual = 0.0
        self._income_per_s = 0.0
        self._last_s = -inf

    @property
    def balance(self) -> int:
        """What is in it."""
        self._fold(self._last_s)
        return self._balance

    def earn(self, settled_nano_usd: int, now_s: float) -> None:
        """A call was settled at that cost."""
        self._earned += settled_nano_usd
        if now_s >= self._last_s + FOLD_S:
            self._fold(now_s)

    def _fold(self, now_s: float) -> None:
        income, self._earned = int(self._earned * self.share), 0
        age_s = 0.0 if self._last_s == -inf else max(0.0, now_s - self._last_s)
        self._last_s = now_s
        self._income_per_s = self._income_per_s * exp(-age_s / PURSE_INCOME_S) + income / PURSE_INCOME_S
        limit = max(PURSE_HEDGES * self._usual, self._income_per_s * PURSE_INCOME_S, PURSE_START_NANO_USD)
        self.cap = max(self.cap, int(limit))
        if self._balance < int(limit):
            self._balance = min(self._balance + income, int(limit))

    def take(self, nano_usd: int) -> bool:
        """Pays for a hedge that will probably cost so much; False: there is not enough, and nothing is taken."""
        if self.share <= 0.0:
            return False
        self._usual += _LEARN * (nano_usd - self._usual)
        if nano_usd > self.balance:
            return False
        self._balance -= nano_usd
        return True

    def settle(self, taken_nano_usd: int, actual_nano_usd: int) -> None:
        """A hedge has cost more or less than was taken; a debt is paid from what comes in."""
        self._balance += taken_nano_usd - actual_nano_usd


class Efficacy:
    """Whether hedges win. When everything is slow at once they only add load: then they wait longer, and then stop."""

    __slots__ = ("_level", "_outcomes", "_since_s")

    def __init__(self) -> None:
        self._level = 0
        self._since_s = 0.0
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)

    def patience(self, now_s: float) -> Patience:
        """How long to wait before a hedge; a step back to normal after every five minutes."""
        if self._level and now_s - self._since_s >= RECOVER_S:
            self._level, self._since_s = self._level - 1, now_s
            self._outcomes.clear()
        return _LEVELS[self._level]

    def hedged(self, *, has_won: bool, now_s: float) -> None:
        """A hedge has come to its end."""
        outcomes = self._outcomes
        outcomes.append(has_won)
        if len(outcomes) >= FIRED_MIN and sum(outcomes) < WINS_MIN * len(outcomes) and self._level < len(_LEVELS) - 1:
            self._level, self._since_s = self._level + 1, now_s
            outcomes.clear()
