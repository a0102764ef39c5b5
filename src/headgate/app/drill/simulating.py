"""The operator's own configuration with simulated upstreams in place of the real ones. Opens nothing.

Routes, strategies, timeouts and prices stay; addresses and credentials go, so no call of a drill can reach a provider
or cost anything. A provider keeps its API where the simulation speaks it, and is given OpenAI's otherwise.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from headgate.app.compiled import compile_setup
from headgate.app.config import ProviderSettings, Server, Setup
from headgate.core.problems import ConfigError
from headgate.ledger.prices import PriceBook
from headgate.providers.spec import Auth, Speaks

ROOTS: Final[Mapping[str, str]] = {
    "openai_chat": "/v1",
    "openai_responses": "/v1",
    "anthropic": "",
    "gemini": "",
    "cohere": "",
    "ollama": "",
}
"""Dialects that simulated upstreams speak, and where their paths begin."""
_KEY: Final = "drill"
_NOWHERE: Final = "http://127.0.0.1:9"


class Stage(Struct, frozen=True, kw_only=True):
    """Where a simulated gateway plays."""

    folder: Path
    port: int
    admin_port: int
    upstreams: Mapping[str, str]
    """Of each provider: the origin that stands in for it."""


def targets(setup: Setup, route: str) -> list[str]:
    """The providers of a route's targets, each once, in their order. Raises `ConfigError` for one that is not there."""
    entry = setup.config.routes.get(route)
    if entry is None:
        known = ", ".join(setup.config.routes) or "none"
        raise ConfigError(f"no route {route!r} is configured; there are: {known}")
    directory = compile_setup(setup, PriceBook(), now_s=0).directory
    return list(dict.fromkeys(target.deployment.provider for target in directory.routes[route].targets))


def simulated(setup: Setup, stage: Stage) -> Setup:
    """The same configuration, led to simulated upstreams, with a store and ports of its own."""
    server = Server(host="127.0.0.1", port=stage.port, admin_port=stage.admin_port)
    config = setup.config.model_copy(
        update={
            "data_dir": stage.folder,
            "store": "sqlite:///headgate.db",
            "admin_key": None,
            "server": server,
            "prices": setup.config.prices.model_copy(update={"update": False}),
        }
    )
    providers = [_led(settings, stage.upstreams) for settings in setup.providers]
    return setup._replace(config=config, providers=tuple(providers))


def _led(settings: ProviderSettings, upstreams: Mapping[str, str]) -> ProviderSettings:
    """A provider at its simulated upstream. One that no target of the drill runs at leads nowhere."""
    if settings.spec.tier == "builtin":
        return settings
    origin = upstreams.get(settings.name, _NOWHERE)
    doors = [
        Speaks(dialect=door.dialect, base_url=origin + ROOTS[door.dialect], quirks=door.quirks, version=door.version)
        for door in settings.spec.speaks
        if door.dialect in ROOTS and (not settings.speaks or door.dialect in settings.speaks)
    ]
    usual = Speaks(dialect="openai_chat", base_url=origin + ROOTS["openai_chat"])
    spec = structs.replace(settings.spec, speaks=tuple(doors) or (usual,), realtime=None, alternatives=(), vars={})
    return ProviderSettings(name=settings.name, spec=spec, credential=_KEY, auth=Auth("bearer"), prices=settings.prices)


def strangers(setup: Setup, providers: Sequence[str]) -> list[str]:
    """Those whose own API is not simulated, for the report: they are given OpenAI's."""
    specs = {settings.name: settings.spec for settings in setup.providers}
    return [name for name in providers if not any(door.dialect in ROOTS for door in specs[name].speaks)]
