"""Live tail: calls as they end."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from headgate.server.dashboard.pages.requests import names_of_keys, row_of
from headgate.server.dashboard.rendering import render
from headgate.server.dashboard.visiting import Page, Sent, Visit

LOOK_S: Final = 0.3
ALIVE_EVERY: Final = 50
"""After so many looks without a call something is said nonetheless, so that nobody takes the line for dead."""


async def tail(visit: Visit) -> Page:
    """The page, which fills itself."""
    return Page(template="tail.html", context={"title": "Live tail", "visit": visit})


async def tail_stream(visit: Visit) -> Sent:
    """Server-sent events, each with rows of the table of requests."""
    return Sent(media_type="text/event-stream", stream=_events(visit))


async def _events(visit: Visit) -> AsyncGenerator[bytes]:
    place, _ = await asyncio.to_thread(visit.sights.tail, None)
    looks = 0
    yield b": here\n\n"
    while not visit.sights.is_stopping():
        await asyncio.sleep(LOOK_S)
        place, rows = await asyncio.to_thread(_look, visit, place)
        looks += 1
        if rows:
            yield b"".join(b"data: %b\n" % line for line in rows.splitlines()) + b"\n"
        elif looks % ALIVE_EVERY == 0:
            yield b": still here\n\n"


def _look(visit: Visit, place: int) -> tuple[int, bytes]:
    place, records = visit.sights.tail(place)
    if not records:
        return place, b""
    names = names_of_keys(visit)
    rows = [row_of(visit, record, names) for record in reversed(records)]
    return place, render("requests_rows.html", visit=visit, rows=rows, next="")
