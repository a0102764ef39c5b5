"""Credit in two steps against a dictionary: pending, posted up to its amount, void, or expired; each once."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.exc import DatabaseError

from headgate.core.problems import InvalidRequest, NotFound
from headgate.ledger import credit, pending
from headgate.ledger.credit import Credit, Difference
from headgate.store.memory import open_memory
from headgate.store.queries import audit, proposals, transfers
from headgate.store.queries.proposals import Proposal
from headgate.store.tables import PROPOSALS, RESOLUTIONS

ACCOUNT = "org_1"
references = st.sampled_from("abc")


class TwoSteps(RuleBasedStateMachine):
    """One account, some references; nothing of it is used meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.store = open_memory()
        self.pending: dict[tuple[str, str], int] = {}
        self.ends: dict[tuple[str, str], int] = {}
        self.balance = 0

    @property
    def held(self) -> int:
        return sum(n for name, n in self.pending.items() if name[0] == "refund" and name not in self.ends)

    @rule(kind=st.sampled_from(["top-up", "refund"]), reference=references, amount=st.integers(1, 50))
    def propose(self, kind: str, reference: str, amount: int) -> None:
        name, wanted = (kind, reference), Credit(ACCOUNT, kind, amount, reference)
        known = self.pending.get(name)
        is_new = known is None
        if (not is_new and known != amount) or (is_new and kind == "refund" and amount > self.balance - self.held):
            with pytest.raises(InvalidRequest):
                credit.propose(self.store, wanted, [], actor="t")
            return
        credit.propose(self.store, wanted, [], actor="t")
        self.pending[name] = amount

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), amount=st.one_of(st.just(0), st.integers(1, 60)))
    def post(self, data: st.DataObject, amount: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.pending)))
        posted = amount or self.pending[name]
        end = self.ends.get(name)
        wanted = Credit(ACCOUNT, name[0], amount, name[1])
        if posted > self.pending[name] or end not in (None, posted):
            with pytest.raises(InvalidRequest):
                credit.post(self.store, wanted, actor="t")
            return
        assert credit.post(self.store, wanted, actor="t").nano_usd == posted
        if end is None:
            self.ends[name] = posted
            self.balance += posted if name[0] == "top-up" else -posted

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.pending)))
        wanted = Credit(ACCOUNT, name[0], 0, name[1])
        if self.ends.get(name):
            with pytest.raises(InvalidRequest, match="was posted"):
                credit.void(self.store, wanted, actor="t")
            return
        credit.void(self.store, wanted, actor="t")
        self.ends[name] = 0

    @rule(reference=references, amount=st.integers(1, 50))
    def grant_what_is_pending(self, reference: str, amount: int) -> None:
        if ("top-up", reference) in self.pending:
            is_posted = self.ends.get(("top-up", reference)) == amount
            if not is_posted:
                with pytest.raises(InvalidRequest):
                    credit.grant(self.store, Credit(ACCOUNT, "top-up", amount, reference), [], actor="t")

    @invariant()
    def it_is_as_told(self) -> None:
        with self.store.read() as connection:
            assert credit.credited(connection, ACCOUNT) == self.balance
            assert credit.held(connection, ACCOUNT) == self.held
            undecided = proposals.undecided(connection, credit.credit_account(ACCOUNT), 1)
            assert {tuple(each.id.split(f" {ACCOUNT} ")) for each in undecided} == self.pending.keys() - self.ends
            assert credit.verify(connection) == []
            # every change once, and nothing besides
            assert len(audit.newest(connection, 1000)) == len(self.pending) + len(self.ends)
            assert self.balance >= self.held

    def teardown(self) -> None:
        self.store.close()


class TestTwoSteps(TwoSteps.TestCase):
    settings = settings(max_examples=8, stateful_step_count=20, deadline=None)


def test_what_expires_comes_to_nothing_by_itself():
    waiting = Proposal(id="p", at_us=1, debit="a", credit="b", nano_usd=5, kind="top-up", expires_us=10)
    with open_memory() as store, store.write() as connection:
        pending.propose(connection, waiting)
        assert proposals.held(connection, "a", 9) == 5
        assert proposals.held(connection, "a", 10) == 0
        with pytest.raises(InvalidRequest, match="expired"):
            pending.post(connection, "p", None, 10)
        assert pending.post(connection, "p", None, 9).nano_usd == 5
        assert transfers.balances(connection) == {"a": -5, "b": 5}


def test_no_more_is_posted_than_is_pending_nor_paid_back_than_is_left():
    with open_memory() as store:
        credit.propose(store, Credit(ACCOUNT, "top-up", 10, "in"), [], actor="t")
        with pytest.raises(InvalidRequest, match="no more than is pending"):
            credit.post(store, Credit(ACCOUNT, "top-up", 11, "in"), actor="t")
        credit.post(store, Credit(ACCOUNT, "top-up", 9, "in"), actor="t")
        credit.propose(store, Credit(ACCOUNT, "refund", 6, "back"), [], actor="t")
        with pytest.raises(InvalidRequest, match="left of what was paid in"):
            credit.propose(store, Credit(ACCOUNT, "refund", 4, "more"), [], actor="t")
        credit.grant(store, Credit(ACCOUNT, "refund", 3, "more"), [], actor="t")


def test_what_there_is_not_and_what_was_posted_otherwise():
    with open_memory() as store:
        with pytest.raises(NotFound):
            credit.void(store, Credit(ACCOUNT, "top-up", 0, "nothing"), actor="t")
        credit.grant(store, Credit(ACCOUNT, "top-up", 5, "paid"), [], actor="t")
        with pytest.raises(InvalidRequest, match="posted already"):
            credit.propose(store, Credit(ACCOUNT, "top-up", 5, "paid"), [], actor="t")
        with pytest.raises(InvalidRequest, match="given at once"):
            credit.propose(store, Credit(ACCOUNT, "promotion", 5, "x"), [], actor="t")


def test_what_was_decided_is_not_changed_and_a_wrong_book_is_found():
    with open_memory() as store:
        credit.propose(store, Credit(ACCOUNT, "top-up", 5, "x"), [], actor="t")
        credit.void(store, Credit(ACCOUNT, "top-up", 0, "x"), actor="t")
        for table in (PROPOSALS, RESOLUTIONS):
            for change in (table.update().values(at_us=0), table.delete()):
                with pytest.raises(DatabaseError, match="only added to"), store.write() as connection:
                    connection.execute(change)
        with store.write() as connection:
            known = proposals.find(connection, f"top-up {ACCOUNT} x")
            assert known is not None
            wrong = {name: getattr(known[0], name) for name in ("id", "at_us", "debit", "credit", "nano_usd", "kind")}
            transfers.post(connection, [transfers.Transfer(**wrong)])
            assert credit.verify(connection) == [Difference(f"pending top-up {ACCOUNT} x: resolved and posted", 0, 5)]
