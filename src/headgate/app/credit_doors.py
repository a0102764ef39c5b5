"""What administrators may do about credit: those whom somebody reaches, and in whose name it is kept in the audit."""

from collections.abc import Sequence

from headgate.app.core import Core
from headgate.app.till import Till
from headgate.ledger import coupons
from headgate.ledger import credit as ledger
from headgate.ledger.coupons import NewCoupon, Redeemer
from headgate.ledger.credit import Credit, CreditState
from headgate.policies.roles import Administrator
from headgate.store.queries import proposals, spend, transfers
from headgate.store.queries.auto_top_ups import AutoTopUp
from headgate.store.queries.coupons import CouponRow
from headgate.store.queries.spend import Spent


class Credits:
    """The ledger of credit."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def grant(self, credit: Credit) -> None:
        kids = self.up_to_date(credit.account)
        ledger.grant(self._core.store, credit, kids, actor=self._who.actor)
        self._core.keys.renew()

    def propose(self, credit: Credit, lasts_us: int | None) -> None:
        kids = self.up_to_date(credit.account)
        ledger.propose(self._core.store, credit, kids, actor=self._who.actor, lasts_us=lasts_us)
        self._core.keys.renew()

    def post(self, credit: Credit) -> None:
        self.check(credit.account)
        ledger.post(self._core.store, credit, actor=self._who.actor)
        self._core.keys.renew()

    def void(self, credit: Credit) -> None:
        self.check(credit.account)
        ledger.void(self._core.store, credit, actor=self._who.actor)
        self._core.keys.renew()

    def state(self, account: str) -> CreditState:
        kids, own = self.up_to_date(account), ledger.credit_account(account)
        with self._core.store.read() as connection:
            return CreditState(
                credited=ledger.credited(connection, account),
                used=ledger.used(connection, kids),
                held=ledger.held(connection, account),
                postings=transfers.of_account(connection, own),
                pending=proposals.undecided(connection, own, self._core.now_us()),
                parts=ledger.parts(connection, account, kids).parts,
            )

    def spent(self, account: str, since_us: int, before_us: int) -> Sequence[Spent]:
        kids = self.check(account)
        self._core.applier.drain()
        with self._core.store.read() as connection:
            return sorted(spend.within(connection, since_us, before_us, kids))

    def up_to_date(self, account: str) -> Sequence[str]:
        """Its keys, once the ledger has what they have used."""
        kids = self.check(account)
        self._core.applier.drain()
        return kids

    def check(self, account: str) -> Sequence[str]:
        """Its keys. Raises `NotFound` for an account that is out of reach."""
        kids = self._core.tenancy.kids(account)
        place = self._core.tenancy.home(account)
        self._who.check_reach(f"organisation, team or key {account!r}", place, "account_not_found")
        return kids


class Payments:
    """Paying for credit."""

    def __init__(self, core: Core, who: Administrator, till: Till) -> None:
        self._credits = Credits(core, who)
        self._who = who
        self._till = till

    def checkout(self, account: str, nano_usd: int, *, saves_card: bool) -> tuple[str, str]:
        self._credits.up_to_date(account)
        return self._till.checkout(account, nano_usd, saves_card=saves_card, actor=self._who.actor)

    def rule(self, account: str) -> AutoTopUp | None:
        self._credits.check(account)
        return self._till.rule(account)

    def set_rule(self, wanted: AutoTopUp) -> AutoTopUp:
        self._credits.check(wanted.account)
        return self._till.set_rule(wanted, actor=self._who.actor)


class Coupons:
    """Codes that credit is given for."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who
        self._credits = Credits(core, who)

    def create(self, wanted: NewCoupon) -> tuple[str, CouponRow]:
        return coupons.make_coupon(self._core.store, wanted, actor=self._who.actor)

    def list(self) -> Sequence[tuple[CouponRow, int]]:
        return coupons.list_coupons(self._core.store)

    def revoke(self, id: str) -> tuple[CouponRow, int]:
        return coupons.revoke_coupon(self._core.store, id, actor=self._who.actor)

    def redeem(self, code: str, account: str) -> CouponRow:
        keys = self._credits.up_to_date(account)
        who = Redeemer(account=account, organisation=self._core.tenancy.home(account)[0], keys=keys)
        row = coupons.redeem(self._core.store, code, who, actor=self._who.actor)
        self._core.keys.renew()
        return row
