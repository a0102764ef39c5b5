"""The configuration as an operator meets it: what is taken, in which order, and what every fault says."""

from pathlib import Path

import pytest

from headgate.app.config import Secret, Setup, build, find_file, load
from headgate.app.config_sources import FILE_BYTES_MAX
from headgate.core.problems import ConfigError


def faults(tree: dict[str, object], **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(tree, environ=environ)
    return str(caught.value).splitlines()


def written(folder: Path, text: str) -> Path:
    path = folder / "headgate.yaml"
    path.write_text(text)
    return path


EXAMPLE = """
server:    {host: 127.0.0.1, port: 8080, workers: 1, admin_port: 8081}
store:     sqlite:///headgate.db
shared:    null
providers:
  openai:  {api_key: env:OPENAI_API_KEY}
  lab:     {like: openai, base_url: http://127.0.0.1:9101/v1, api_key: env:LAB_KEY}
routes:
  smart:   {strategy: ordered, targets: [openai/gpt-4o-mini, lab/claude]}
  spread:  {strategy: weighted, targets: [{model: lab/a, weight: 3}, {model: openai/gpt-4o-mini, weight: 1}]}
"""


def test_the_example_of_the_readme_is_taken(tmp_path: Path) -> None:
    setup = load(written(tmp_path, EXAMPLE), environ={"OPENAI_API_KEY": "sk-1", "LAB_KEY": "k"})

    assert [(found.name, found.spec.name, found.base_url, found.credential) for found in setup.providers] == [
        ("openai", "openai", "", "sk-1"),
        ("lab", "openai", "http://127.0.0.1:9101/v1", "k"),
        ("demo", "demo", "", ""),
    ]
    assert [(target.model, target.weight) for target in setup.config.routes["spread"].targets] == [
        ("lab/a", 3.0),
        ("openai/gpt-4o-mini", 1.0),
    ]
    assert setup.notes == ()


def test_nothing_at_all_is_a_configuration() -> None:
    setup = build({}, environ={"XDG_DATA_HOME": "/data"})

    assert [found.name for found in setup.providers] == ["demo"]
    assert setup.config.store_url == "sqlite:////data/headgate/headgate.db"
    assert (setup.config.server.host, setup.config.server.port, setup.config.server.admin_port) == (
        "127.0.0.1",
        8080,
        8081,
    )


def test_without_a_file_every_provider_whose_variable_is_set_is_used() -> None:
    setup = build({}, environ={"ANTHROPIC_API_KEY": "a", "GOOGLE_API_KEY": "g", "OPENAI_API_KEY": "  "})

    assert [(found.name, found.credential) for found in setup.providers] == [
        ("anthropic", "a"),
        ("gemini", "g"),
        ("demo", ""),
    ]


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("192.168.0.5", "http://192.168.0.5:11434"),
        ("lab:80", "http://lab:80"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104
        ("[::]:9", "http://[::1]:9"),
        ("https://lab/", "https://lab"),
        ("http://lab:9/models", "http://lab:9/models"),
    ],
)
def test_a_service_without_a_key_is_used_where_its_variable_says(told: str, address: str) -> None:
    for tree in ({}, {"providers": {"ollama": None}}):
        found = build(tree, environ={"OLLAMA_HOST": told}).providers[0]

        assert (found.name, found.base_url, found.credential) == ("ollama", address, "")


def test_an_entry_says_more_than_the_variable_and_needs_none() -> None:
    named = build({"providers": {"ollama": {"base_url": "http://lab"}}}, environ={"OLLAMA_HOST": "?:?"}).providers[0]
    other = build({"providers": {"mine": {"like": "ollama"}}}, environ={"OLLAMA_HOST": "far"}).providers[0]

    assert (named.base_url, other.base_url) == ("http://lab", "")


@pytest.mark.parametrize("told", ["lab:port", "ftp://lab", "http://", "[::"])
@pytest.mark.parametrize("tree", [{}, {"providers": {"ollama": None}}])
def test_a_variable_that_is_no_address_is_a_fault(told: str, tree: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="OLLAMA_HOST must be a host, host:port or URL"):
        build(tree, environ={"OLLAMA_HOST": told})


def test_providers_that_are_named_are_all_there_are() -> None:
    assert [found.name for found in build({"providers": {}}, environ={"OPENAI_API_KEY": "x"}).providers] == ["demo"]


def test_variables_go_over_the_file_and_options_over_variables(tmp_path: Path) -> None:
    path = written(tmp_path, "server: {port: 1, admin_port: 2, host: file}")
    setup = load(
        path,
        environ={"HEADGATE_SERVER__PORT": "3", "HEADGATE_SERVER__HOST": "variable", "HEADGATE_DATA_DIR": str(tmp_path)},
        options={"server.host": "option"},
    )

    server = setup.config.server
    assert (server.host, server.port, server.admin_port) == ("option", 3, 2)
    assert setup.config.data_dir == tmp_path


def test_a_variable_may_hold_a_list_and_a_secret_itself() -> None:
    setup = build(
        {"providers": {"openai": None}},
        environ={
            "HEADGATE_PROVIDERS__OPENAI__API_KEY": "0123",
            "HEADGATE_ROUTES__SMART__TARGETS": "[openai/a, demo/echo]",
        },
    )

    assert setup.providers[0].credential == "0123"
    assert [target.model for target in setup.config.routes["smart"].targets] == ["openai/a", "demo/echo"]


def test_variables_of_others_are_left_alone() -> None:
    environ = {"HEADGATE_PORT": "tcp://10.0.0.1:80", "HEADGATE_SERVICE_HOST": "10.0.0.1", "HEADGATE_KEY": "k"}
    assert build({}, environ=environ).config.server.port == 8080


def test_every_fault_is_told_at_once_with_its_place() -> None:
    tree: dict[str, object] = {
        "server": {"prot": 8080, "workers": 2, "admin_port": "x"},
        "shared": "redis://localhost",
        "routes": {
            "smart": {"strategy": "order", "targets": ["a/b", {"modl": "x"}], "guards": []},
            "other": {"strategy": "cheapest", "targets": []},
        },
        "provider": {},
    }

    assert faults(tree) == [
        "$.server.workers: more than one worker is not available yet; leave it at 1, and start one process per port",
        "$.server.admin_port: must be a whole number, not 'x'",
        "$.server.prot: is not a setting; did you mean port? Known here: host, port, workers, admin_host, admin_port, "
        "admin_names, body_bytes_max, upload_bytes_max, answer_bytes_max",
        "$.shared: is not available yet; leave it out",
        "$.routes.smart.strategy: must be 'ordered', 'weighted', 'cheapest', 'fastest', 'balanced' or 'least_busy', "
        "not 'order'; did you mean ordered?",
        "$.routes.smart.targets[1].model: is required",
        "$.routes.smart.targets[1].modl: is not a setting; did you mean model? "
        "Known here: model, weight, tags, continuation",
        "$.routes.smart.guards: is not available yet; leave it out",
        "$.routes.other.targets: must have from 1 to 64 entries",
        "$.provider: is not a setting; did you mean providers? Known here: data_dir, admin_key, server, store, shared, "
        "providers, timeouts, probes, kept, pass_through, prices, payments, cache, alerts, routes",
    ]


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        ({"server": {"port": True}}, "$.server.port: must be a whole number, not True"),
        ({"server": {"port": 70000}}, "$.server.port: must be at most 65535, not 70000"),
        ({"server": {"port": 1, "admin_port": 1}}, "$.server.admin_port: must differ from server.port, which is 1 too"),
        ({"server": []}, "$.server: must be a mapping"),
        ({"store": "postgresql://db"}, "$.store: must be postgresql://USER@HOST/DATABASE for PostgreSQL"),
        ({"store": "postgres://h/db"}, "$.store: must be postgresql://USER@HOST/DATABASE for PostgreSQL"),
        ({"store": "x.db"}, "$.store: must be sqlite:/// and the path of a file, such as sqlite:///headgate.db"),
        ({"admin_key": "file:/nowhere/key"}, "$.admin_key: cannot read /nowhere/key: No such file or directory"),
        (
            {"providers": {"opnai": {}}},
            "$.providers.opnai: no packaged provider is named 'opnai'; did you mean openai?",
        ),
        ({"providers": {"a/b": {"like": "openai"}}}, "$.providers: the name 'a/b' may have letters, digits and . _ -"),
        (
            {"providers": {"demo": {}}},
            "$.providers.demo: demo is built in; leave it out, or copy it with `speaks`",
        ),
        ({"providers": {"x": {"like": "opnai"}}}, "$.providers.x.like: no packaged provider is named 'opnai'"),
        (
            {"providers": {"openai": {}}},
            "$.providers.openai.api_key: the environment variable OPENAI_API_KEY is not set",
        ),
        ({"routes": {"r": {"targets": "a/b"}}}, "$.routes.r.targets: must be a list, not 'a/b'"),
        ({"routes": {"r": {"targets": ["a/b"], "timeout_s": 0}}}, "$.routes.r.timeout_s: must be above 0"),
        ({"routes": {"r": {"targets": [""]}}}, "$.routes.r.targets[0].model: must not be empty"),
    ],
)
def test_a_fault_says_what_to_do(tree: dict[str, object], fault: str) -> None:
    (line,) = faults(tree)
    assert line.startswith(fault)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"api_key": "sk-secret"}, "api_key: a secret is never written into the file"),
        ({"api_key": "env:MISSING"}, "api_key: the environment variable MISSING is not set"),
        ({"api_key": "env:EMPTY"}, "api_key: the environment variable EMPTY is empty"),
        ({"api_key": "env:"}, "api_key: env: names nothing; write env:NAME"),
        ({"api_key": 12345}, "api_key: must be text: env:NAME or file:PATH"),
        ({"base_url": "http://u:p@host/v1", "api_key": "none"}, "base_url: must not carry a user name or password"),
        ({"base_url": "host/v1", "api_key": "none"}, "base_url: must be a URL such as https://api.example.com/v1"),
        ({"base_url": "http://host/v1?a=b", "api_key": "none"}, "base_url: must end with its path"),
        ({"base_url": "http://host/v1"}, "api_key: is required where base_url leads elsewhere"),
        ({"api_key": "none", "headers": {"a b": "c"}}, "headers: 'a b' is not the name of a header field"),
        ({"api_key": "none", "headers": {"Host": "c"}}, "headers: 'Host' is written by the transport itself"),
        ({"api_key": "none", "headers": {"a": "c\r\nd"}}, "headers.a: must be printable text on one line"),
        ({"api_key": "none", "speaks": ["gemini"]}, "speaks[0]: openai speaks openai_chat, openai_responses, not"),
    ],
)
def test_a_fault_of_a_provider_never_shows_a_secret(entry: dict[str, object], fault: str) -> None:
    (line,) = faults({"providers": {"lab": {"like": "openai", **entry}}}, EMPTY="")
    assert line.startswith(f"$.providers.lab.{fault}")
    assert "sk-secret" not in line


def test_a_fault_names_the_variable_or_option_it_came_from() -> None:
    assert faults({}, HEADGATE_SERVER__PORT="x", HEADGATE_X__Y="1") == [
        "HEADGATE_SERVER__PORT: $.server.port: must be a whole number, not 'x'",
        "HEADGATE_X__Y: $.x: is not a setting; Known here: data_dir, admin_key, server, store, shared, providers, "
        "timeouts, probes, kept, pass_through, prices, payments, cache, alerts, routes".replace("; Known", ". Known"),
    ]
    with pytest.raises(ConfigError, match=r"^--port: \$\.server\.port: must be at most 65535"):
        load(None, environ={}, options={"server.port": 65536})


def test_a_short_admin_key_is_refused_and_a_long_one_kept_secret() -> None:
    (fault,) = faults({}, HEADGATE_ADMIN_KEY="short")
    assert fault.startswith("HEADGATE_ADMIN_KEY: $.admin_key: must have at least 32 characters")

    key = build({}, environ={"HEADGATE_ADMIN_KEY": "k" * 32}).config.admin_key
    assert key == Secret("k" * 32)
    assert repr(key) == "***"


def test_no_secret_is_in_the_text_of_a_configuration() -> None:
    setup = build(
        {"providers": {"openai": {"headers": {"x-team": "env:TEAM"}}}},
        environ={"OPENAI_API_KEY": "sk-canary", "TEAM": "team-canary", "HEADGATE_ADMIN_KEY": "admin-canary" * 4},
    )
    assert "canary" not in f"{setup.config!r} {setup.config}"
    assert setup.providers[0].headers == (("x-team", "team-canary"),)


def test_a_key_is_not_sent_where_its_variable_does_not_say() -> None:
    elsewhere = {"providers": {"openai": {"base_url": "http://127.0.0.1:1/v1"}}}
    assert build(elsewhere, environ={"OPENAI_API_KEY": "x"}).providers[0].credential == "x"
    assert (
        build({"providers": {"two": {"like": "openai"}}}, environ={"OPENAI_API_KEY": "x"}).providers[0].credential
        == "x"
    )


def test_a_secret_in_a_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file\n")
    path = written(tmp_path, "providers: {openai: {api_key: 'file:key'}}")
    assert load(path, environ={}).providers[0].credential == "sk-file"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("server: [", "headgate.yaml:1:10: "),
        ("server: {port: 1}\nserver: {port: 2}", "headgate.yaml:2:1: 'server' stands twice"),
        ("1: x", "headgate.yaml:1:1: the name '1' is not text; put it in quotes"),
        ("- a", "headgate.yaml: the top of the file must be a mapping"),
        ("x: !!python/object:os.system {}", "headgate.yaml:1:4: could not determine a constructor"),
        ("routes: {r: {targets: [a/b], hedge: {}}}", "headgate.yaml: $.routes.r.hedge: is not available yet"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), environ={})
    assert str(caught.value).startswith(f"{tmp_path}/{fault}")


def test_plain_words_and_dates_stay_text(tmp_path: Path) -> None:
    text = "providers: {az: {like: openai, api_key: none, version: 2024-10-21, models: [on, no, 1:30]}}"
    entry = load(written(tmp_path, text), environ={}).config.providers["az"]
    assert (entry.version, entry.models) == ("2024-10-21", ("on", "no", "1:30"))


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration file .*: No such file"):
        load(None, environ={"HEADGATE_CONFIG": str(tmp_path / "missing.yaml")})


def test_the_usual_file_is_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file(None, {}) is None
    written(tmp_path, "")
    assert find_file(None, {}) == Path("headgate.yaml")
    assert load(None, environ={}) == Setup(*build({}, environ={})[:3], file=Path("headgate.yaml"))


def test_what_is_allowed_but_odd_is_noted() -> None:
    setup = build({"routes": {"r": {"targets": ["demo/lorem", {"model": "demo/echo", "weight": 2}]}}}, environ={})
    assert setup.notes == ("$.routes.r.targets[1].weight: has no effect under the strategy 'ordered'",)


def test_a_file_that_is_too_long_or_no_text_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="is over the limit of"):
        load(path, environ={})
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match=r"headgate\.yaml: not valid YAML: "):
        load(path, environ={})


@pytest.mark.parametrize(
    ("store", "url", "name"),
    [
        ("sqlite:///a/b.db", "sqlite:////data/a/b.db", "/data/a/b.db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db", "/a/b.db"),
        ("postgresql://u:p:w@h:1/d?x=1", "postgresql://u:p:w@h:1/d?x=1", "postgresql://u@h:1/d?x=1"),
        ("postgresql:///d?host=/s&password=x&user=u",) * 2 + ("postgresql:///d?host=/s&password=***&user=u",),
    ],
)
def test_where_the_store_is(store: str, url: str, name: str) -> None:
    config = build({"store": store, "data_dir": "/data"}, environ={}).config

    assert (config.store_url, config.store_name) == (url, name)


def test_a_variable_that_is_no_yaml_is_text() -> None:
    assert faults({}, HEADGATE_STORE="[") == [
        "HEADGATE_STORE: $.store: must be sqlite:/// and the path of a file, such as sqlite:///headgate.db"
    ]


def test_a_program_may_hand_over_a_secret_itself() -> None:
    setup = build({"providers": {"openai": {"api_key": Secret("sk-mine")}}}, environ={})
    assert setup.providers[0].credential == "sk-mine"


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://host:x/v1", "http://host:0/v1", "ftp://host/v1", "http://ho st"]
)
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    (fault,) = faults({"providers": {"lab": {"like": "openai", "base_url": url, "api_key": "none"}}})
    assert fault.startswith("$.providers.lab.base_url: must be a URL such as")
