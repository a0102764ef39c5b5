"""Payments by Stripe: a page to pay on, what Stripe tells afterwards, and cards that are charged when credit runs low.

Every payment is an order first, pending in the ledger; Stripe is given the order's name as idempotency key, so that
whatever is sent again is paid once. The package is an extra (`pip install headgate[stripe]`), imported when it is used.
"""

import logging
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from headgate.app.core import Core
from headgate.core.money import NANO_PER_USD
from headgate.core.problems import ConfigError, HeadgateError, InvalidRequest, ProblemKind
from headgate.ledger import credit, payments
from headgate.ledger.billing.months import month_of
from headgate.ledger.credit import Credit
from headgate.ledger.payments import ACCOUNT, CURRENCY, ORDER, Payment, cents_of, is_automatic
from headgate.policies.accounts import find_payer
from headgate.store.queries import audit, auto_top_ups, proposals, transfers
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.auto_top_ups import AutoTopUp

if TYPE_CHECKING:
    import stripe

    from headgate.app.config_money import Stripe

TIMEOUT_S: Final = 10
RETRIES: Final = 2
_TOP_UP: Final = "top-up"
_log = logging.getLogger("headgate")


class PaymentFailed(HeadgateError):
    """The payment provider did not do it."""

    kind: ProblemKind = "upstream"
    code = "payment_failed"


class Page(NamedTuple):
    """Where somebody can pay."""

    order: str
    url: str


class Till:
    """Waits for disk and network: called in threads. Raises `ConfigError` where the package is not installed."""

    def __init__(self, core: Core, settings: "Stripe", api: str = "") -> None:
        try:
            import stripe  # noqa: PLC0415 - an extra, wanted by few
        except ImportError:
            raise ConfigError("$.payments.stripe: needs `pip install headgate[stripe]`, or leave it out") from None
        self._stripe = stripe
        self._core = core
        self._settings = settings
        self._client = stripe.StripeClient(
            settings.secret_key.reveal(),
            base_addresses={"api": api} if api else {},
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
        )

    def checkout(self, account: str, nano_usd: int, *, saves_card: bool, actor: str) -> Page:
        """Orders credit, and a page to pay it on. Raises `InvalidRequest` and `PaymentFailed`."""
        order = f"pay-{secrets.token_hex(8)}"
        cents = self._cents(nano_usd)
        self._order(account, nano_usd, order, actor)
        named = {ACCOUNT: account, ORDER: order}
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": order,
            "metadata": named,
            "payment_intent_data": {"metadata": named},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": CURRENCY,
                        "unit_amount": cents,
                        "product_data": {"name": self._settings.title},
                    },
                }
            ],
            "success_url": self._settings.success_url,
            "cancel_url": self._settings.cancel_url,
        }
        if saves_card:
            params["payment_intent_data"] = {"metadata": named, "setup_future_usage": "off_session"}
            params["customer_creation"] = "always"
        try:
            session = self._client.v1.checkout.sessions.create(params, {"idempotency_key": order})
        except self._stripe.StripeError as fault:
            credit.void(self._core.store, Credit(account, _TOP_UP, 0, order), actor=actor)
            raise PaymentFailed(f"Stripe did not make a page to pay on: {_told(fault)}") from fault
        return Page(order, session.url or "")

    def receive(self, body: bytes, signature: str) -> bool:
        """What Stripe tells. False: it was known, or means nothing here. Raises `InvalidRequest`."""
        try:
            self._stripe.WebhookSignature.verify_header(  # pyright: ignore[reportUnknownMemberType]  of its tolerance
                body, signature, self._settings.webhook_secret.reveal(), self._settings.tolerance_s
            )
        except (self._stripe.SignatureVerificationError, UnicodeDecodeError):
            raise InvalidRequest("The signature does not fit.", code="signature_invalid") from None
        return self._booked(payments.read_payment(body))

    def top_up(self) -> int:
        """Charges the cards of accounts that run low. Gives how many orders are, or were, paid."""
        with self._core.store.read() as connection:
            rules = [rule for rule in auto_top_ups.listed(connection) if rule.failed_us is None]
        return sum(self._top_up(rule) for rule in rules)

    def rule(self, account: str) -> AutoTopUp | None:
        """How an account is topped up; None: it has no card."""
        with self._core.store.read() as connection:
            return auto_top_ups.find(connection, account)

    def set_rule(self, wanted: AutoTopUp, *, actor: str) -> AutoTopUp:
        """Sets how much, and below what; `below_nano_usd` 0: never. A card that failed is tried again."""
        if wanted.below_nano_usd:
            self._cents(wanted.nano_usd)
            if wanted.month_nano_usd_max < wanted.nano_usd:
                raise InvalidRequest("'month_usd_max' is less than one top-up.", param="month_usd_max")
        with self._core.store.write() as connection:
            known = auto_top_ups.find(connection, wanted.account)
            if known is None:
                raise InvalidRequest(
                    "This account has no card. Pay once with 'save_card': true, then set the rule.",
                    code="payment_method_missing",
                )
            rule = structs.replace(wanted, customer=known.customer)
            auto_top_ups.change(connection, rule)
            detail = f'{{"below": {rule.below_nano_usd}, "nano_usd": {rule.nano_usd}}}'
            now_us = self._core.now_us()
            about = AuditEntry(at_us=now_us, actor=actor, action="auto_top_up.set", object=rule.account, detail=detail)
            audit.add(connection, about)
        return rule

    def _cents(self, nano_usd: int) -> int:
        least, most = self._settings.usd_min, self._settings.usd_max
        if not least * NANO_PER_USD <= nano_usd <= most * NANO_PER_USD:
            raise InvalidRequest(f"'usd' takes {least} to {most} here.", param="usd")
        return cents_of(nano_usd)

    def _keys(self, account: str) -> Sequence[str]:
        with self._core.store.read() as connection:
            return list(find_payer(connection, account).keys)

    def _order(self, account: str, nano_usd: int, order: str, actor: str) -> None:
        credit.propose(self._core.store, Credit(account, _TOP_UP, nano_usd, order), self._keys(account), actor=actor)

    def _booked(self, payment: Payment) -> bool:
        if payment.action == "none" or not payments.is_ordered(self._core.store, payment):
            return False
        self._core.applier.drain()
        is_new = payments.book(self._core.store, payment, self._keys(payment.account))
        if payment.customer and payment.action == "post":
            with self._core.store.write() as connection:
                auto_top_ups.know(connection, payment.account, payment.customer)
        if is_new:
            self._core.keys.renew()
            if payment.action == "void" and is_automatic(payment.order):
                self._failed(payment.account, "the payment was not made")
        return is_new

    def _top_up(self, rule: AutoTopUp) -> bool:
        due = self._due(rule)
        if due is None:
            return False
        order, nano_usd = due
        named = {ACCOUNT: rule.account, ORDER: order}
        try:
            cards = self._client.v1.customers.payment_methods.list(rule.customer, {"limit": 1}).data
            if not cards:
                raise PaymentFailed("the customer has no card any more")
            paid = self._client.v1.payment_intents.create(
                {
                    "amount": cents_of(nano_usd),
                    "currency": CURRENCY,
                    "customer": rule.customer,
                    "payment_method": cards[0].id,
                    "off_session": True,
                    "confirm": True,
                    "metadata": named,
                },
                {"idempotency_key": order},
            )
        except (self._stripe.CardError, self._stripe.InvalidRequestError, PaymentFailed) as fault:
            self._give_up(rule, order, _told(fault))
            return False
        except self._stripe.StripeError as fault:
            _log.warning("the order %s has to wait for Stripe: %s", order, _told(fault))
            return False
        if paid.status == "processing":
            return False
        if paid.status != "succeeded":
            self._give_up(rule, order, f"the payment is {paid.status}")
            return False
        received = paid.amount_received * payments.NANO_PER_CENT
        self._booked(Payment(action="post", account=rule.account, order=order, nano_usd=received, object=paid.id))
        return True

    def _due(self, rule: AutoTopUp) -> tuple[str, int] | None:
        """The order to pay, and how much it is: one that is pending, or a new one if credit has run low. Processes that
        look at the same time name it alike, so it is one order."""
        core, own = self._core, credit.credit_account(rule.account)
        keys, prefix = self._keys(rule.account), f"{_TOP_UP} {rule.account} {payments.AUTOMATIC}"
        core.applier.drain()
        with core.store.read() as connection:
            for each in proposals.undecided(connection, own, core.now_us()):
                if each.id.startswith(prefix):
                    return each.id.rsplit(" ", 1)[1], each.nano_usd
            left = credit.credited(connection, rule.account) - credit.used(connection, keys)
            left -= credit.held(connection, rule.account)
            since_us = month_of(core.now_us()).start_us
            ours = [each for each in transfers.of_account(connection, own) if each.id.startswith(prefix)]
            spent = sum(each.nano_usd for each in ours if each.at_us >= since_us)
            number = proposals.count(connection, prefix)
        if left >= rule.below_nano_usd or spent + rule.nano_usd > rule.month_nano_usd_max:
            return None
        order = f"{payments.AUTOMATIC}{number + 1}"
        self._order(rule.account, rule.nano_usd, order, payments.ACTOR)
        return order, rule.nano_usd

    def _give_up(self, rule: AutoTopUp, order: str, error: str) -> None:
        credit.void(self._core.store, Credit(rule.account, _TOP_UP, 0, order), actor=payments.ACTOR)
        self._failed(rule.account, error)

    def _failed(self, account: str, error: str) -> None:
        with self._core.store.write() as connection:
            rule = auto_top_ups.find(connection, account)
            if rule is not None:
                auto_top_ups.change(connection, structs.replace(rule, failed_us=self._core.now_us(), error=error[:500]))


def open_till(core: Core) -> Till | None:
    """As configured; None: nothing can be paid."""
    settings = core.setup.config.payments.stripe
    return None if settings is None else Till(core, settings)


def _told(fault: Exception) -> str:
    """What went wrong, on one line: such a message may hold what a card's owner typed, but no secret of ours."""
    message = getattr(fault, "user_message", None) or str(fault) or type(fault).__name__
    return " ".join(str(message).split())[:300]
