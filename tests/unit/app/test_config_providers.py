"""Providers with variables and several kinds of credentials, as an operator configures them."""

from pathlib import Path
from typing import Any

import pytest

from headgate.app.config import ProviderEntry, ProviderSettings, build
from headgate.app.config_providers import provider_settings
from headgate.app.config_secrets import Surroundings
from headgate.core.problems import ConfigError
from headgate.providers.catalog import Door, configure
from headgate.providers.spec import Auth, ProviderSpec, Scheme, Speaks, Variable


def settings(name: str, entry: dict[str, Any], **environ: str) -> ProviderSettings:
    return next(found for found in build({"providers": {name: entry}}, environ=environ).providers if found.name == name)


def first_door(name: str, entry: dict[str, Any], **environ: str) -> Door:
    return configure(settings(name, entry, **environ)).doors[0]


def faults(entry: dict[str, Any], name: str = "azure", **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        build({"providers": {name: entry}}, environ=environ)
    return str(caught.value)


def test_azure_by_its_resource_and_version():
    door = first_door("azure", {"resource": "my-res", "api_version": "2025-04-01-preview"}, AZURE_API_KEY="k")
    assert door.url("/chat/completions", "gpt-4o") == (
        "https://my-res.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2025-04-01-preview"
    )
    assert door.headers == (("api-key", "k"),)


def test_azure_by_the_environment_alone():
    setup = build(
        {}, environ={"AZURE_OPENAI_ENDPOINT": "https://my-res.openai.azure.com/", "AZURE_OPENAI_API_KEY": "k"}
    )
    chat, responses = configure(setup.providers[0]).doors
    assert chat.url("/chat/completions", "gpt-4o") == "https://my-res.openai.azure.com/openai/v1/chat/completions"
    assert responses.url("/responses", "gpt-4o") == "https://my-res.openai.azure.com/openai/v1/responses"


def test_vertex_by_project_and_location():
    entry = {"project": "p-1", "location": "us-east5"}
    door = first_door("vertex-anthropic", entry)
    assert door.base_url == (
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p-1/locations/us-east5/publishers/anthropic"
    )
    assert door.signer == "vertex-anthropic/https://www.googleapis.com/auth/cloud-platform"
    assert first_door("vertex", {"project": "p-1"}).base_url == (
        "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/publishers/google"
    )


def test_a_number_and_a_reference_may_fill_a_blank():
    entry = {"account_id": 42, "gateway_id": "env:GATE", "api_key": "none"}
    door = first_door("cloudflare-ai-gateway", entry, GATE="mine")
    assert door.base_url == "https://gateway.ai.cloudflare.com/v1/42/mine/compat"


def test_a_variable_of_the_environment_may_set_a_variable_of_a_provider():
    found = build(
        {"providers": {"databricks": {}}},
        environ={"HEADGATE_PROVIDERS__DATABRICKS__HOST": "dbc-1.cloud.databricks.com", "DATABRICKS_TOKEN": "t"},
    ).providers[0]
    assert configure(found).doors[0].base_url == "https://dbc-1.cloud.databricks.com/serving-endpoints"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"resourse": "x"}, "$.providers.azure.resourse: is not a setting; did you mean resource? Known here: like, "),
        ({"chat_path": "x"}, "$.providers.azure.chat_path: is not a setting"),
        ({"cache": "x"}, "$.providers.azure.cache: is not a setting"),
        ({"resource": ["x"]}, "$.providers.azure.resource: must be text: env:NAME or file:PATH"),
        ({"resource": True}, "$.providers.azure.resource: must be text"),
        ({"resource": "evil.org/"}, None),
        ({"resource": "evil.org/x?"}, "$.providers.azure.resource: 'evil.org/x?' may have letters, digits and . _ -"),
        (
            {},
            "$.providers.azure.resource: is not set (the first part of the endpoint's host); write it there, or set "
            "the environment variable AZURE_OPENAI_RESOURCE or AZURE_RESOURCE_NAME",
        ),
        ({"auth": "google_adc"}, "$.providers.azure.auth: azure takes header, entra_id, not 'google_adc'"),
        ({"auth": "magic"}, "$.providers.azure.auth: must be 'bearer', 'header', 'query', 'none', 'aws_sigv4'"),
    ],
)
def test_a_wrong_setting_says_what_to_do(entry: dict[str, Any], fault: str | None):
    if fault is None:
        assert first_door("azure", entry, AZURE_API_KEY="k").base_url == "https://evil.org.openai.azure.com/openai/v1"
    else:
        assert fault in faults(entry, AZURE_API_KEY="k")


TWO_WAYS = ProviderSpec(
    "two",
    "Two ways",
    "https://example.org",
    "2026-11-28",
    "documented",
    Auth("header", ("TWO_KEY",), "api-key"),
    (Speaks("openai_chat", "https://{region}.two.example/v1"),),
    alternatives=(Auth("google_adc", ("TWO_SIGN",), scope="s"),),
    vars={"region": Variable(env=("TWO_REGION",))},
)
KEYLESS = ProviderSpec(
    "here",
    "A server here",
    "https://example.org",
    "2026-11-28",
    "documented",
    Auth("bearer"),
    (Speaks("openai_chat", "http://localhost:1/v1"),),
)
SPECS = {"two": TWO_WAYS, "here": KEYLESS}


def joined(entry: dict[str, Any], **environ: str) -> tuple[str, str]:
    """The scheme that is used, and the credential."""
    made = ProviderEntry.model_validate(entry, context=Surroundings(environ, Path()))
    found, faults, _ = provider_settings({"two": made}, SPECS, {"TWO_REGION": "eu", **environ})
    assert faults == []
    return (found[0].auth or found[0].spec.auth).scheme, found[0].credential


@pytest.mark.parametrize(
    ("entry", "environ", "used"),
    [
        ({}, {"TWO_KEY": "k"}, ("header", "k")),
        ({}, {"TWO_KEY": "k", "TWO_SIGN": "file"}, ("header", "k")),
        ({}, {"TWO_SIGN": "file"}, ("google_adc", "")),
        ({}, {}, ("google_adc", "")),
        ({"api_key": "env:MINE"}, {"MINE": "m", "TWO_SIGN": "file"}, ("header", "m")),
        ({"api_key": "none"}, {"TWO_KEY": "k"}, ("none", "")),
        ({"auth": "header"}, {"TWO_KEY": "k"}, ("header", "k")),
        ({"auth": "header", "api_key": "env:MINE"}, {"MINE": "m"}, ("header", "m")),
    ],
)
def test_the_way_a_credential_travels(entry: dict[str, Any], environ: dict[str, str], used: tuple[str, str]):
    assert joined(entry, **environ) == used


def test_without_a_file_what_lacks_something_is_left_out_and_noted():
    found = provider_settings(None, SPECS, {"TWO_KEY": "k"})
    assert (found.settings, found.faults) == ([], [])
    assert found.notes == [
        "$.providers.two.region: is not set; write it there, or set the environment variable TWO_REGION; "
        "two is left out"
    ]


def test_without_a_file_the_environment_fills_the_blanks():
    found = provider_settings(None, SPECS, {"TWO_SIGN": "f", "TWO_REGION": "eu"})
    assert [(one.name, one.auth, one.credential) for one in found.settings] == [("two", TWO_WAYS.alternatives[0], "")]
    assert configure(found.settings[0]).doors[0].base_url == "https://eu.two.example/v1"


def test_a_server_of_ones_own_needs_no_key_and_is_used_when_it_is_named():
    assert [found.name for found in build({}, environ={}).providers] == ["demo"]
    door = first_door("vllm", {})
    assert (door.base_url, door.headers) == ("http://localhost:8000/v1", ())
    assert first_door("lab", {"like": "vllm", "base_url": "http://lab:1/v1"}).base_url == "http://lab:1/v1"
    assert first_door("vllm", {"api_key": "env:K"}, K="k").headers == (("authorization", "Bearer k"),)


def test_a_fetched_token_is_not_sent_elsewhere_unless_the_entry_says_so():
    entry: dict[str, Any] = {"like": "vertex", "base_url": "https://elsewhere.example/v1", "project": "p"}
    assert "$.providers.v.api_key: is required where base_url leads elsewhere" in faults(entry, name="v")
    assert first_door("v", {**entry, "auth": "google_adc"}).signer
    assert first_door("v", {**entry, "api_key": "none"}).signer == ""


def nothing_installed(scheme: Scheme) -> str:
    return "" if scheme == "header" else "more"


def test_what_is_not_installed_is_told_with_the_way_out():
    entry = ProviderEntry.model_validate({"region": "eu"}, context=Surroundings({}, Path()))
    found = provider_settings({"two": entry}, SPECS, {}, nothing_installed)
    assert found.faults == ["$.providers.two: google_adc needs more: pip install 'headgate[more]', or set TWO_KEY"]
    assert found.settings == []


def test_without_a_file_what_is_not_installed_is_left_out_and_noted():
    environ = {"TWO_SIGN": "f", "TWO_REGION": "eu"}
    found = provider_settings(None, SPECS, environ, nothing_installed)
    noted = "$.providers.two: google_adc needs more: pip install 'headgate[more]'; two is left out"
    assert found == ([], [], [noted])
