"""Tells the fleet of attempts: that one was sent, that its first token came, how it ended; and tells the calls which of
their attempts are overdue. Decides nothing."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from headgate.core.problems import Outcome, Problem
from headgate.core.record import Attempt
from headgate.dialects.base import Head
from headgate.providers.catalog import Deployment
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL
from headgate.routing.fleet import LIMIT_MARK, Fleet, Heard, Ticket
from headgate.routing.quotas import Need
from headgate.transport.base import Flight

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


class Watch:
    """One attempt, seen by those who choose where the next ones go."""

    __slots__ = ("_dice", "_fleet", "_problem", "ticket")

    def __init__(self, engine: "Engine", deployment: Deployment, body_bytes: int, head: Head, sent_s: float) -> None:
        self._dice = engine.dice
        fleet = self._fleet = engine.fleet
        self._problem: Problem | None = None
        member = fleet.member(deployment)
        output, most = int(member.output_tokens), head.max_tokens
        need = Need(body_bytes // BYTES_PER_TOKEN_USUAL, output if most is None or most > output else most)
        self.ticket = fleet.sent(member, need, sent_s, is_stream=head.is_stream)

    def head(self, flight: Flight) -> None:
        """The head of the answer is there."""
        ticket, now_s = self.ticket, time.monotonic()
        if self._fleet.landed(ticket, now_s):
            self._fleet.told(ticket, flight.fields_named(LIMIT_MARK), time.time(), now_s)

    def first(self) -> float:
        """The first token, or the whole answer, is there. Returns after how many milliseconds."""
        now_s = time.monotonic()
        self._fleet.first(self.ticket, now_s)
        return (now_s - self.ticket.sent_s) * 1e3

    def stays(self) -> None:
        """The client sees this answer: however long it takes, there is nothing else to be done."""
        self.ticket.on_late = None

    def failed(self, problem: Problem) -> None:
        """What an upstream that failed said."""
        self._problem = problem

    def ended(self, attempt: Attempt) -> None:
        """It is over."""
        self.ticket.on_late = None
        now_s, fleet = time.monotonic(), self._fleet
        if attempt.usage is not None and attempt.outcome is Outcome.OK:
            fleet.used(self.ticket, attempt.usage, now_s)
        fleet.ended(self.ticket, attempt.outcome, now_s, self._dice(), self._problem)


def report(engine: "Engine", deployment: Deployment, heard: Heard) -> None:
    """Tells of what was asked of a deployment beside calls."""
    fleet = engine.fleet
    fleet.heard(fleet.member(deployment), heard, time.monotonic(), engine.dice())


WATCH_INTERVAL_S: Final = 0.05


async def keep_watch(fleet: Fleet) -> None:
    """Looks for requests that are overdue until it is cancelled. How late it gets to it tells how busy we are."""
    due_s = time.monotonic() + WATCH_INTERVAL_S
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        now_s = time.monotonic()
        fleet.blame.lagged(now_s - due_s, now_s)
        due_s = now_s + WATCH_INTERVAL_S
        look(fleet.sweep(now_s))


def look(tickets: Iterable[Ticket]) -> None:
    """Lets the calls that wait for these do something about it."""
    for ticket in tickets:
        if ticket.on_late is not None:
            ticket.on_late()
