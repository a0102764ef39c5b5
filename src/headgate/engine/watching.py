"""Tells the fleet of an attempt: that it was sent, that its first token came, how it ended. Decides nothing."""

import time
from typing import TYPE_CHECKING

from headgate.core.problems import Outcome, Problem
from headgate.core.record import Attempt
from headgate.dialects.base import Head
from headgate.engine.lanes import Prepared
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL
from headgate.routing.fleet import LIMIT_MARK
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

    def failed(self, problem: Problem) -> None:
        """What an upstream that failed said."""
        self._problem = problem

    def ended(self, attempt: Attempt) -> None:
        """It is over."""
        now_s, fleet = time.monotonic(), self._fleet
        if attempt.usage is not None and attempt.outcome is Outcome.OK:
            fleet.used(self._ticket, attempt.usage, now_s)
        fleet.ended(self._ticket, attempt.outcome, now_s, self._dice(), self._problem)
