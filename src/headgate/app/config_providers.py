"""Which providers a configuration gives: those of the file, else those whose usual variable is set; always `demo`.

Joins the operator's entries with the packaged specs and resolves what was left to the usual variables.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from headgate.app.config_errors import json_path
from headgate.app.config_models import ProviderEntry
from headgate.app.config_prices import own_name
from headgate.app.config_secrets import Secret
from headgate.providers.catalog import Settings
from headgate.providers.spec import ProviderSpec

DEMO = "demo"


def provider_settings(
    entries: Mapping[str, ProviderEntry] | None, specs: Mapping[str, ProviderSpec], environ: Mapping[str, str]
) -> tuple[list[Settings], list[str]]:
    """The providers to run with, and one line for each fault. `entries` None: the operator named none."""
    if entries is None:
        return [*_found(specs, environ), *_demo(specs)], []
    settings: list[Settings] = []
    faults: list[str] = []
    for name, entry in entries.items():
        spec = specs.get(entry.like or name)
        if spec is None:
            faults.append(_unknown(json_path(("providers", name)), name, entry, list(specs)))
            continue
        found = _faults(name, entry, spec, environ)
        faults += found
        if not found:
            settings.append(_joined(name, entry, spec, environ))
    return [*settings, *_demo(specs)], faults


def _found(specs: Mapping[str, ProviderSpec], environ: Mapping[str, str]) -> list[Settings]:
    return [
        Settings(name=spec.name, spec=spec, credential=credential)
        for spec in specs.values()
        if (credential := usual_credential(spec, environ))
    ]


def _demo(specs: Mapping[str, ProviderSpec]) -> list[Settings]:
    return [Settings(name=spec.name, spec=spec) for spec in specs.values() if spec.tier == "builtin"]


def usual_credential(spec: ProviderSpec, environ: Mapping[str, str]) -> str:
    """The value of the first of its usual variables that is set."""
    return next((value for name in spec.auth.env if (value := environ.get(name, "").strip())), "")


def _faults(name: str, entry: ProviderEntry, spec: ProviderSpec, environ: Mapping[str, str]) -> list[str]:
    place = json_path(("providers", name))
    if spec.tier == "builtin" and (name == spec.name or entry.base_url or entry.headers):
        return [f"{place}: {spec.name} is built in; leave it out, or copy it with `speaks`"]
    faults: list[str] = []
    spoken = [door.dialect for door in spec.speaks]
    for position, dialect in enumerate(entry.speaks):
        if dialect not in spoken:
            faults.append(f"{place}.speaks[{position}]: {spec.name} speaks {', '.join(spoken)}, not {dialect!r}")
    if entry.api_key is None and spec.auth.scheme != "none":
        faults += _missing_key(place, name, entry, spec, environ)
    return faults


def _unknown(place: str, name: str, entry: ProviderEntry, known: list[str]) -> str:
    wanted = entry.like or name
    near = get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else "."
    if entry.like:
        return f"{place}.like: no packaged provider is named {wanted!r}{hint} Known: {', '.join(known)}"
    others = f"For a service of your own, set like to one of {', '.join(known)}"
    return f"{place}: no packaged provider is named {name!r}{hint} {others}"


def _missing_key(
    place: str, name: str, entry: ProviderEntry, spec: ProviderSpec, environ: Mapping[str, str]
) -> list[str]:
    """A key is only sent on its own to where its variable says it belongs."""
    if entry.base_url and entry.like not in {"", name}:
        return [f"{place}.api_key: is required where base_url leads elsewhere: env:NAME, file:PATH or none"]
    if not usual_credential(spec, environ):
        names = " or ".join(spec.auth.env)
        return [f"{place}.api_key: the environment variable {names} is not set; set it, or write api_key"]
    return []


def _joined(name: str, entry: ProviderEntry, spec: ProviderSpec, environ: Mapping[str, str]) -> Settings:
    key = entry.api_key if entry.api_key is not None else Secret(usual_credential(spec, environ))
    return Settings(
        name=name,
        spec=msgspec.structs.replace(spec, models=tuple(dict.fromkeys((*entry.models, *spec.models)))),
        base_url=entry.base_url,
        credential=key.reveal(),
        version=entry.version,
        speaks=entry.speaks,
        headers=tuple((header.lower(), value.reveal()) for header, value in entry.headers.items()),
        prices=own_name(name) if entry.prices else "",
    )
