"""What a payment provider's word means for an account's credit: read, compared with what was ordered, and booked once.

Events are of Stripe's form (https://docs.stripe.com/api/events, 2026-11), already proven to be Stripe's. Each names the
order that it is about; money for which there is no order is somebody else's and is let be.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from headgate.core.money import NANO_PER_USD
from headgate.core.problems import InvalidRequest, NotFound
from headgate.ledger import credit
from headgate.ledger.credit import Credit, credit_id
from headgate.store.base import Store
from headgate.store.queries import proposals, transfers

CURRENCY: Final = "usd"
NANO_PER_CENT: Final = NANO_PER_USD // 100
ACCOUNT: Final = "headgate_account"
ORDER: Final = "headgate_order"
"""Under which a payment carries what it is for."""
AUTOMATIC: Final = "auto-"
"""How orders begin that nobody placed by hand."""
ACTOR: Final = "stripe"
_LATE: Final = " late"
Action = Literal["post", "void", "refund", "none"]


class _Object(Struct):
    """What an event is about: a session, a payment or a charge."""

    id: str
    metadata: dict[str, str] | None = None
    payment_status: str = ""
    status: str = ""
    currency: str | None = None
    amount_total: int | None = None
    amount_received: int | None = None
    amount_refunded: int | None = None
    customer: str | None = None


class _Data(Struct):
    object: _Object


class _Event(Struct):
    id: str
    type: str
    data: _Data


_decode = msgspec.json.Decoder(_Event).decode


class _Rule(NamedTuple):
    """What a type of event means."""

    action: Action
    amount: str = ""
    """The member that says how much, in cents."""
    when: tuple[str, ...] = ()
    """The only states of payment for which it does; empty: all."""
    is_automatic: bool = False
    """Only of orders that nobody placed by hand: others can be paid still."""


_RULES: Final[dict[str, _Rule]] = {
    "checkout.session.completed": _Rule("post", "amount_total", ("paid",)),
    "checkout.session.async_payment_succeeded": _Rule("post", "amount_total"),
    "checkout.session.async_payment_failed": _Rule("void"),
    "checkout.session.expired": _Rule("void"),
    "payment_intent.succeeded": _Rule("post", "amount_received"),
    "payment_intent.payment_failed": _Rule("void", is_automatic=True),
    "payment_intent.canceled": _Rule("void", is_automatic=True),
    "charge.refunded": _Rule("refund", "amount_refunded"),
}


class Payment(Struct, frozen=True, kw_only=True):
    """What became of an order."""

    action: Action
    account: str = ""
    order: str = ""
    nano_usd: int = 0
    """For `refund`: of all refunds of the charge together."""
    object: str = ""
    """The id of what it is about, at the payment provider."""
    customer: str = ""


NOTHING: Final = Payment(action="none")


def read_payment(body: bytes) -> Payment:
    """What an event means. Raises `InvalidRequest` for what is none, or of another currency than dollars."""
    try:
        event = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise InvalidRequest(f"This is no event: {fault}.", code="payment_unreadable") from None
    rule, about = _RULES.get(event.type), event.data.object
    named = about.metadata or {}
    account, order = named.get(ACCOUNT, ""), named.get(ORDER, "")
    if rule is None or not account or not order:
        return NOTHING
    if (rule.when and about.payment_status not in rule.when) or (rule.is_automatic and not is_automatic(order)):
        return NOTHING
    nano_usd = _amount(about, rule.amount) if rule.amount else 0
    return Payment(
        action=rule.action,
        account=account,
        order=order,
        nano_usd=nano_usd,
        object=about.id,
        customer=about.customer or "",
    )


def is_automatic(order: str) -> bool:
    """Whether nobody placed it by hand."""
    return order.startswith(AUTOMATIC)


def cents_of(nano_usd: int) -> int:
    """An amount in cents, which is what can be paid. Raises `InvalidRequest` for parts of one."""
    cents, rest = divmod(nano_usd, NANO_PER_CENT)
    if rest:
        raise InvalidRequest("'usd' takes whole cents here, such as 12.50.", param="usd")
    return cents


def is_ordered(store: Store, payment: Payment) -> bool:
    """Whether there is such an order."""
    with store.read() as connection:
        return proposals.find(connection, credit_id(Credit(payment.account, "top-up", 0, payment.order))) is not None


def book(store: Store, payment: Payment, kids: Sequence[str]) -> bool:
    """Books what became of an order, once. False: it was booked before. Raises `NotFound` where there is none, and
    `InvalidRequest` if another amount was paid than ordered."""
    ordered = Credit(payment.account, "top-up", payment.nano_usd, payment.order)
    with store.read() as connection:
        known = proposals.find(connection, credit_id(ordered))
    if known is None:
        raise NotFound("There is no such order.", code="order_not_found")
    if payment.action == "refund":
        return _pay_back(store, payment, kids)
    proposal, end = known
    if payment.action == "void":
        if end is None:
            credit.void(store, ordered, actor=ACTOR)
        return end is None
    if payment.nano_usd != proposal.nano_usd:
        raise InvalidRequest("Another amount was paid than ordered.", code="payment_mismatch")
    if end is not None and not end.nano_usd:  # it was given up, and paid all the same: what was paid is credited
        late = ordered._replace(reference=f"{payment.order}{_LATE}")
        with store.read() as connection:
            is_new = transfers.find(connection, credit_id(late)) is None
        credit.grant(store, late, kids, actor=ACTOR)
        return is_new
    credit.post(store, ordered, actor=ACTOR)
    return end is None


def _pay_back(store: Store, payment: Payment, kids: Sequence[str]) -> bool:
    """A charge tells all its refunds together, so each books what the ones before did not."""
    about = f"{payment.object} "
    own = credit.credit_account(payment.account)
    with store.read() as connection:
        both = (payment.order, f"{payment.order}{_LATE}")
        ids = [credit_id(Credit(payment.account, "top-up", 0, each)) for each in both]
        if not any(transfers.find(connection, id) for id in ids):
            return False
        before = sum(
            each.nano_usd
            for each in transfers.of_account(connection, own)
            if each.id.startswith(f"refund {payment.account} {about}")
        )
    more = payment.nano_usd - before
    if more <= 0:
        return False
    back = Credit(payment.account, "refund", more, f"{about}{payment.nano_usd}", is_fact=True)
    credit.grant(store, back, kids, actor=ACTOR)
    return True


def _amount(about: _Object, member: str) -> int:
    if (about.currency or "").lower() != CURRENCY:
        raise InvalidRequest(
            f"Credit is in US dollars; a payment in {about.currency!r} is not booked.", code="payment_currency"
        )
    cents: int | None = getattr(about, member)
    if cents is None or not 0 < cents * NANO_PER_CENT <= credit.CREDIT_MAX:
        raise InvalidRequest(f"'{member}' takes an amount above 0, up to 1000000 dollars.", code="payment_amount")
    return cents * NANO_PER_CENT
