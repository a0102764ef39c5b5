"""Joins the dashboard to this process. Must not know how a page looks."""

from collections.abc import Sequence
from functools import partial

from msgspec import structs

from headgate.app.core import Core
from headgate.core.record import Attempt
from headgate.ledger.meter import Cost, cost
from headgate.policies.roles import OPERATOR, Administrator
from headgate.server.admin.doors import Doors
from headgate.server.dashboard.sights import Sights
from headgate.store.queries import rollups
from headgate.store.queries.rollups import Found, Question


class _Traffic:
    """The rollups, of the keys that somebody may see."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def calls(self, question: Question) -> Sequence[Found]:
        who = self._who
        if who.role is not None:
            kids = self._core.tenancy.kids(who.team or who.organisation)
            asked = question.wanted.get("key_id", kids)
            wanted = {**question.wanted, "key_id": [kid for kid in kids if kid in set(asked)]}
            question = structs.replace(question, wanted=wanted)
        return self._summed(question)

    def attempts(self, question: Question) -> Sequence[Found]:
        return self._summed(question) if self._who.role is None else ()

    def _summed(self, question: Question) -> Sequence[Found]:
        with self._core.store.read() as connection:
            return rollups.summed(connection, question)


def _bill(core: Core, attempt: Attempt) -> Cost | None:
    provider = core.compiled.directory.providers.get(attempt.provider)
    if provider is None or attempt.usage is None:
        return None
    price = core.prices.find(provider.price_name, attempt.model)
    return None if price is None else cost(price, attempt.usage)


def dashboard_sights(core: Core, doors: Doors) -> Sights:
    """What the dashboard shows, as the operator sees it."""

    def seen_by(who: Administrator) -> Sights:
        return Sights(seen_by=seen_by, doors=doors.seen_by(who), traffic=_Traffic(core, who), bill=partial(_bill, core))

    return seen_by(OPERATOR)
