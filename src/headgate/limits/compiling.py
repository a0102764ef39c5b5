"""Terms, compiled: the gauges of a caller's levels, each made once and shared by all whom it limits.

A budget that is raised keeps what was used of it; a rate that changes begins anew. Must not know who is whose child.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from headgate.core.problems import HeadgateError, ProblemKind
from headgate.limits.amounts import UNITS, Gauge
from headgate.limits.budgets import Budget, CalendarBudget, RollingBudget
from headgate.limits.budgets import Terms as Told
from headgate.limits.holds import Allowance, Scoped
from headgate.limits.rates import Concurrency, Rate
from headgate.limits.terms import BudgetTerm, RateTerm, Terms, amount_of, budget_words, rate_words
from headgate.limits.windows import CALENDAR, calendar_span, duration_us

USERS_MAX: Final = 100_000
"""End users with limits of their own that are kept for one tenant."""
CREDIT: Final = BudgetTerm(window="total", nano_usd=1)
"""What prepaid credit is like: a budget for all of time, of as much as was paid in."""
CREDIT_WORDS: Final = "prepaid credit"
LEVELS: Final = {"organisation": "organisation", "team": "team", "key": "key", "user": "end user"}


class TooManyUsers(HeadgateError):
    """More end users than limits can be kept for; no new one is let in, rather than let in without a limit."""

    kind: ProblemKind = "overloaded"
    code = "too_many_end_users"


class Level(NamedTuple):
    """One of those whose limits hold for a caller."""

    kind: str
    """Of `LEVELS`."""
    id: str
    terms: Terms


class Whose(NamedTuple):
    """Whose use a budget counts: what must be added up to know how far it is used."""

    kind: str
    id: str
    user: str = ""
    """Of this end user alone; empty: of all."""
    model: str = ""
    provider: str = ""
    tag: str = ""


class BudgetOf(NamedTuple):
    """A budget, and whose use it counts."""

    whose: Whose
    term: BudgetTerm
    budget: Budget


class Books(Protocol):
    """What was used before a budget was made."""

    def load(self, budget: BudgetOf) -> None:
        """Books it."""
        ...

    def credited(self, id: str) -> int:
        """The credit that a tenant was ever given, in nano-USD."""
        ...

    def users(self, kind: str, id: str) -> Iterable[str]:
        """The end users of a tenant who have used anything that may still matter."""
        ...


class Gauges:
    """Every gauge of a process. Compiles in one thread at a time; what is compiled is then used by another."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._rates: dict[tuple[str, str, str, RateTerm], Gauge] = {}
        self._budgets: dict[tuple[Whose, tuple[object, ...]], BudgetOf] = {}
        self._users: dict[Level, dict[str, tuple[Scoped, ...]]] = {}

    def compile(self, levels: Sequence[Level]) -> Allowance | None:
        """What limits a caller with these levels, widest first; None: nothing does."""
        scoped: list[Scoped] = []
        shown: dict[int, tuple[Rate, ...]] = {}
        for level in levels:
            scoped += self._all_of(level)
            if level.terms.is_prepaid:
                whose = Whose(level.kind, level.id)
                told = Told(self._books.credited(level.id), (level.kind, CREDIT_WORDS), is_soft=False)
                scoped.append(Scoped(self._kept(whose, CREDIT, told, is_new=False)))
            for rate in level.terms.rates:
                gauge = self._rate(level, "", rate)
                if isinstance(gauge, Rate) and not rate.model and not rate.tag:
                    shown[gauge.unit] = (*shown.get(gauge.unit, ()), gauge)
        with_users = [each for each in levels if each.terms.each_user_rates or each.terms.each_user_budgets]
        if not scoped and not with_users:
            return None
        for level in with_users:
            self._know_users(level)
        return Allowance(
            plain=tuple(each.gauge for each in scoped if each.is_plain),
            scoped=tuple(each for each in scoped if not each.is_plain),
            has_tags=any(each.tag for each in scoped),
            each_user=partial(self._each_user, tuple(with_users)) if with_users else None,
            is_prepaid=any(each.terms.is_prepaid for each in levels),
            shown=shown,
        )

    def budgets(self) -> list[BudgetOf]:
        """All there are, for those who tell how far they are used."""
        return list(self._budgets.values())

    def _know_users(self, level: Level) -> None:
        """Those of before are made here, where there is time to look up what they have used."""
        if level in self._users:
            return
        known: dict[str, tuple[Scoped, ...]] = {}
        names = set(self._books.users(level.kind, level.id))
        for other in [each for each in self._users if each[:2] == level[:2]]:
            names.update(self._users.pop(other))
        for user in names:
            known[user] = tuple(self._all_of(level, user))
        self._users[level] = known

    def _each_user(self, levels: tuple[Level, ...], user: str) -> tuple[Scoped, ...]:
        """What limits an end user. One that was not known has used nothing yet."""
        found: tuple[Scoped, ...] = ()
        for level in levels:
            known = self._users.setdefault(level, {})
            gauges = known.get(user)
            if gauges is None:
                if len(known) >= USERS_MAX:
                    raise TooManyUsers()
                gauges = known[user] = tuple(self._all_of(level, user, is_new=True))
            found += gauges
        return found

    def _all_of(self, level: Level, user: str = "", *, is_new: bool = False) -> Iterator[Scoped]:
        terms = level.terms
        for rate in terms.each_user_rates if user else terms.rates:
            yield Scoped(self._rate(level, user, rate), rate.model, tag=rate.tag)
        for term in terms.each_user_budgets if user else terms.budgets:
            whose = Whose(level.kind, level.id, user, term.model, term.provider, term.tag)
            yield Scoped(self._budget(whose, term, is_new=is_new), term.model, term.provider, term.tag)

    def _rate(self, level: Level, user: str, rate: RateTerm) -> Gauge:
        name = (level.kind, level.id, user, rate)
        gauge = self._rates.get(name)
        if gauge is None:
            words = (LEVELS["user" if user else level.kind], rate_words(rate))
            if rate.of == "concurrency":
                gauge = Concurrency(rate.most, words)
            else:
                period_us = duration_us(rate.per, "per")
                gauge = Rate(UNITS.index(rate.of), rate.most, period_us, rate.burst or rate.most, words)
            self._rates[name] = gauge
        return gauge

    def _budget(self, whose: Whose, term: BudgetTerm, *, is_new: bool) -> Gauge:
        words = (LEVELS["user" if whose.user else whose.kind], budget_words(term))
        return self._kept(whose, term, Told(amount_of(term), words, is_soft=term.is_soft), is_new=is_new)

    def _kept(self, whose: Whose, term: BudgetTerm, told: Told, *, is_new: bool) -> Gauge:
        name = (whose, (bool(term.tokens), term.window, term.zone, term.is_soft, told.what == CREDIT_WORDS))
        found = self._budgets.get(name)
        if found is None:
            found = self._budgets[name] = BudgetOf(whose, term, _new_budget(term, told))
            if not is_new:
                self._books.load(found)
        elif not is_new:
            found.budget.terms = told
        return found.budget


def _new_budget(term: BudgetTerm, told: Told) -> Budget:
    unit = UNITS.index("budget_tokens" if term.tokens else "nano_usd")
    if term.window in (*CALENDAR, "total"):
        return CalendarBudget(unit, told, partial(calendar_span, term.window, term.zone))
    return RollingBudget(unit, told, duration_us(term.window, "window"))
