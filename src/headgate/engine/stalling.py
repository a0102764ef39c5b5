"""Finds streams that have stopped saying anything, whatever keeps their connections alive. Decides nothing else."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, Protocol

from headgate.core.problems import Outcome

INTERVAL_S: Final = 0.25


class Flow(Protocol):
    """A stream on its way to a client."""

    said_s: float
    """When it last said something."""

    @property
    def is_congested(self) -> bool:
        """Whether it is the client that keeps it waiting."""
        ...

    @property
    def stall_s(self) -> float:
        """A longer pause just now is a stall."""
        ...

    def abort(self, outcome: Outcome) -> None:
        """Ends it."""
        ...


async def keep_flowing(flows: Iterable[Flow]) -> None:
    """Ends the streams that have stalled, until it is cancelled."""
    while True:
        await asyncio.sleep(INTERVAL_S)
        look(flows, time.monotonic())


def look(flows: Iterable[Flow], now_s: float) -> None:
    """Ends those that have stalled by now."""
    for flow in list(flows):
        if flow.is_congested:
            flow.said_s = now_s
        elif now_s - flow.said_s > flow.stall_s:
            flow.abort(Outcome.STALL)
