"""Tells the fleet of attempts: that one was sent, that its first token came, how it ended; and moves those that wait
at a deployment which has come under suspicion. Decides nothing."""

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from headgate.core.problems import Outcome, Problem
from headgate.core.record import Attempt
from headgate.dialects.base import Head
from headgate.engine.lanes import Prepared
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL
from headgate.routing.fleet import LIMIT_MARK, Fleet, Ticket
from headgate.routing.quotas import Need
from headgate.transport.base import Flight

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


class Watch:
    """One attempt, seen by those who choose where the next ones go."""

    __slots__ = ("_dice", "_fleet", "_problem", "_ticket")

    def __init__(self, engine: "Engine", prepared: Prepared, head: Head, sent_s: float) -> None:
        self._dice = engine.dice
        fleet = self._fleet = engine.fleet
        self._problem: Problem | None = None
        member = fleet.member(prepared.way.deployment)
        output, most = int(member.output_tokens), head.max_tokens
        need = Need(len(prepared.body) // BYTES_PER_TOKEN_USUAL, output if most is None or most > output else most)
        self._ticket = fleet.sent(member, need, sent_s, is_stream=head.is_stream)

    def head(self, flight: Flight) -> None:
        """The head of the answer is there."""
        ticket, now_s = self._ticket, time.monotonic()
        if self._fleet.landed(ticket, now_s):
            self._fleet.told(ticket, flight.fields_named(LIMIT_MARK), time.time(), now_s)

    def first(self) -> float:
        """The first token, or the whole answer, is there. Returns after how many milliseconds."""
        now_s = time.monotonic()
        self._fleet.first(self._ticket, now_s)
        return (now_s - self._ticket.sent_s) * 1e3

    def may_leave(self, flight: Flight) -> None:
        """While the client has seen nothing and there is somewhere else, it may be given up before its time."""
        self._ticket.leave = partial(flight.abort, Outcome.SLOW)

    def stays(self) -> None:
        """The client sees this answer."""
        self._ticket.leave = None

    def failed(self, problem: Problem) -> None:
        """What an upstream that failed said."""
        self._problem = problem

    def ended(self, attempt: Attempt) -> None:
        """It is over."""
        self._ticket.leave = None
        now_s, fleet = time.monotonic(), self._fleet
        if attempt.usage is not None and attempt.outcome is Outcome.OK:
            fleet.used(self._ticket, attempt.usage, now_s)
        fleet.ended(self._ticket, attempt.outcome, now_s, self._dice(), self._problem)


WATCH_INTERVAL_S: Final = 0.05


async def keep_watch(fleet: Fleet) -> None:
    """Looks for requests that are overdue until it is cancelled. How late it gets to it tells how busy we are."""
    due_s = time.monotonic() + WATCH_INTERVAL_S
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        now_s = time.monotonic()
        fleet.blame.lagged(now_s - due_s, now_s)
        due_s = now_s + WATCH_INTERVAL_S
        move(fleet.sweep(now_s))


def move(tickets: Iterable[Ticket]) -> None:
    """Gives up those that may go elsewhere."""
    for ticket in tickets:
        if ticket.leave is not None:
            ticket.leave()
