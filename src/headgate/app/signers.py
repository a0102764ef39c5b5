"""Who puts a fetched or computed credential on a request: made for each configured provider that needs one.

The libraries behind them are extras, imported here and only when a provider wants them.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Final

from headgate.core.problems import ConfigError
from headgate.providers.catalog import Provider, Signing
from headgate.providers.spec import Scheme
from headgate.transport.base import Signer

_NEEDS: Final[Mapping[str, tuple[str, str]]] = {
    "google_adc": ("google.auth.transport.requests", "vertex"),
    "entra_id": ("azure.identity", "azure"),
    "aws_sigv4": ("botocore.auth", "bedrock"),
}
"""By scheme: the module that does the work, and the extra that brings it."""


def is_installed(module: str) -> bool:
    """Whether a module could be imported; a part of it is looked for without its own import."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def missing_extra(scheme: Scheme, has: Callable[[str], bool] = is_installed) -> str:
    """The extra of Headgate that would have to be installed for a scheme; empty: none."""
    module, extra = _NEEDS.get(scheme, ("", ""))
    return extra if module and not has(module) else ""


def make_signers(providers: Iterable[Provider]) -> dict[str, Signer]:
    """A signer for each name that a door gives. Raises `ConfigError` for a credential that cannot be used."""
    return {signing.name: _MAKERS[signing.auth.scheme](signing) for found in providers for signing in found.signings}


def _google(signing: Signing) -> Signer:
    from headgate.transport.signing.google import google_signer  # noqa: PLC0415 - an extra

    return google_signer(scope=signing.auth.scope, account=signing.credential)


def _azure(signing: Signing) -> Signer:
    from headgate.transport.signing.azure import azure_signer  # noqa: PLC0415 - an extra

    if signing.credential:
        raise ConfigError(
            f"{signing.name}: entra_id takes no api_key; set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, "
            "or give this machine a managed identity"
        )
    return azure_signer(scope=signing.auth.scope)


def _aws(signing: Signing) -> Signer:
    from headgate.transport.signing.aws import aws_signer  # noqa: PLC0415 - an extra

    region = signing.values.value("region")
    return aws_signer(region=region, service=signing.auth.scope, credential=signing.credential)


_MAKERS: Final[Mapping[Scheme, Callable[[Signing], Signer]]] = {
    "aws_sigv4": _aws,
    "entra_id": _azure,
    "google_adc": _google,
}
