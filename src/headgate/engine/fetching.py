"""Reads a short answer of a provider for the gateway's own use. Must not know what it says."""

from typing import TYPE_CHECKING

from headgate.core.problems import UpstreamError
from headgate.dialects.registry import DIALECTS
from headgate.engine.timing import CONNECT_S
from headgate.engine.travelling import Fields
from headgate.providers.catalog import Door
from headgate.transport.base import Timeouts, UpstreamRequest

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


async def fetch(engine: "Engine", door: Door, url: str, fields: Fields) -> bytes:
    """What is at an address of a provider. Raises `UpstreamError`."""
    settings = engine.settings
    request = UpstreamRequest(method="GET", url=url, headers=fields)
    timeouts = Timeouts(connect_s=CONNECT_S, head_s=settings.whole_s, idle_s=settings.idle_s)
    request = await engine.signed(request, door.signer, settings.whole_s)
    flight = engine.transports[request.url.partition(":")[0]].start(request, timeouts)
    try:
        await flight.head()
        body = await flight.read_all(settings.answer_bytes_max)
    finally:
        flight.close()
    if flight.status != 200:
        raise UpstreamError(DIALECTS[door.dialect].parse_error(flight.status, flight.headers, body))
    return body
