"""Holds over a hierarchy: all or nothing at every level, against a model that only adds up."""

from collections.abc import Iterable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.limits import compiling
from headgate.limits.amounts import Amounts, amounts, plus
from headgate.limits.compiling import BudgetOf, Gauges, Level, TooManyUsers, Whose
from headgate.limits.holds import Allowance, Asked, Hold, Place
from headgate.limits.terms import BudgetTerm, RateTerm, Terms

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 20_000 * DAY
KEYS = {"one": "red", "two": "red", "three": "blue"}


class NoBooks:
    def load(self, budget: BudgetOf) -> None:
        pass

    def credited(self, id: str) -> int:
        return {"rich": 9, "poor": 1}[id]

    def users(self, kind: str, id: str) -> Iterable[str]:
        return ()


def compiled(*levels: Level) -> Allowance:
    allowance = Gauges(NoBooks()).compile(levels)
    assert allowance is not None
    return allowance


def money(nano_usd: int, **more: object) -> BudgetTerm:
    return BudgetTerm(nano_usd=nano_usd, **{"window": "day", **more})


def asked(nano_usd: int = 1, **more: object) -> Asked:
    return Asked(START, amounts(1, 1, nano_usd), **more)


def test_who_has_no_limits_has_no_allowance():
    assert Gauges(NoBooks()).compile([Level("organisation", "o", Terms()), Level("key", "k", Terms())]) is None


def test_the_level_that_refuses_names_itself_and_nothing_is_held():
    allowance = compiled(
        Level("organisation", "o", Terms(budgets=(money(100),))),
        Level("key", "k", Terms(rates=(RateTerm(of="requests", most=5),), budgets=(money(10),))),
    )
    refused = allowance.hold(asked(11))
    assert refused == ("key", "0.00000001 USD per day", None, True, "nano_usd")
    assert [gauge.remaining(START) for gauge in allowance.plain] == [100, 5, 10]


def test_money_is_told_before_rates_and_long_waits_before_short():
    rates = (RateTerm(of="requests", most=1, per="hour"), RateTerm(of="requests", most=1))
    allowance = compiled(Level("team", "t", Terms(rates=rates)), Level("key", "k", Terms(budgets=(money(5),))))
    assert isinstance(allowance.hold(asked(1)), Hold)
    assert allowance.hold(asked(1)).what == "1 requests per hour"
    assert allowance.hold(asked(6)).is_money


def test_gauges_are_shared_by_those_whom_they_limit():
    gauges = Gauges(NoBooks())
    team = Level("team", "t", Terms(budgets=(money(5),)))
    one, two = (gauges.compile([team, Level("key", name, Terms())]) for name in ("one", "two"))
    one.hold(asked(4))
    assert two.hold(asked(2)).level == "team"


def test_a_raised_budget_keeps_what_was_used():
    gauges = Gauges(NoBooks())
    gauges.compile([Level("key", "k", Terms(budgets=(money(5),)))]).hold(asked(5))
    raised = gauges.compile([Level("key", "k", Terms(budgets=(money(8),)))])
    assert raised.hold(asked(4)) == ("key", "0.000000008 USD per day", 1_000_000, False, "nano_usd")
    assert isinstance(raised.hold(asked(3)), Hold)


def at(*providers: str, model: str = "x") -> tuple[Place, ...]:
    return tuple(Place(provider, frozenset({model, f"{provider}/{model}"})) for provider in providers)


def test_a_model_has_limits_of_its_own():
    allowance = compiled(Level("key", "k", Terms(rates=(RateTerm(of="requests", most=1, model="m"),))))
    assert isinstance(allowance.hold(asked(places=at("a", model="m"))), Hold)
    assert allowance.hold(asked(places=at("a", model="m"))).level == "key"
    assert isinstance(allowance.hold(asked(places=at("a", model="n"))), Hold)
    assert allowance.hold(asked(places=at("a", model="m") + at("a", model="n"))).places == at("a", model="n")
    assert allowance.shown == {}


def test_a_provider_without_room_is_left_out_and_only_the_one_that_answered_is_booked():
    allowance = compiled(Level("key", "k", Terms(budgets=(money(10, provider="a"), money(20, provider="b")))))
    hold = allowance.hold(asked(9, places=at("a", "b", "c")))
    assert hold.places == at("a", "b", "c")
    assert allowance.hold(asked(9, places=at("a", "b"))).places == at("b")
    assert allowance.hold(asked(9, places=at("a"))).wait_us == 1_000_000
    assert hold.grow(START, Amounts(nano_usd=1)) is None
    assert hold.grow(START, Amounts(nano_usd=1)).level == "key"
    hold.settle(START, amounts(1, 1, 8), at("b")[0])
    assert [each.gauge.remaining(START) for each in allowance.scoped] == [10, 20 - 9 - 8]


def test_what_runs_where_nothing_was_held_is_booked_there():
    allowance = compiled(Level("key", "k", Terms(budgets=(money(10, provider="a"), money(20, provider="b")))))
    hold = allowance.hold(asked(9, places=at("a")))
    hold.settle(START, amounts(1, 1, 8), at("b")[0])
    assert [each.gauge.remaining(START) for each in allowance.scoped] == [10, 12]


def test_what_ran_nowhere_is_booked_nowhere():
    allowance = compiled(Level("key", "k", Terms(budgets=(money(10, provider="a"), money(10, provider="b")))))
    allowance.hold(asked(9, places=at("a"))).settle(START, amounts(1, 1, 8))
    assert [each.gauge.remaining(START) for each in allowance.scoped] == [10, 10]


def test_what_nothing_was_held_for_is_booked_all_the_same():
    allowance = compiled(Level("key", "k", Terms(budgets=(money(10), money(10, provider="a")))))
    allowance.unheld(Asked(START, Amounts())).settle(START, amounts(1, 1, 15), at("a")[0])
    assert allowance.plain[0].used(START) == (15, 0)
    assert allowance.scoped[0].gauge.used(START) == (15, 0)


def test_a_hold_is_settled_once():
    allowance = compiled(Level("key", "k", Terms(budgets=(money(10),))))
    hold = allowance.hold(asked(9))
    for _ in range(2):
        hold.settle(START, amounts(1, 1, 3))
    assert allowance.plain[0].used(START) == (3, 0)


def test_prepaid_credit_is_all_there_is():
    prepaid = Terms(is_prepaid=True)
    assert isinstance(compiled(Level("organisation", "rich", prepaid)).hold(asked(9)), Hold)
    refused = compiled(Level("organisation", "poor", prepaid)).hold(asked(9))
    assert refused == ("organisation", "prepaid credit", None, True, "nano_usd")


def test_every_end_user_has_their_own():
    each = Terms(each_user_rates=(RateTerm(of="requests", most=1),), each_user_budgets=(money(5, provider="a"),))
    allowance = compiled(Level("team", "t", each))
    assert isinstance(allowance.hold(asked(user="ann")), Hold)
    assert allowance.hold(asked(user="ann")).level == "end user"
    assert isinstance(allowance.hold(asked(user="bob")), Hold)
    assert isinstance(allowance.hold(asked()), Hold)


def test_a_new_end_user_is_refused_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiling, "USERS_MAX", 1)
    allowance = compiled(Level("team", "t", Terms(each_user_budgets=(money(5),))))
    allowance.hold(asked(user="ann"))
    with pytest.raises(TooManyUsers):
        allowance.hold(asked(user="bob"))
    assert isinstance(allowance.hold(asked(user="ann")), Hold)


class Spent(NoBooks):
    """Books in which Ann has used 4 of everything."""

    def load(self, budget: BudgetOf) -> None:
        if budget.whose.user == "ann":
            budget.budget.load(START, START, 4)

    def users(self, kind: str, id: str) -> Iterable[str]:
        return ("ann",)


def test_what_end_users_had_used_is_known_and_stays_when_terms_change():
    gauges = Gauges(Spent())
    levels = [[Level("team", "t", Terms(each_user_budgets=(money(most),)))] for most in (5, 6)]
    before = gauges.compile(levels[0])
    assert before.hold(asked(2, user="ann")).is_money
    assert isinstance(before.hold(asked(3, user="bob")), Hold)
    after = gauges.compile(levels[1])
    assert gauges.compile(levels[1]) is not None
    assert isinstance(after.hold(asked(2, user="ann")), Hold)
    assert after.hold(asked(4, user="bob")).level == "end user"
    assert before.hold(asked(1, user="ann")).what == "0.000000006 USD per day"
    assert [each.whose for each in gauges.budgets()] == [
        Whose("team", "t", "ann"),
        Whose("team", "t", "bob"),
    ]


LEVELS = {
    "o": Terms(budgets=(money(60), BudgetTerm(window="PT2H", tokens=40))),
    "red": Terms(budgets=(money(35), money(9, model="m"), money(12, provider="p"))),
    "blue": Terms(rates=(RateTerm(of="concurrency", most=2),)),
    "one": Terms(budgets=(money(20, window="total"),), rates=(RateTerm(of="concurrency", most=3),)),
    "two": Terms(each_user_budgets=(money(8),)),
    "three": Terms(budgets=(money(30),)),
}
AMOUNT = st.integers(0, 9)


class Ended:
    def __init__(self, key: str, asked: Asked) -> None:
        self.key, self.asked = key, asked
        self.place = Place()
        self.used = Amounts()


class Hierarchy(RuleBasedStateMachine):
    """Calls of three keys of two teams begin, grow, end, in any order; the process dies and is started again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START + 13 * HOUR
        self.open: list[tuple[Ended, Hold]] = []
        self.ended: list[Ended] = []
        self.start()

    def start(self) -> None:
        self.gauges = Gauges(self)
        self.allowances = {
            key: self.gauges.compile(
                [
                    Level("organisation", "o", LEVELS["o"]),
                    Level("team", team, LEVELS[team]),
                    Level("key", key, LEVELS[key]),
                ]
            )
            for key, team in KEYS.items()
        }

    def load(self, budget: BudgetOf) -> None:
        for call in sorted(self.ended, key=lambda call: call.asked.now_us):
            if self.counts(budget.whose, call, call.place):
                budget.budget.load(self.now, call.asked.now_us, call.used[budget.budget.unit])

    def users(self, kind: str, id: str) -> Iterable[str]:
        return {call.asked.user for call in self.ended if kind == "key" and call.key == id and call.asked.user}

    def counts(self, whose: Whose, call: Ended, place: Place) -> bool:
        return (
            whose.id in ("o", KEYS[call.key], call.key)
            and whose.user in ("", call.asked.user)
            and (not whose.model or whose.model in place.names)
            and whose.provider in ("", place.provider)
        )

    def expected(self, budget: BudgetOf) -> tuple[int, int]:
        """Settled and held, by adding up."""
        unit = budget.budget.unit
        settled = sum(
            call.used[unit]
            for call in self.ended
            if self.counts(budget.whose, call, call.place) and self.is_within(budget, call.asked.now_us)
        )
        held = sum(
            hold.held[unit]
            for call, hold in self.open
            if any(self.counts(budget.whose, call, place) for place in hold.places)
            and (budget.term.window == "PT2H" or self.is_within(budget, call.asked.now_us))
        )
        return settled, held

    def is_within(self, budget: BudgetOf, at_us: int) -> bool:
        if budget.term.window == "PT2H":
            slot = 2 * HOUR // 60
            return at_us - at_us % slot + slot + 2 * HOUR > self.now
        return budget.term.window == "total" or at_us // DAY == self.now // DAY

    @rule(minutes=st.integers(0, 100))
    def wait(self, minutes: int) -> None:
        self.now += minutes * 60_000_000

    @rule(key=st.sampled_from(sorted(KEYS)), cost=AMOUNT, tokens=AMOUNT, model=st.sampled_from("mn"), data=st.data())
    def begin(self, key: str, cost: int, tokens: int, model: str, data: st.DataObject) -> None:
        providers = data.draw(st.sampled_from([("p",), ("q",), ("p", "q")]))
        user = data.draw(st.sampled_from(["", "ann", "bob"]))
        wanted = Asked(self.now, amounts(0, tokens, cost), at(*providers, model=model), user)
        hold = self.allowances[key].hold(wanted)
        if isinstance(hold, Hold):
            self.open.append((Ended(key, wanted), hold))
        elif "at a time" not in hold.what:
            assert any(self.is_short(budget, Ended(key, wanted)) for budget in self.gauges.budgets())
        for budget in self.gauges.budgets():
            settled, held = self.expected(budget)
            if isinstance(hold, Hold) and hold.held[budget.budget.unit] and self.is_in_way(budget, self.open[-1]):
                assert settled + held <= budget.budget.terms.most

    def is_short(self, budget: BudgetOf, call: Ended) -> bool:
        """Whether a call would not fit, by adding up."""
        asked, unit = call.asked, budget.budget.unit
        is_meant = any(self.counts(budget.whose, call, place) for place in asked.places)
        return is_meant and sum(self.expected(budget)) + asked.hold[unit] > budget.budget.terms.most

    def is_in_way(self, budget: BudgetOf, call: tuple[Ended, Hold]) -> bool:
        return any(self.counts(budget.whose, call[0], place) for place in call[1].places)

    @precondition(lambda self: self.open)
    @rule(more=AMOUNT, data=st.data())
    def grow(self, more: int, data: st.DataObject) -> None:
        _, hold = data.draw(st.sampled_from(self.open))
        before, extra = hold.held, Amounts(nano_usd=more, budget_tokens=more)
        denial = hold.grow(self.now, extra)
        assert hold.held == (before if denial else plus(before, extra))

    @precondition(lambda self: self.open)
    @rule(share=st.integers(0, 4), data=st.data())
    def end(self, share: int, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.open) - 1))
        call, hold = self.open.pop(place)
        call.place = data.draw(st.sampled_from([*hold.places, *at("p", "q", model="m")]))
        call.used = Amounts(*(held * share // 4 for held in hold.held))
        hold.settle(self.now, call.used, call.place)
        self.ended.append(call)

    @rule()
    def die(self) -> None:
        """Calls under way are gone, and so is what they held; what was booked is read again."""
        self.open = []
        self.start()

    @invariant()
    def it_adds_up(self) -> None:
        for budget in self.gauges.budgets():
            assert budget.budget.used(self.now) == self.expected(budget), budget.whose


Hierarchy.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestHierarchy = Hierarchy.TestCase
