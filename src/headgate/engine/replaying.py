"""A kept stream, told again as slowly as it came. Does not know where it is kept."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

from headgate.cache.entries import Entry
from headgate.core.events import Event, PartDelta
from headgate.dialects.base import StreamRenderer
from headgate.engine.answer import Answerer

TICK_S: Final = 0.02
"""What comes closer together is told together."""
PIECE_CHARS: Final = 24
_PIECE: Final = re.compile(rf".{{1,{PIECE_CHARS}}}(?:\s+|$)|.{{1,{PIECE_CHARS}}}", re.DOTALL)


def pieces(events: Sequence[Event]) -> Iterator[Event]:
    """The same events, with long words in several pieces: what came whole can be told as a stream."""
    for event in events:
        if isinstance(event, PartDelta) and len(event.text) > 2 * PIECE_CHARS:
            yield from (PartDelta(event.index, piece) for piece in _PIECE.findall(event.text))
        else:
            yield event


async def replay(entry: Entry, renderer: StreamRenderer, answerer: Answerer) -> None:
    """Tells it: the first words as late as they came, the rest evenly over the time that it took."""
    events = list(pieces(entry.events))
    begun_s = time.monotonic() + entry.ttft_ms / 1e3
    step_s = max(entry.duration_ms - entry.ttft_ms, 0.0) / 1e3 / max(len(events), 1)
    waiting: list[Event] = []
    for at, event in enumerate(events):
        wait_s = begun_s + at * step_s - time.monotonic()
        if wait_s > TICK_S:
            await _tell(waiting, renderer, answerer)
            waiting = []
            await asyncio.sleep(wait_s)
        if answerer.is_gone:
            return
        waiting.append(event)
    await _tell(waiting, renderer, answerer)


async def _tell(events: Sequence[Event], renderer: StreamRenderer, answerer: Answerer) -> None:
    data = renderer.render(events)
    if data:
        await answerer.more(data)
