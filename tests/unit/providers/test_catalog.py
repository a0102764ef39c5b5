"""Providers as data, and as configured."""

import pytest

from headgate.core.problems import ConfigError, InvalidRequest
from headgate.dialects.base import Target
from headgate.providers.catalog import Deployment, Door, Provider, Settings, configure, credential_fields, unfilled
from headgate.providers.spec import Auth, Paths, ProviderSpec, Speaks, Variable, parse_spec, ways

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
        (Auth("bearer", name="x-gateway"), ((("x-gateway", "Bearer s3"),), "")),
        (Auth("header", name="x-api-key"), ((("x-api-key", "s3"),), "")),
        (Auth("query", name="key"), ((), "key=s3")),
        (Auth("none"), ((), "")),
        (Auth("aws_sigv4"), ((), "")),
        (Auth("google_adc"), ((), "")),
        (Auth("entra_id"), ((), "")),
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


CLOUD = ProviderSpec(
    "cloud",
    "A cloud",
    "https://example.org",
    "2026-11-28",
    "documented",
    Auth("google_adc", scope="all"),
    (
        Speaks(
            "anthropic",
            "https://{host}/v1/{project}",
            paths=Paths("/models/{model}:predict", "/models/{model}:streamPredict"),
        ),
        Speaks(
            "openai_chat",
            "https://{host}/openai/{model}",
            auth=Auth("header", name="api-key"),
            query={"api-version": "{version}", "other": "{none}"},
            headers={"X-Project": "{project}", "X-None": "{none}"},
        ),
    ),
    alternatives=(Auth("bearer", ("CLOUD_KEY",)),),
    vars={
        "host": Variable(default="cloud.example"),
        "project": Variable(env=("PROJECT",)),
        "version": Variable(default="2026-01-01"),
        "none": Variable(default=""),
    },
)


def cloud(**changes: object) -> Provider:
    made = {"name": "mine", "spec": CLOUD, "variables": {"project": "p1"}, **changes}
    return configure(Settings(**made))  # pyright: ignore[reportArgumentType]


def test_blanks_are_filled_and_empty_members_left_out():
    first, second = cloud(credential="s3", environ={"PROJECT": "p2"}).doors
    assert (first.base_url, first.headers, first.query) == ("https://cloud.example/v1/p1", (), "")
    assert (second.base_url, second.query) == ("https://cloud.example/openai/{model}", "api-version=2026-01-01")
    assert second.headers == (("api-key", "s3"), ("x-project", "p1"))
    assert second.url("/chat/completions", "a b/c") == (
        "https://cloud.example/openai/a%20b%2Fc/chat/completions?api-version=2026-01-01"
    )


def test_a_query_and_a_credential_in_it_stand_together():
    made = cloud(auth=Auth("query", name="key"), credential="s3", environ={"PROJECT": "p2"})
    assert made.doors[1].query == "api-version=2026-01-01&key=s3"


@pytest.mark.parametrize(("is_stream", "verb"), [(False, "predict"), (True, "streamPredict")])
def test_a_service_may_have_paths_of_its_own(is_stream: bool, verb: str):
    first, second = cloud().doors
    target = Target(model="claude@1", is_stream=is_stream)
    assert first.address("/v1/messages", target) == f"/models/claude@1:{verb}"
    assert second.address("/chat/completions", target) == "/chat/completions"


@pytest.mark.parametrize("model", ["", ".", ".."])
def test_a_model_cannot_climb_out_of_its_place(model: str):
    with pytest.raises(InvalidRequest, match="cannot be part of a URL"):
        cloud().doors[1].url("/chat/completions", model)


def test_no_caller_chooses_the_host():
    with pytest.raises(ConfigError, match="cannot be part of a host, which no caller may choose"):
        cloud(base_url="https://{model}.example.com/v1")


def test_an_operators_address_may_have_blanks_too():
    made = cloud(base_url="https://lab.example/{project}/{model}")
    assert made.doors[0].url("/x", "m") == "https://lab.example/p1/m/x"


def test_a_fetched_credential_has_its_signing_once_for_all_doors():
    made = cloud(credential="s3cret")
    assert [door.signer for door in made.doors] == ["mine/all", ""]
    (signing,) = made.signings
    assert (signing.name, signing.auth, signing.credential) == ("mine/all", CLOUD.auth, "s3cret")
    assert signing.values.value("project") == "p1"
    assert "s3cret" not in repr(made)
    assert repr(signing) == "Signing('mine/all', 'google_adc')"


def test_another_way_counts_for_every_door():
    made = cloud(auth=CLOUD.alternatives[0], credential="s3")
    assert [door.headers[0] for door in made.doors] == [("authorization", "Bearer s3")] * 2
    assert (made.signings, [door.signer for door in made.doors]) == ((), ["", ""])
    assert ways(CLOUD) == (CLOUD.auth, *CLOUD.alternatives)


def test_a_provider_pointed_elsewhere_keeps_the_blanks_of_its_paths():
    made = cloud(base_url="http://lab:1")
    assert [door.base_url for door in made.doors] == ["http://lab:1/v1/p1", "http://lab:1/openai/{model}"]


def test_what_is_unfilled_is_found_and_nothing_else():
    assert unfilled(Settings(name="mine", spec=CLOUD, variables={"project": "p"})) is None
    assert unfilled(Settings(name="mine", spec=CLOUD, speaks=("cohere",))) is None
    fault = unfilled(Settings(name="mine", spec=CLOUD))
    assert fault is not None
    assert fault.variable == "project"


def test_what_a_door_offers_beside_talking():
    unknown, listed = Door("d", "https://x"), Door("d", "https://x", sides=("speech",))
    elsewhere = Door("d", "https://x", paths=Paths("/a", "/b"))
    assert [door.offers("ranking") for door in (unknown, listed, elsewhere)] == [True, False, False]
    assert listed.offers("speech")


def test_a_provider_pointed_elsewhere_may_offer_more():
    speaks = (Speaks("openai_chat", "https://a.example/v1", sides=("speech",)),)
    spec = ProviderSpec("a", "A", "https://a", "2026-11-01", "documented", Auth("none"), speaks)
    at_home, moved = (configure(Settings(name="a", spec=spec, base_url=url)) for url in ("", "http://lab/v1"))
    assert [provider.doors[0].sides for provider in (at_home, moved)] == [("speech",), None]
