"""Where a service without a key usually is: the variable that says so, read. Opens nothing."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from headgate.providers.spec import ProviderSpec

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
"""A server that was told to listen everywhere is called here."""


def usual_address(spec: ProviderSpec, environ: Mapping[str, str]) -> str:
    """The URL in the first of its variables that is set and good; what it leaves out is as in the packaged address."""
    text = _told(spec, environ)
    if not text or address_fault(spec, environ):
        return ""
    usual = urlsplit(spec.speaks[0].base_url)
    parts = urlsplit(text if "://" in text else f"{usual.scheme}://{text}")
    host = _LOOPBACK.get(parts.hostname or "", parts.netloc.removesuffix(f":{parts.port}"))
    port = parts.port or (None if "://" in text else usual.port)
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def address_fault(spec: ProviderSpec, environ: Mapping[str, str]) -> str:
    """What is wrong with it; empty: nothing."""
    text = _told(spec, environ)
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        is_good = not text or bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:
        is_good = False
    names = " or ".join(spec.address_env)
    return "" if is_good else f"the environment variable {names} must be a host, host:port or URL, not {text!r}"


def _told(spec: ProviderSpec, environ: Mapping[str, str]) -> str:
    return next((value for name in spec.address_env if (value := environ.get(name, "").strip())), "")
