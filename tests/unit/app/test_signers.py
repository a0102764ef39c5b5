"""Who signs for which provider, and what has to be installed for it."""

import pytest

from headgate.app.config import build
from headgate.app.signers import is_installed, make_signers, missing_extra
from headgate.core.problems import ConfigError
from headgate.providers.catalog import Settings, configure
from headgate.providers.spec import SIGNED, Auth, ProviderSpec, packaged, ways
from headgate.providers.variables import settable
from headgate.transport.signing.tokens import TokenSigner


@pytest.mark.parametrize(
    ("scheme", "extra"),
    [("google_adc", "vertex"), ("entra_id", "azure"), ("aws_sigv4", "bedrock"), ("bearer", ""), ("none", "")],
)
def test_a_scheme_names_the_extra_that_it_needs(scheme: str, extra: str):
    assert missing_extra(scheme, has=lambda _: False) == extra  # pyright: ignore[reportArgumentType]
    assert missing_extra(scheme, has=lambda _: True) == ""  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("module", "found"), [("json.decoder", True), ("json.nothing", False), ("nobody.at.all", False)]
)
def test_a_module_is_looked_for_without_its_import(module: str, found: bool):
    assert is_installed(module) is found


def test_every_signer_that_a_door_names_is_made():
    setup = build(
        {"providers": {"vertex": {"project": "p"}, "azure": {"resource": "r", "auth": "entra_id"}, "vllm": {}}},
        environ={},
    )
    providers = [configure(settings) for settings in setup.providers]
    made = make_signers(providers)
    assert set(made) == {door.signer for provider in providers for door in provider.doors if door.signer}
    assert len(made) == 2
    assert all(isinstance(signer, TokenSigner) for signer in made.values())


@pytest.mark.parametrize(
    ("spec", "auth"),
    [(spec, auth) for spec in packaged().values() for auth in ways(spec) if auth.scheme in SIGNED],
    ids=lambda value: value.name if isinstance(value, ProviderSpec) else value.scheme,
)
def test_there_is_a_signer_for_every_packaged_provider_that_needs_one(spec: ProviderSpec, auth: Auth):
    needed = {name: "x1" for name in settable(spec) if spec.vars[name].default is None}
    provider = configure(Settings(name="mine", spec=spec, auth=auth, variables=needed))
    assert set(make_signers([provider])) == {door.signer for door in provider.doors}


def test_entra_id_takes_no_key():
    tree = {"providers": {"azure": {"resource": "r", "auth": "entra_id", "api_key": "env:K"}}}
    (provider, _) = [configure(settings) for settings in build(tree, environ={"K": "k"}).providers]
    with pytest.raises(ConfigError, match="entra_id takes no api_key; set AZURE_TENANT_ID"):
        make_signers([provider])
