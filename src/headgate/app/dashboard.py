"""Joins the dashboard to this process. Must not know how a page looks."""

import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from msgspec import structs

from headgate.app.around import Around
from headgate.app.core import Core
from headgate.app.settings_shown import shown_settings
from headgate.app.talking import quoted, talk
from headgate.core.principal import Principal
from headgate.core.problems import NotFound
from headgate.core.record import Attempt, CallRecord
from headgate.engine.conduct import Engine
from headgate.ledger.meter import Cost, cost
from headgate.policies.roles import OPERATOR, Administrator
from headgate.routing.fleet import Member
from headgate.server.admin.doors import Doors
from headgate.server.dashboard.sights import Sights, Standing
from headgate.store.queries import calls, outbox, rollups, spend
from headgate.store.queries.calls import CallFilter
from headgate.store.queries.outbox import Message
from headgate.store.queries.rollups import Found, Question

ALERTS_MAX = 200
TAIL_MAX = 200
"""How many calls one look at the tail brings; of more, the newest."""


class _Traffic:
    """The rollups, of the keys that somebody may see."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def calls(self, question: Question) -> Sequence[Found]:
        kids = self._kids()
        if kids is not None:
            asked = question.wanted.get("key_id", kids)
            wanted = {**question.wanted, "key_id": [kid for kid in kids if kid in asked]}
            question = structs.replace(question, wanted=wanted)
        return self._summed(question)

    def attempts(self, question: Question) -> Sequence[Found]:
        return self._summed(question) if self._who.role is None else ()

    def users(self, since_us: int, before_us: int) -> Sequence[Found]:
        with self._core.store.read() as connection:
            return [
                Found((user,), sums._asdict())
                for user, sums in spend.by_user(connection, self._kids(), since_us, before_us)
            ]

    def _kids(self) -> list[str] | None:
        """None: all there are."""
        who = self._who
        return None if who.role is None else list(self._core.tenancy.kids(who.team or who.organisation))

    def _summed(self, question: Question) -> Sequence[Found]:
        with self._core.store.read() as connection:
            return rollups.summed(connection, question)


def _bill(core: Core, attempt: Attempt) -> Cost | None:
    provider = core.compiled.directory.providers.get(attempt.provider)
    if provider is None or attempt.usage is None:
        return None
    price = core.prices.find(provider.price_name, attempt.model)
    return None if price is None else cost(price, attempt.usage)


def _standing(member: Member, now_s: float) -> Standing:
    weight = 1.0
    for domain in member.domains:
        weight *= domain.weight(now_s)
    return Standing(
        deployment=member.id,
        state=member.health.look(now_s).value,
        account=member.account.look(now_s).value,
        host=member.host.look(now_s).value,
        failure_rate=member.health.failure_rate(),
        weight=weight,
        in_flight=member.in_flight,
    )


def _standings(engine: Engine) -> list[Standing]:
    now_s = time.monotonic()
    return sorted((_standing(each, now_s) for each in list(engine.fleet.members())), key=lambda each: each.deployment)


def _alerts(core: Core) -> Sequence[Message]:
    with core.store.read() as connection:
        return outbox.newest(connection, ALERTS_MAX)


class _Caller:
    """Calls in the name of keys that somebody reaches."""

    def __init__(self, around: Around, who: Administrator) -> None:
        self._around = around
        self._who = who

    async def quote(self, key_id: str, body: bytes, tags: str) -> tuple[int, bytes]:
        return await quoted(self._around.listener, self._principal(key_id), body, tags)

    def talk(self, key_id: str, body: bytes) -> AsyncGenerator[bytes]:
        return talk(self._around.listener, self._around.spawn, self._principal(key_id), body)

    def _principal(self, key_id: str) -> Principal:
        core = self._around.core
        found = core.keys.principal_of(key_id)
        if found is None or not self._who.reaches(*core.tenancy.home(key_id)):
            raise NotFound("There is no such key, or it has ended.", param="key")
        return found


def _tail(core: Core, who: Administrator, after: int | None) -> tuple[int, Sequence[CallRecord]]:
    with core.store.read() as connection:
        if after is None:
            return calls.last(connection), ()
        kids = None if who.role is None else tuple(core.tenancy.kids(who.team or who.organisation))
        kept = calls.newest(connection, CallFilter(after=after, key_ids=kids), TAIL_MAX)
    return (kept[0].seq if kept else after), [each.record for each in reversed(kept)]


def dashboard_sights(around: Around, doors: Doors) -> Sights:
    """What the dashboard shows, as the operator sees it."""

    core = around.core

    def seen_by(who: Administrator) -> Sights:
        return Sights(
            seen_by=seen_by,
            doors=doors.seen_by(who),
            traffic=_Traffic(core, who),
            bill=partial(_bill, core),
            standings=lambda: _standings(around.engine),
            settings=lambda: shown_settings(core.setup),
            alerts=lambda: _alerts(core),
            tail=partial(_tail, core, who),
            caller=_Caller(around, who),
            is_stopping=around.is_stopping,
            clients_url=around.clients_url,
        )

    return seen_by(OPERATOR)
