"""Providers as data, and as configured."""

import pytest

from headgate.core.problems import ConfigError
from headgate.providers.catalog import Deployment, Door, Settings, configure, credential_fields
from headgate.providers.spec import Auth, ProviderSpec, Speaks, packaged, parse_spec

SPEC = ProviderSpec(
    "two",
    "Two doors",
    "https://example.org",
    "2026-11-22",
    "documented",
    Auth("bearer", ("TWO_KEY",)),
    (
        Speaks("openai_chat", "https://api.two.example/v1"),
        Speaks("anthropic", "https://api.two.example/v1/anthropic", version="2023-06-01"),
        Speaks("gemini", "https://api.two.example/google", auth=Auth("query", name="key")),
        Speaks("openai_responses", "https://elsewhere.example/v1"),
    ),
)


def doors(**changes: object) -> list[tuple[str, str]]:
    made = configure(Settings(name="two", spec=SPEC, **changes))  # pyright: ignore[reportArgumentType]
    return [(door.dialect, door.base_url) for door in made.doors]


def test_without_a_word_the_packaged_addresses_count():
    assert doors() == [(speaks.dialect, speaks.base_url) for speaks in SPEC.speaks]


@pytest.mark.parametrize(
    ("given", "first", "second", "third"),
    [
        ("http://lab:1/v1", "http://lab:1/v1", "http://lab:1/v1/anthropic", "http://lab:1/google"),
        ("http://lab:1/v1/", "http://lab:1/v1", "http://lab:1/v1/anthropic", "http://lab:1/google"),
        ("http://lab:1", "http://lab:1/v1", "http://lab:1/v1/anthropic", "http://lab:1/google"),
        ("http://lab:1/", "http://lab:1", "http://lab:1/anthropic", "http://lab:1/google"),
    ],
)
def test_a_provider_pointed_elsewhere_takes_its_doors_along(given: str, first: str, second: str, third: str):
    assert doors(base_url=given) == [("openai_chat", first), ("anthropic", second), ("gemini", third)]


def test_doors_can_be_chosen():
    assert doors(speaks=("anthropic",)) == [("anthropic", "https://api.two.example/v1/anthropic")]
    with pytest.raises(ConfigError, match="none of cohere is spoken; two speaks openai_chat, anthropic"):
        doors(speaks=("cohere",))


@pytest.mark.parametrize(
    ("auth", "fields"),
    [
        (Auth("bearer"), ((("authorization", "Bearer s3"),), "")),
        (Auth("header", name="x-api-key"), ((("x-api-key", "s3"),), "")),
        (Auth("query", name="key"), ((), "key=s3")),
        (Auth("none"), ((), "")),
    ],
)
def test_a_credential_travels_by_its_scheme(auth: Auth, fields: object):
    assert credential_fields(auth, "s3") == fields
    assert credential_fields(auth, "") == ((), "")


def test_a_door_joins_address_query_and_version_once():
    assert Door("anthropic", "http://h/v1").url("/v1/messages") == "http://h/v1/messages"
    assert Door("anthropic", "http://h").url("/v1/messages") == "http://h/v1/messages"
    assert Door("gemini", "http://h", query="key=a").url("/m:go?alt=sse") == "http://h/m:go?alt=sse&key=a"
    assert Door("gemini", "http://h", query="key=a").url("/m:go") == "http://h/m:go?key=a"


def test_a_credential_does_not_show():
    made = configure(Settings(name="two", spec=SPEC, credential="s3cret", headers=(("x-extra", "s3cret"),)))
    assert made.doors[0].headers == (("authorization", "Bearer s3cret"), ("x-extra", "s3cret"))
    assert "s3cret" not in repr(made) + repr(made.deployment("m"))
    assert repr(Settings(name="mine", spec=SPEC, credential="s3cret")) == "Settings('mine', like 'two')"


def test_the_clients_own_dialect_is_preferred():
    deployment = configure(Settings(name="two", spec=SPEC)).deployment("m")
    assert deployment.door("anthropic").base_url == "https://api.two.example/v1/anthropic"
    assert deployment.door("cohere").dialect == "openai_chat"
    assert deployment == Deployment("two", "m", deployment.doors, "two")


def test_a_typo_in_a_spec_is_told_with_its_path():
    text = 'name="a"\ntitle="a"\ndocs=""\nchecked=""\ntier="documented"\nauth={scheme="none"}\n'
    with pytest.raises(ConfigError, match=r"a\.toml: .*bse_url.*\$\.speaks\[0\]"):
        parse_spec(text + '[[speaks]]\ndialect="d"\nbse_url="x"\n', where="a.toml")
    with pytest.raises(ConfigError, match="needs at least one door"):
        parse_spec(text + "speaks=[]\n", where="a.toml")


def test_packaged_providers_are_named_after_their_files_and_checked():
    specs = packaged()
    assert {"openai", "anthropic", "gemini", "demo"} <= set(specs)
    assert all(spec.docs and spec.checked >= "2026-01-01" for spec in specs.values())
