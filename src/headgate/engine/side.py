"""Serves what is one request and one answer: embeddings, ranking, pictures, sound. Must not know any operation's wire.

The table is in the dialects (`dialects/side.py`); here stands what holds for every row of it.
"""

import time
from functools import partial
from typing import Final

from msgspec import structs

from headgate.core.needs import NO_WISHES, Wishes
from headgate.core.problems import InvalidRequest, MissingAbility, Unpriced
from headgate.dialects.base import Head, Target
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import TITLES, Asked, Sent, SideOperation, check_content_type, is_form
from headgate.dialects.wishes import may_have_wishes, parse_wishes, without_wishes
from headgate.engine.admitting import admitted, foreseen_beside
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.candidates import (
    NO_DEMAND,
    Choice,
    Named,
    Wanted,
    at_keeper,
    caller_of,
    capped,
    meant,
    meant_only,
    tagged,
)
from headgate.engine.conduct import Engine, conducted
from headgate.engine.errand import Errand, To
from headgate.engine.exchange import Exchange
from headgate.engine.keepers import keeper_of
from headgate.engine.lanes import with_query
from headgate.engine.reusing import Question
from headgate.engine.trying import Trying
from headgate.providers.catalog import Deployment, Door
from headgate.routing.plan import Asked as Weighing

_NEVER_CHAT: Final = frozenset({"embeddings", "ranking"})
"""No model that calls tools can do these."""
_KEPT: Final = frozenset({"embeddings", "ranking"})
"""Whose answers may be used again."""
_CHEAP: Final = frozenset({"embeddings", "ranking", "moderations"})
"""What may be asked of two at once when one is slow."""


async def operate(engine: Engine, call: Call, exchange: Exchange) -> None:
    """Answers one call, whatever happens: an answer, or an error in the caller's dialect. Never raises."""

    async def answer(call: Call, answerer: Answerer) -> None:
        await _Operating(engine, call, answerer).run()

    await conducted(engine, call, exchange, answer)


class _Operating:
    """One call, from its bytes to its attempts."""

    def __init__(self, engine: Engine, call: Call, answerer: Answerer) -> None:
        self._engine = engine
        self._call = call
        self._answerer = answerer
        self._side: SideOperation = call.dialect.sides[call.record.operation]
        content_type = call.headers.get("content-type", "")
        check_content_type(self._side, content_type)
        self._sent = Sent(body=call.body, envelope=call.envelope, content_type=content_type)
        self._asked = self._side.peek(self._sent)
        self._wishes = self._take_wishes()
        record = call.record
        record.model, record.is_stream = self._asked.model, self._asked.is_stream

    async def run(self) -> None:
        """Attempts until one has answered."""
        engine, call, asked = self._engine, self._call, self._asked
        passes_on = asked.is_stream or self._side.is_binary
        head = Head(model=asked.model, is_stream=passes_on, max_tokens=asked.measured.output_tokens or None)
        wanted = await self._want(head)
        question: Question | None = None
        if engine.reuse is not None and wanted.routes[0].caching is not None and self._side.name in _KEPT:
            call.body = self._sent.body
            question = engine.reuse.question(call, head, wanted.routes, wanted.deployments)
            self._sent = structs.replace(self._sent, body=call.body)
        limits = engine.metering.limits.allowance(call.principal.key_id)
        if limits is not None or call.cost_nano_usd_max is not None:
            wanted = wanted.only(admitted(engine, call, limits, wanted.deployments, foreseen_beside(asked)))
        if question is None or engine.reuse is None:
            await self._ask(head, wanted, self._answerer)
        else:
            await engine.reuse.answer(question, self._answerer, partial(self._ask, head, wanted))

    async def _ask(self, head: Head, wanted: Wanted, answerer: Answerer) -> None:
        engine, call = self._engine, self._call
        choice, turn = engine.at_once(wanted), None
        if choice is None:
            choice, turn = await engine.lines.wait(call, answerer, wanted)
        self._choice: Choice = choice
        self._trying = Trying(engine, call, answerer, choice, head)
        await self._trying.run(self)
        if turn is not None:
            turn.done(call.record.usage)

    async def _want(self, head: Head) -> Wanted:
        """Where it may be asked for. Raises a `ClientError` that says what to change."""
        engine, call, wishes = self._engine, self._call, self._wishes
        named = meant(engine, call.principal, head.model, wishes, partial(caller_of, call.principal))
        if call.tags:
            named = tagged(call.tags, named)
        if self._asked.refers:
            keeper = await keeper_of(engine, call.principal, self._asked.refers)
            if keeper:
                named = at_keeper(keeper, named)
        named = self._able(named)
        asked = Weighing(
            now_s=time.monotonic(),
            dice=engine.dice,
            quoting=engine.metering.quote,
            is_stream=head.is_stream,
            input_tokens=self._asked.measured.input_tokens,
            max_tokens=head.max_tokens or 0,
        )
        return Wanted(named, named.routes, wishes, NO_DEMAND, asked)

    def may_be_doubled(self) -> bool:
        """Only what is cheap."""
        return self._side.name in _CHEAP

    def _take_wishes(self) -> Wishes:
        """Where the call may run; what says so goes no further."""
        if is_form(self._sent.content_type) or not may_have_wishes(self._sent.body):
            return NO_WISHES
        wishes = capped(self._call, parse_wishes(self._sent.body))
        self._sent = Sent(
            body=without_wishes(self._sent.body),
            envelope=self._sent.envelope,
            content_type=self._sent.content_type,
        )
        self._asked = self._side.peek(self._sent)
        return wishes

    def _able(self, named: Named) -> Named:
        """The targets without those that do not offer it, or have no price where one is demanded."""
        offering = meant_only(named, self._can)
        if not offering.routes:
            raise MissingAbility(
                f"The model {named.model!r} cannot {TITLES[self._side.name]}: not at {_listed(named)}. "
                f"Ask for a model that can.",
                param="model",
            )
        metering = self._engine.metering
        if not metering.refuses_unpriced:
            return offering
        priced = meant_only(offering, lambda each: metering.is_priced(each.prices, each.model))
        if priced.routes:
            return priced
        provider = offering.routes[0].targets[0].deployment.provider
        raise Unpriced(
            f"No price is known for {_listed(offering)}, and this gateway refuses what has none (prices.unpriced: "
            f"refuse). Set one under providers.{provider}.prices, or ask for another model.",
            param="model",
        )

    def _can(self, deployment: Deployment) -> bool:
        facts = deployment.facts
        if facts is not None and self._side.name in _NEVER_CHAT and "tools" in facts.can:
            return False
        return self._door(deployment) is not None

    def _door(self, deployment: Deployment) -> tuple[Door, SideOperation] | None:
        """Where a deployment offers it: in the client's own dialect, else in one that it can be told in."""
        found: tuple[Door, SideOperation] | None = None
        for door in deployment.doors:
            side = DIALECTS[door.dialect].sides.get(self._side.name)
            if side is None or not door.offers(side.name):
                continue
            if side is self._side:
                return door, side
            if found is None and side.halves is not None and self._side.halves is not None:
                found = door, side
        return found

    def prepare(self, deployment: Deployment) -> Errand:
        """What to send. Raises a `ClientError` when this deployment cannot be told."""
        found = self._door(deployment)
        if found is None:  # it was sorted out before
            raise MissingAbility(f"{deployment.id} cannot {TITLES[self._side.name]}.", param="model")
        door, side = found
        dialect, asked = DIALECTS[door.dialect], self._asked
        is_same = side is self._side
        target = Target(
            model=deployment.model, version=door.version, quirks=door.quirks, is_stream=self._asked.is_stream
        )
        dropped: set[str] = set()
        if is_same:
            body = side.patch(self._sent, asked, target)
            content_type = self._sent.content_type if is_form(self._sent.content_type) else "application/json"
            address = with_query(side.address(asked, target), self._call.query)
        else:
            body, address, content_type = _told_abroad(side, asked, target, dropped)
        self._check_loss(deployment, dropped)
        accept = "text/event-stream" if asked.is_stream else "*/*"
        fields = (("content-type", content_type), ("accept", accept), *dialect.headers(target, {}), *door.headers)
        to = To(
            deployment=deployment,
            door=door,
            side=side,
            url=door.url(address, deployment.model),
            headers=fields,
            body=body,
            dropped=frozenset(dropped | self._choice.dropped),
        )
        return Errand(self._trying, self._side, asked, to)

    def _check_loss(self, deployment: Deployment, dropped: set[str]) -> None:
        if dropped and self._choice.plan.route.on_loss == "refuse":
            lost = ", ".join(sorted(dropped))
            raise InvalidRequest(
                f"{deployment.id} cannot be told: {lost}. This route refuses loss (on_loss: refuse).",
                code="unsupported_parameter",
            )


def _told_abroad(side: SideOperation, asked: Asked, target: Target, dropped: set[str]) -> tuple[bytes, str, str]:
    """Body, address and content type in another dialect than the client's."""
    if side.halves is None:
        raise MissingAbility(f"{target.model} cannot {TITLES[side.name]}.", param="model")
    body = side.halves.render_request(asked.question, target, dropped)
    return body, side.halves.address(asked.question, target), "application/json"


def _listed(named: Named) -> str:
    return ", ".join(target.deployment.id for route in named.routes for target in route.targets)
