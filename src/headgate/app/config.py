"""The configuration: defaults, then the file, then variables, then options; every fault at once.

`load` reads the operator's file and environment, `build` takes a tree that a program made. Both give a `Setup`: the
settings as written, and the providers they come to. Must not know how anything is run.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from headgate.app.config_errors import explain
from headgate.app.config_models import Config, ProviderEntry, RouteEntry, Server, TargetEntry
from headgate.app.config_providers import provider_settings
from headgate.app.config_secrets import Secret, Surroundings
from headgate.app.config_sources import Origins, Tree, from_environment, laid_over, read_file
from headgate.core.problems import ConfigError
from headgate.providers.catalog import Settings as ProviderSettings
from headgate.providers.spec import packaged
from headgate.routing.strategies import WEIGHING

USUAL_FILE = "headgate.yaml"

__all__ = [
    "Config",
    "ProviderEntry",
    "ProviderSettings",
    "RouteEntry",
    "Secret",
    "Server",
    "Setup",
    "TargetEntry",
    "build",
    "find_file",
    "load",
]


class Setup(NamedTuple):
    """A configuration that can be used."""

    config: Config
    providers: tuple[ProviderSettings, ...]
    """In the order of the file, `demo` last."""
    notes: tuple[str, ...]
    """What is allowed but probably not meant."""
    file: Path | None
    """The file it came from; None: there was none."""


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the one named by the option, by `HEADGATE_CONFIG`, or `./headgate.yaml` if it is there."""
    named = path or (Path(environ["HEADGATE_CONFIG"]) if environ.get("HEADGATE_CONFIG") else None)
    if named is not None:
        return named.expanduser()
    return Path(USUAL_FILE) if Path(USUAL_FILE).is_file() else None


def load(
    path: Path | None = None, *, environ: Mapping[str, str] | None = None, options: Mapping[str, object] | None = None
) -> Setup:
    """The configuration of this machine. `options` are values by dotted name, such as `server.port`."""
    environ = os.environ if environ is None else environ
    file = find_file(path, environ)
    tree = read_file(file) if file else {}
    return _built(tree, environ, options or {}, file)


def build(tree: Mapping[str, object], *, environ: Mapping[str, str] | None = None) -> Setup:
    """The configuration that `tree` says, as the file would; variables are laid over it all the same."""
    return _built(dict(tree), os.environ if environ is None else environ, {}, None)


def _built(tree: Tree, environ: Mapping[str, str], options: Mapping[str, object], file: Path | None) -> Setup:
    above, origins = from_environment(environ, Config.model_fields)
    tree = laid_over(laid_over({"data_dir": str(data_dir(environ))}, tree), above)
    for name, value in options.items():
        path = tuple(name.split("."))
        tree = laid_over(tree, _nested(path, value))
        origins[path] = f"--{path[-1].replace('_', '-')}"
    config = _validated(tree, Surroundings(environ, file.parent if file else Path()), origins, file)
    entries = config.providers if "providers" in config.model_fields_set else None
    providers, faults, notes = provider_settings(entries, packaged(), environ)
    faults += _clashes(config)
    if faults:
        raise _error(faults, file)
    return Setup(config, tuple(providers), (*_notes(config), *notes), file)


def data_dir(environ: Mapping[str, str]) -> Path:
    """Where things are kept when nobody says otherwise (https://specifications.freedesktop.org/basedir, 2026-11)."""
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "headgate"


def _nested(path: tuple[str, ...], value: object) -> Tree:
    return {path[0]: _nested(path[1:], value) if path[1:] else value}


def _validated(tree: Tree, around: Surroundings, origins: Origins, file: Path | None) -> Config:
    try:
        return Config.model_validate(tree, context=around)
    except ValidationError as error:
        raise _error(explain(error, Config, origins), file) from None


def _error(faults: list[str], file: Path | None) -> ConfigError:
    prefix = f"{file}: " if file else ""
    return ConfigError("\n".join(f"{prefix if fault.startswith('$') else ''}{fault}" for fault in faults))


def _clashes(config: Config) -> list[str]:
    server = config.server
    if server.port and server.port == server.admin_port and server.host == server.admin_host:
        return [f"$.server.admin_port: must differ from server.port, which is {server.port} too"]
    return []


def _notes(config: Config) -> list[str]:
    return [
        f"$.routes.{name}.targets[{position}].weight: has no effect under the strategy {route.strategy!r}"
        for name, route in config.routes.items()
        for position, target in enumerate(route.targets)
        if target.weight != 1 and route.strategy not in WEIGHING
    ]
