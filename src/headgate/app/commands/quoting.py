"""`headgate quote`: what the call in a file would cost, by this configuration. Sends nothing."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from headgate.app import wiring
from headgate.app.config import Setup
from headgate.app.core import open_core
from headgate.core.problems import ConfigError, HeadgateError
from headgate.engine.quoting import quote
from headgate.server.incoming import Incoming, RequestHead
from headgate.server.listener import call_of
from headgate.server.paths import Endpoint, find

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def quoted(setup: Setup, body: bytes, surface: str) -> dict[str, Any]:
    """The quote. `surface`: `chat`, `messages` or `responses`. Raises a `HeadgateError` where there can be none."""
    path = "/v1/quote" if surface == "chat" else f"/v1/{surface}/quote"
    endpoint = find("POST", path)
    if not isinstance(endpoint, Endpoint) or endpoint.action != "quote":
        raise ConfigError(f"There is no surface {surface!r}; there are: chat, messages, responses.")
    incoming = Incoming(RequestHead("POST", path, b"", {}))
    incoming.endpoint, incoming.body = endpoint, body
    return asyncio.run(_quoted(setup, incoming))


def read(file: Path) -> bytes:
    """A call's body. Raises `ConfigError`."""
    try:
        return file.read_bytes()
    except OSError as fault:
        raise ConfigError(f"{file} cannot be read: {fault.strerror or fault}") from None


async def _quoted(setup: Setup, incoming: Incoming) -> dict[str, Any]:
    refused: HeadgateError | None = None
    async with open_core(setup, is_library=True) as core, wiring.open_engine(core) as (engine, _):
        try:
            return _decode(quote(engine, call_of(incoming, "quote")))
        except HeadgateError as error:  # raised outside, where it is not one of a group
            refused = error
    raise refused


def rows(told: dict[str, Any]) -> list[dict[str, object]]:
    """As a table: dollars by candidate."""
    return [
        {
            "deployment": each["deployment"],
            **{name: each["cost"][name]["usd"] for name in ("least", "expected", "most")},
            "priced": each["is_priced"],
        }
        for each in told["candidates"]
    ]
