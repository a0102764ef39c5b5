"""Which providers a configuration gives: those of the file, else those whose usual variable is set; always `demo`.

Joins the operator's entries with the packaged specs and resolves what was left to the usual variables.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import msgspec

from headgate.app.config_addresses import address_fault, usual_address
from headgate.app.config_errors import NOT_YET, json_path
from headgate.app.config_models import ProviderEntry
from headgate.app.config_prices import own_name
from headgate.app.config_secrets import Secret
from headgate.app.signers import missing_extra
from headgate.providers.catalog import Settings, unfilled
from headgate.providers.spec import SIGNED, Auth, ProviderSpec, Scheme, ways
from headgate.providers.variables import settable

DEMO = "demo"


class Found(NamedTuple):
    """The providers to run with, one line for each fault, and one for each that is left out for want of something."""

    settings: list[Settings]
    faults: list[str]
    notes: list[str]


Missing = Callable[[Scheme], str]
"""The extra that would have to be installed for a scheme; empty: none."""


def provider_settings(
    entries: Mapping[str, ProviderEntry] | None,
    specs: Mapping[str, ProviderSpec],
    environ: Mapping[str, str],
    missing: Missing = missing_extra,
) -> Found:
    """`entries` None: the operator named none."""
    if entries is None:
        found = _found(specs, environ, missing)
        faults = [fault for spec in specs.values() if (fault := address_fault(spec, environ))]
        return found._replace(faults=faults)
    settings: list[Settings] = []
    faults: list[str] = []
    for name, entry in entries.items():
        spec = specs.get(entry.like or name)
        if spec is None:
            faults.append(_unknown(json_path(("providers", name)), name, entry, list(specs)))
            continue
        found = _faults(name, entry, spec, environ)
        auth = _way(entry, spec, environ)
        found += _lacking(name, auth, missing, ways(spec)) if auth else []
        if not found:
            joined = _joined(name, entry, spec, environ)
            found = _unfilled(joined)
            settings.append(joined)
        faults += found
    return Found([*settings, *_demo(specs)], faults, [])


def _found(specs: Mapping[str, ProviderSpec], environ: Mapping[str, str], missing: Missing) -> Found:
    """Every provider that the environment has everything for: a credential, or where a service without one is."""
    settings: list[Settings] = []
    notes: list[str] = []
    for spec in specs.values():
        auth, address = way_at_hand(spec, environ), usual_address(spec, environ)
        if auth is None and not address:
            continue
        joined = Settings(name=spec.name, spec=spec, base_url=address, environ=environ)
        wanting: list[str] = []
        if auth is not None:
            joined = _with_way(joined, auth, environ)
            wanting = _lacking(spec.name, auth, missing, ())
        wanting += _unfilled(joined)
        notes += [f"{line}; {spec.name} is left out" for line in wanting]
        settings += [] if wanting else [joined]
    return Found([*settings, *_demo(specs)], [], notes)


def _demo(specs: Mapping[str, ProviderSpec]) -> list[Settings]:
    return [Settings(name=spec.name, spec=spec) for spec in specs.values() if spec.tier == "builtin"]


def usual_credential(auth: Auth, environ: Mapping[str, str]) -> str:
    """The value of the first of its usual variables that is set."""
    return next((value for name in auth.env if (value := environ.get(name, "").strip())), "")


def way_at_hand(spec: ProviderSpec, environ: Mapping[str, str]) -> Auth | None:
    """The first way to present a credential whose usual variable is set."""
    return next((auth for auth in ways(spec) if usual_credential(auth, environ)), None)


def _way(entry: ProviderEntry, spec: ProviderSpec, environ: Mapping[str, str]) -> Auth | None:
    """How the credential of an entry travels; None: it has none, though its provider wants one."""
    possible = ways(spec)
    if entry.auth is not None:
        return next((auth for auth in possible if auth.scheme == entry.auth), None)
    if entry.api_key is not None:
        plain = next((auth for auth in possible if auth.scheme not in SIGNED), possible[0])
        return plain if entry.api_key else Auth("none")
    signed = next((auth for auth in possible if auth.scheme in SIGNED), None)
    return way_at_hand(spec, environ) or signed or (None if spec.auth.env else spec.auth)


def _with_way(settings: Settings, auth: Auth, environ: Mapping[str, str]) -> Settings:
    """A signed credential is looked for by its scheme's own library, any other in its usual variable."""
    credential = "" if auth.scheme in SIGNED else usual_credential(auth, environ)
    return msgspec.structs.replace(
        settings,
        auth=None if auth is settings.spec.auth else auth,
        credential=settings.credential or credential,
    )


def _faults(name: str, entry: ProviderEntry, spec: ProviderSpec, environ: Mapping[str, str]) -> list[str]:
    place = json_path(("providers", name))
    if spec.tier == "builtin" and (name == spec.name or entry.base_url or entry.headers):
        return [f"{place}: {spec.name} is built in; leave it out, or copy it with `speaks`"]
    faults: list[str] = []
    spoken = [door.dialect for door in spec.speaks]
    for position, dialect in enumerate(entry.speaks):
        if dialect not in spoken:
            faults.append(f"{place}.speaks[{position}]: {spec.name} speaks {', '.join(spoken)}, not {dialect!r}")
    faults += [_not_a_setting(name, variable, spec) for variable in entry.variables if variable not in settable(spec)]
    auth = _way(entry, spec, environ)
    if entry.auth is not None and auth is None:
        schemes = ", ".join(auth.scheme for auth in ways(spec))
        faults.append(f"{place}.auth: {spec.name} takes {schemes}, not {entry.auth!r}")
    elif entry.api_key is None and spec.auth.scheme != "none":
        faults += _missing_key(place, name, entry, auth, spec)
    if not entry.base_url and name == spec.name and (fault := address_fault(spec, environ)):
        faults.append(fault)
    return faults


def _not_a_setting(name: str, variable: str, spec: ProviderSpec) -> str:
    place = json_path(("providers", name, variable))
    if variable in NOT_YET:
        return f"{place}: is not available yet; leave it out"
    known = [*ProviderEntry.model_fields, *settable(spec)]
    near = get_close_matches(variable, known, n=1, cutoff=0.5)
    return f"{place}: is not a setting{f'; did you mean {near[0]}?' if near else '.'} Known here: {', '.join(known)}"


def _unfilled(settings: Settings) -> list[str]:
    fault = unfilled(settings)
    return [f"{json_path(('providers', settings.name, fault.variable))}: {fault.text}"] if fault else []


def _lacking(name: str, auth: Auth, missing: Missing, others: Sequence[Auth]) -> list[str]:
    """What would have to be installed for a way to present a credential, or which other way needs nothing."""
    extra = missing(auth.scheme)
    plain = " or ".join(way.env[0] for way in others if way.scheme not in SIGNED and way.env)
    hint = f", or set {plain}" if plain else ""
    place = json_path(("providers", name))
    return [f"{place}: {auth.scheme} needs more: pip install 'headgate[{extra}]'{hint}"] if extra else []


def _unknown(place: str, name: str, entry: ProviderEntry, known: list[str]) -> str:
    wanted = entry.like or name
    near = get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else "."
    listed = "`headgate providers` lists them"
    if entry.like:
        return f"{place}.like: no packaged provider is named {wanted!r}{hint} {listed}"
    return f"{place}: no packaged provider is named {name!r}{hint} {listed}; for a service of your own, set like to one"


def _missing_key(place: str, name: str, entry: ProviderEntry, auth: Auth | None, spec: ProviderSpec) -> list[str]:
    """A key is only sent on its own to where its variable says it belongs."""
    has_usual = auth is None or bool(auth.env)
    if entry.base_url and entry.like not in {"", name} and has_usual and entry.auth is None:
        return [f"{place}.api_key: is required where base_url leads elsewhere: env:NAME, file:PATH or none"]
    if auth is None:
        names = " or ".join(name for way in ways(spec) for name in way.env)
        return [f"{place}.api_key: the environment variable {names} is not set; set it, or write api_key"]
    return []


def _joined(name: str, entry: ProviderEntry, spec: ProviderSpec, environ: Mapping[str, str]) -> Settings:
    settings = Settings(
        name=name,
        spec=msgspec.structs.replace(
            spec,
            models=tuple(dict.fromkeys((*entry.models, *spec.models))),
            bills_on=spec.bills_on if entry.bills_on is None else entry.bills_on,
        ),
        base_url=entry.base_url or (usual_address(spec, environ) if name == spec.name else ""),
        credential=(entry.api_key or Secret("")).reveal(),
        version=entry.version,
        speaks=entry.speaks,
        headers=tuple((header.lower(), value.reveal()) for header, value in entry.headers.items()),
        variables=entry.variables,
        environ=environ,
        prices=own_name(name) if entry.prices else "",
    )
    auth = _way(entry, spec, environ)
    return settings if auth is None else _with_way(settings, auth, environ)
