"""What a configuration comes to: what `headgate check` prints. Shows no secret."""

from collections.abc import Mapping

from headgate.app.commands.listing import provider_rows
from headgate.app.compiled import compile_setup
from headgate.app.config import ProviderSettings, Setup
from headgate.app.config_prices import price_book
from headgate.providers.catalog import configure
from headgate.routing.plan import Route
from headgate.routing.strategies import WEIGHING


def check(setup: Setup) -> None:
    """Raises `ConfigError` for what shows only when everything is put together, such as a route that leads nowhere."""
    _routes(setup)


def summary(setup: Setup, environ: Mapping[str, str]) -> dict[str, object]:
    """Everything that would be used, as JSON."""
    config = setup.config
    server = config.server
    return {
        "file": str(setup.file) if setup.file else None,
        "data_dir": str(config.data_dir),
        "store": config.store_name,
        "clients": f"http://{server.host}:{server.port}",
        "administration": f"http://{server.admin_host}:{server.admin_port}",
        "admin_key": "given" if config.admin_key else "made at the first start",
        "providers": [row for row in provider_rows(setup, environ) if row["used"]],
        "routes": {
            name: {"strategy": route.strategy, "targets": [target.deployment.id for target in route.targets]}
            for name, route in _routes(setup).items()
        },
        "notes": list(setup.notes),
    }


def summary_lines(setup: Setup) -> list[str]:
    """The same for people."""
    config = setup.config
    server = config.server
    lines = [
        f"configuration   {setup.file or 'no file; defaults and variables'}",
        f"data            {config.data_dir}",
        f"store           {config.store_name}",
        f"clients         http://{server.host}:{server.port}",
        f"administration  http://{server.admin_host}:{server.admin_port}, "
        + ("with the key given" if config.admin_key else "its key is made at the first start"),
    ]
    for settings in setup.providers:
        lines.append(f"provider        {settings.name}: {_provider(settings)}")
    for name, route in _routes(setup).items():
        targets = ", ".join(_target(target.deployment.id, target.weight, route.strategy) for target in route.targets)
        lines.append(f"route           {name}: {route.strategy} over {targets}")
    lines += [f"note            {note}" for note in setup.notes]
    return [*lines, "The configuration can be used."]


def _routes(setup: Setup) -> Mapping[str, Route]:
    """As they are used: a route that names no targets has found its own."""
    return compile_setup(setup, price_book(setup.config.providers), now_s=0).directory.routes


def _provider(settings: ProviderSettings) -> str:
    """Where it is called, and with what."""
    door = configure(settings).doors[0]
    scheme = (settings.auth or settings.spec.auth).scheme
    key = f"with {scheme}" if door.signer else "with a key" if settings.credential else "without a key"
    return f"{door.base_url}, {key}"


def _target(model: str, weight: float, strategy: str) -> str:
    return f"{model} ({weight:g})" if strategy in WEIGHING else model
