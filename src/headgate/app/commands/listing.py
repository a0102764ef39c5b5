"""The list that `headgate providers` prints: what is packaged, and what of it is used. Opens nothing."""

from collections.abc import Mapping

from headgate.app.config import Setup
from headgate.providers.spec import ProviderSpec, packaged


def provider_rows(setup: Setup, environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Those in use, in their order, then the packaged ones that are not."""
    used: list[dict[str, object]] = [
        {
            "name": settings.name,
            "used": True,
            "title": settings.spec.title,
            "dialects": list(settings.speaks or dialects(settings.spec)),
            "key": "set" if settings.credential else "none",
            "address": settings.base_url or settings.spec.speaks[0].base_url,
            "docs": settings.spec.docs,
        }
        for settings in setup.providers
    ]
    names = {settings.name for settings in setup.providers}
    unused = [_unused(spec, environ) for spec in packaged().values() if spec.name not in names]
    return [*used, *unused]


def _unused(spec: ProviderSpec, environ: Mapping[str, str]) -> dict[str, object]:
    is_set = any(environ.get(name) for name in spec.auth.env)
    return {
        "name": spec.name,
        "used": False,
        "title": spec.title,
        "dialects": dialects(spec),
        "key": f"{spec.auth.env[0]} is {'set' if is_set else 'not set'}" if spec.auth.env else "none",
        "address": spec.speaks[0].base_url,
        "docs": spec.docs,
    }


def dialects(spec: ProviderSpec) -> list[str]:
    """What it speaks, the usual door first."""
    return [door.dialect for door in spec.speaks]
