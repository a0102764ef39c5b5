"""The list that `headgate providers` prints: what is packaged, and what of it is used. Opens nothing."""

from collections.abc import Mapping

from headgate.app.config import ProviderSettings, Setup
from headgate.app.config_providers import way_at_hand
from headgate.providers.catalog import configure
from headgate.providers.spec import SIGNED, ProviderSpec, packaged, ways
from headgate.providers.variables import wanting

NAMED = "an entry in the configuration"
"""What a service without a key needs to be used: nobody can see from here whether it is there."""


def provider_rows(setup: Setup, environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Those in use, in their order, then the packaged ones that are not."""
    used = [_used(settings) for settings in setup.providers]
    names = {settings.name for settings in setup.providers}
    unused = [_unused(spec, environ) for spec in packaged().values() if spec.name not in names]
    return [*used, *unused]


def _used(settings: ProviderSettings) -> dict[str, object]:
    doors = configure(settings).doors
    spec = settings.spec
    auth = settings.auth or spec.auth
    return {
        "name": settings.name,
        "used": True,
        "title": spec.title,
        "dialects": [door.dialect for door in doors],
        "key": auth.scheme if auth.scheme in SIGNED else "set" if settings.credential else "none",
        "missing": [],
        "address": doors[0].base_url,
        "tier": spec.tier,
        "docs": spec.docs,
        "checked": spec.checked,
    }


def _unused(spec: ProviderSpec, environ: Mapping[str, str]) -> dict[str, object]:
    at_hand = way_at_hand(spec, environ)
    keys = list(dict.fromkeys(name for way in ways(spec) for name in way.env[:1]))
    return {
        "name": spec.name,
        "used": False,
        "title": spec.title,
        "dialects": dialects(spec),
        "key": "set" if at_hand else f"{' or '.join(keys)} is not set" if keys else "none",
        "missing": [*([] if at_hand else [" or ".join(keys) or NAMED]), *wanting(spec.vars, environ)],
        "address": spec.speaks[0].base_url,
        "tier": spec.tier,
        "docs": spec.docs,
        "checked": spec.checked,
    }


def dialects(spec: ProviderSpec) -> list[str]:
    """What it speaks, the usual door first."""
    return [door.dialect for door in spec.speaks]
