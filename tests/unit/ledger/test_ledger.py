"""The ledger against a dictionary: calls that begin, end and are cut off, credit that comes and goes, in any order."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.unit.ledger.test_applier import WORDS, Moody

from headgate.core.problems import InvalidRequest
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.usage import Usage
from headgate.ledger import credit
from headgate.ledger.applier import Applier
from headgate.ledger.credit import Credit
from headgate.ledger.journal import Journal, JournalSettings
from headgate.store.memory import open_memory
from headgate.store.queries import calls, spend

KEYS = ("a", "b")
USD = 10**9
amounts = st.integers(1, 10**12)


class Books(RuleBasedStateMachine):
    """The world does what it likes; a dictionary says what must come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="headgate-")
        self.inner = open_memory()
        self.store = Moody(self.inner)
        self.store.is_out_of_order = False
        self.begun: list[CallStart] = []
        self.ended: dict[str, CallRecord] = {}
        self.cut: set[str] = set()
        self.charges: Counter[str] = Counter()
        self.costs = 0
        self.credited: Counter[str] = Counter()
        self.references: dict[tuple[str, str, str], int] = {}

    @initialize()
    def begin(self) -> None:
        settings = JournalSettings(directory=Path(self.folder.name), durability="os", segment_bytes=1000)
        self.journal = Journal(settings)
        self.applier = Applier(self.journal, self.store)

    @rule(key=st.sampled_from(KEYS))
    def a_call_begins(self, key: str) -> None:
        id = f"call-{len(self.begun) + len(self.ended) + len(self.cut)}"
        attempt = AttemptStart(
            call_id=id, number=1, started_us=1, provider="p", model="m", dialect="d", lane="verbatim"
        )
        start = CallStart(id=id, started_us=10**15, attempt=attempt, **(WORDS | {"key_id": key}))
        self.journal.call_started(start)
        self.begun.append(start)

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0), cost=amounts, lost=st.integers(0, 10**9), is_empty=st.booleans())
    def a_call_ends(self, which: int, cost: int, lost: int, is_empty: bool) -> None:
        """With an attempt beside it that failed and costs the operator alone."""
        start = self.begun.pop(which % len(self.begun))
        usage = Usage(input_tokens=3, output_tokens=0 if is_empty else 2)
        shared = {"provider": "p", "model": "m", "dialect": "d", "lane": "verbatim"}
        failed = Attempt(number=1, cost_nano_usd=lost, outcome="server", **shared)
        answered = Attempt(number=2, usage=usage, cost_nano_usd=cost, **shared)
        record = CallRecord(
            id=start.id,
            started_us=start.started_us,
            status=200,
            attempts=[failed, answered],
            usage=usage,
            cost_nano_usd=cost + lost,
            **(WORDS | {"key_id": start.key_id}),
        )
        self.journal.call_ended(record)
        self.ended[start.id] = record
        self.charges[start.key_id] += 0 if is_empty else cost
        self.costs += cost + lost

    @precondition(lambda self: not self.store.is_out_of_order)
    @rule(key=st.sampled_from(KEYS), amount=amounts, reference=st.sampled_from("xyz"), is_back=st.booleans())
    def credit_comes_or_goes(self, key: str, amount: int, reference: str, is_back: bool) -> None:
        kind = "refund" if is_back else "top-up"
        assert self.applier.drain()
        known = self.references.get((kind, key, reference))
        left = self.credited[key] - self.charges[key]
        is_refused = known not in (None, amount) or (known is None and is_back and amount > left)
        wanted = Credit(key, kind, amount, reference)
        if is_refused:
            with pytest.raises(InvalidRequest):
                credit.grant(self.store, wanted, [key], actor="test")
            return
        credit.grant(self.store, wanted, [key], actor="test")
        if known is None:
            self.references[kind, key, reference] = amount
            self.credited[key] += -amount if is_back else amount

    @rule(is_out=st.booleans())
    def the_database_goes_or_comes(self, is_out: bool) -> None:
        self.store.is_out_of_order = is_out

    @rule()
    def the_process_ends(self) -> None:
        """With what was not applied in the journal alone; whatever had begun is cut off."""
        self.applier.close()
        self.journal.close()
        self.cut |= {start.id for start in self.begun}
        self.begun.clear()
        self.begin()

    @precondition(lambda self: not self.store.is_out_of_order)
    @rule()
    def everything_is_applied(self) -> None:
        assert self.applier.drain()
        with self.store.read() as connection:
            kept = {record.id: record for record in calls.everything(connection)}
            assert kept.keys() == self.ended.keys() | self.cut
            assert {id: kept[id] for id in self.ended} == self.ended
            assert credit.verify(connection) == []
            assert {key: credit.used(connection, [key]) for key in KEYS} == {key: self.charges[key] for key in KEYS}
            assert {key: credit.credited(connection, key) for key in KEYS} == {key: self.credited[key] for key in KEYS}
            total = spend.total(connection, KEYS)
            assert (total.calls, total.cost_nano_usd) == (len(self.ended), self.costs)

    def teardown(self) -> None:
        self.store.is_out_of_order = False
        if hasattr(self, "applier"):
            self.everything_is_applied()
            self.applier.close()
            self.journal.close()
        self.inner.close()
        self.folder.cleanup()


class TestBooks(Books.TestCase):
    settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
