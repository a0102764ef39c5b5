"""The packaged providers: every file says what it must, and nothing that another one says."""

import json
from collections import Counter
from datetime import date
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headgate.app.config_models import ProviderEntry
from headgate.core.problems import ConfigError
from headgate.dialects.registry import DIALECTS
from headgate.providers.catalog import Settings, configure
from headgate.providers.spec import SIGNED, ProviderSpec, Variable, packaged, parse_spec, ways
from headgate.providers.variables import MODEL, blanks, settable, templates

FILES = sorted(
    (file for file in (resources.files("headgate.providers") / "data").iterdir() if file.name.endswith(".toml")),
    key=lambda file: file.name.removesuffix(".toml"),
)
SPECS = [parse_spec(file.read_bytes(), where=file.name) for file in FILES]
SERVICES = [spec for spec in SPECS if spec.tier != "builtin"]
PROOFS = json.loads((Path(__file__).parents[3] / "docs" / "reference" / "proofs.json").read_text())

every_service = pytest.mark.parametrize("spec", SERVICES, ids=lambda spec: spec.name)


def filled(spec: ProviderSpec) -> Settings:
    """As an operator has it who has set everything that must be set."""
    needed = {name: "x1" for name in settable(spec) if spec.vars[name].default is None}
    return Settings(name=spec.name, spec=spec, credential="k", variables=needed)


def test_names_are_those_of_the_files_and_none_stands_twice():
    assert [spec.name for spec in SPECS] == [file.name.removesuffix(".toml") for file in FILES]
    assert list(packaged()) == [spec.name for spec in SPECS]


def test_there_are_as_many_as_the_documents_say():
    assert len(SERVICES) >= 100


@every_service
def test_a_file_says_where_its_facts_are_from(spec: ProviderSpec):
    assert spec.title.strip()
    assert urlsplit(spec.docs).scheme == "https"
    assert urlsplit(spec.docs).hostname
    assert date(2026, 1, 1) <= date.fromisoformat(spec.checked)


@every_service
def test_a_door_speaks_a_dialect_by_quirks_that_it_has(spec: ProviderSpec):
    spoken = [door.dialect for door in spec.speaks]
    assert Counter(spoken).most_common(1)[0][1] == 1
    for door in spec.speaks:
        assert set(door.quirks) <= set(DIALECTS[door.dialect].quirks)


@every_service
def test_every_blank_has_its_variable_and_every_variable_its_blank(spec: ProviderSpec):
    used = {name for template in templates(spec) for name in blanks(template)} - {MODEL}
    used |= {variable.of for variable in spec.vars.values() if variable.of}
    assert used == set(spec.vars)
    assert not set(spec.vars) & {*ProviderEntry.model_fields, MODEL}


@every_service
def test_it_can_be_configured_and_keeps_to_tls_unless_it_is_here(spec: ProviderSpec):
    for door in configure(filled(spec)).doors:
        url = urlsplit(door.url("/x", "m"))
        assert "{" not in url.geturl()
        assert url.scheme == "https" or url.hostname in {"localhost", "127.0.0.1"}
        assert not url.path.startswith("//")


@every_service
def test_a_key_is_presented_by_every_door_or_by_a_signer(spec: ProviderSpec):
    for auth in ways(spec):
        assert (auth.scheme in {"header", "query"}) <= bool(auth.name)
        assert (auth.scheme in {"google_adc", "entra_id"}) <= bool(auth.scope)
    for door in configure(filled(spec)).doors if spec.auth.scheme != "none" else ():
        assert door.signer or "k" in dict(door.headers).values() or "Bearer k" in dict(door.headers).values()


def test_no_two_providers_take_a_key_from_one_variable():
    names = Counter(name for spec in SPECS for auth in ways(spec) if auth.scheme not in SIGNED for name in auth.env)
    assert [name for name, count in names.items() if count > 1] == ["AWS_BEARER_TOKEN_BEDROCK"]  # one service, two APIs


@every_service
def test_recorded_is_what_recorded_traffic_has_proved(spec: ProviderSpec):
    assert (spec.tier == "recorded") == (spec.name in PROOFS)
    assert set(PROOFS.get(spec.name, {})) <= {door.dialect for door in spec.speaks}


def test_proofs_are_of_providers_that_there_are():
    assert set(PROOFS) <= {spec.name for spec in SPECS}


def test_a_file_with_an_unknown_scheme_or_a_wrong_variable_is_refused():
    text = FILES[0].read_text()
    with pytest.raises(ConfigError, match="Invalid enum value 'magic'"):
        parse_spec(text.replace('scheme = "bearer"', 'scheme = "magic"'), where="a.toml")
    with pytest.raises(ConfigError, match="unknown field `envs`"):
        parse_spec(text.replace("[[speaks]]", '[vars]\nx = { envs = ["X"] }\n[[speaks]]', 1), where="a.toml")
    assert Variable().default is None


@every_service
def test_operations_beside_talking_are_known_ones(spec: ProviderSpec):
    for door in spec.speaks:
        assert set(door.sides or ()) <= set(DIALECTS[door.dialect].sides), door.dialect
