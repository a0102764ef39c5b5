"""What the administration is joined to: the books, handed in by `app`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from headgate.cache.shelf import Purge
from headgate.core.record import CallRecord
from headgate.ledger.billing.focus import FocusVersion, Row
from headgate.ledger.billing.forecasting import Forecast
from headgate.ledger.billing.invoices import Invoice
from headgate.ledger.calls import Page
from headgate.ledger.coupons import NewCoupon
from headgate.ledger.credit import Credit, CreditState
from headgate.ledger.saving import By, Line
from headgate.limits.terms import Terms
from headgate.policies.administrators import NewAdministrator
from headgate.policies.issuing import NewKey
from headgate.policies.organising import NewTenant
from headgate.policies.roles import Administrator
from headgate.store.queries.administrators import AdministratorRow
from headgate.store.queries.audit import AuditQuery, Linked
from headgate.store.queries.auto_top_ups import AutoTopUp
from headgate.store.queries.calls import CallFilter
from headgate.store.queries.coupons import CouponRow
from headgate.store.queries.keys import KeyRow
from headgate.store.queries.outbox import Message
from headgate.store.queries.spend import Spent
from headgate.store.queries.tenants import TenantRow


class Keys(Protocol):
    """The book of keys. Waits for a disk: called in threads."""

    def create(self, wanted: NewKey) -> tuple[str, KeyRow]:
        """A new key, in plain for this once, and what is kept of it."""
        ...

    def list(self) -> Sequence[KeyRow]:
        """All keys, revoked ones too, oldest first."""
        ...

    def revoke(self, kid: str) -> KeyRow:
        """Ends a key; one that had ended stays so. Raises `NotFound`."""
        ...

    def rotate(self, kid: str, overlap_us: int) -> tuple[str, KeyRow]:
        """A new key in its place, which ends so much later."""
        ...

    def change(self, kid: str, change: Callable[[Terms], Terms]) -> KeyRow:
        """Sets its terms to what `change` makes of them."""
        ...


class Tenants(Protocol):
    """The book of organisations and teams. Waits for a disk: called in threads."""

    def create(self, wanted: NewTenant) -> TenantRow:
        """A new one."""
        ...

    def list(self) -> Sequence[TenantRow]:
        """All of them, oldest first."""
        ...

    def change(self, id: str, name: str | None, change: Callable[[Terms], Terms]) -> TenantRow:
        """Sets its name, if there is a new one, and its terms to what `change` makes of them."""
        ...

    def budgets(self) -> Sequence[dict[str, object]]:
        """Every budget, and how far it is used."""
        ...


class Credits(Protocol):
    """The ledger. Waits for a disk: called in threads."""

    def grant(self, credit: Credit) -> None:
        """Posts it, once for each reference. Raises `NotFound` if there is no such account."""
        ...

    def propose(self, credit: Credit, lasts_us: int | None) -> None:
        """Makes it pending, for so long (None: until it is decided)."""
        ...

    def post(self, credit: Credit) -> None:
        """Posts what is pending, as much as `credit` says; 0: all of it."""
        ...

    def void(self, credit: Credit) -> None:
        """Lets what is pending come to nothing."""
        ...

    def state(self, account: str) -> CreditState:
        """How the account of an organisation, team or key stands."""
        ...

    def spent(self, account: str, since_us: int, before_us: int) -> Sequence[Spent]:
        """What its keys have used within a time that begins and ends with quarters of an hour."""
        ...


class Coupons(Protocol):
    """Codes that credit is given for. Waits for a disk: called in threads."""

    def create(self, wanted: NewCoupon) -> tuple[str, CouponRow]:
        """A new one's code, in plain for this once, and what is kept of it."""
        ...

    def list(self) -> Sequence[tuple[CouponRow, int]]:
        """All of them, ended ones too, oldest first, and how often each was redeemed."""
        ...

    def revoke(self, id: str) -> tuple[CouponRow, int]:
        """Ends one. Raises `NotFound`."""
        ...

    def redeem(self, code: str, account: str) -> CouponRow:
        """Credits an account with what it is worth. Raises `InvalidRequest`, and `NotFound` for the account."""
        ...


class Payments(Protocol):
    """Paying for credit. Waits for disk and network: called in threads."""

    def checkout(self, account: str, nano_usd: int, *, saves_card: bool) -> tuple[str, str]:
        """An order, and the page to pay it on."""
        ...

    def rule(self, account: str) -> AutoTopUp | None:
        """How an account is topped up by itself; None: it has no card."""
        ...

    def set_rule(self, wanted: AutoTopUp) -> AutoTopUp:
        """Sets that."""
        ...


class Accounting(Protocol):
    """What the books say of a time that has passed. Waits for a disk: called in threads."""

    def invoice(self, account: str, month: str) -> Invoice:
        """An account's month. Raises `NotFound`."""
        ...

    def invoices(self, month: str) -> Sequence[Invoice]:
        """The month of everybody who pays."""
        ...

    def focus(self, month: str, account: str, version: FocusVersion) -> Sequence[Row]:
        """The month in FOCUS, of one account or of all (empty)."""
        ...

    def forecast(self, account: str) -> Forecast:
        """What the present month will probably come to, for one account or all (empty)."""
        ...


class Administrators(Protocol):
    """Those who may come in, and what they changed. Waits for a disk: called in threads."""

    def create(self, wanted: NewAdministrator) -> tuple[str, AdministratorRow]:
        """A new one's key, in plain for this once, and what is kept of it."""
        ...

    def list(self) -> Sequence[AdministratorRow]:
        """All of them, ended ones too, oldest first."""
        ...

    def revoke(self, kid: str) -> AdministratorRow:
        """Ends one; one that had ended stays so. Raises `NotFound`."""
        ...

    def audit(self, wanted: AuditQuery, limit: int) -> Sequence[Linked]:
        """What was changed, newest first."""
        ...


class Calls(Protocol):
    """What happened."""

    async def recent(self, wanted: CallFilter, *, limit: int = 50, after: str = "") -> Page:
        """A page of the newest calls that fit; `after` is `next` of the page before."""
        ...

    async def find(self, call_id: str) -> CallRecord | None:
        """One call."""
        ...


class Reuse(Protocol):
    """Answers that are used again. Waits for a disk: called in threads."""

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant. Returns how many that were. Raises `NotFound` for a tenant that is not."""
        ...

    def state(self) -> dict[str, int]:
        """How much is kept."""
        ...

    def savings(self, by: By, since_us: int, before_us: int) -> Sequence[Line]:
        """What was saved on the days that begin in a time."""
        ...


class Doors(Struct, frozen=True, kw_only=True):
    """Everything the administration can ask for, as one administrator sees it."""

    seen_by: Callable[[Administrator], "Doors"]
    """The same, as another one sees it."""
    recognise: Callable[[bytes], Administrator | None]
    """Whose key this is, if not the operator's. Waits for a disk."""
    administrators: Administrators
    keys: Keys
    tenants: Tenants
    credit: Credits
    coupons: Coupons
    payments: Payments | None
    """None: nothing can be paid here."""
    receive: Callable[[bytes, str], bool] | None
    """What Stripe tells: the body of an event and its signature. Waits for a disk. None: likewise."""
    accounting: Accounting
    calls: Calls
    reuse: Reuse
    prices: Callable[[str, str], Sequence[dict[str, object]]]
    """What any edition of the price book said of a provider's (empty: any one's) model. Waits for a disk."""
    alerts: Callable[[int, tuple[int, str] | None], Sequence[Message]]
    """So many of what was told, newest first, after a place. Waits for a disk."""
    providers: Callable[[], Sequence[dict[str, object]]]
    models: Callable[[], bytes]
    """The list of models as JSON, in the shape of `GET /v1/models`."""
    status: Callable[[], dict[str, object]]
    """How the journal and the database stand. Looks at a disk."""
    now_us: Callable[[], int]
