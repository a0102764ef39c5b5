"""The command line, called as a shell calls it: what stands on stdout, what on stderr, and the exit code."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from headgate import __version__
from headgate.app.cli import main
from headgate.ledger.credit import usage_transfers
from headgate.policies.key_text import is_well_formed
from headgate.policies.organising import NewTenant, create_tenant
from headgate.store.queries import transfers
from headgate.store.queries.spend import Place, Spent, Sums
from headgate.store.sqlite import open_sqlite


class Shell:
    """Runs commands in a folder of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["headgate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    for name in os.environ:
        if name.startswith("HEADGATE_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HEADGATE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def test_a_key_is_printed_alone(shell: Shell) -> None:
    code, out, err = shell("keys", "create", "--name", "ci")
    assert (code, err) == (0, "")
    assert out.endswith("\n")
    assert is_well_formed(out.strip().encode())


def test_a_key_is_limited(shell: Shell) -> None:
    made = json.loads(shell("keys", "create", "--name", "ci", "--json")[1])["id"]
    code, out, err = shell("keys", "limit", made, "60rpm", "9000tpm", "4concurrent", "2.5usd/month", "7tokens/PT1H")
    told = "60 requests per minute, 9000 tokens per minute, 4 calls at a time, 2.5 USD per month, 7 tokens per PT1H"
    assert (code, out, err) == (0, f"{made}: {told}\n", "")
    assert shell("keys", "limit", made) == (0, f"{made}: no limits\n", "")
    assert json.loads(shell("keys", "limit", made, "1rpm", "--json")[1])["id"] == made


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("5eur/month", "is no limit; write 60rpm"),
        ("-5usd/month", "is no limit; write 60rpm"),
        ("5usd/year", "'year' is no window"),
        ("0rpm", "limits[0].most is 0"),
        ("0.0000000001usd/day", "finer than can be counted"),
        ("99999999usd/day", "out of bounds"),
    ],
)
def test_what_is_no_limit_is_told(shell: Shell, limit: str, told: str) -> None:
    made = json.loads(shell("keys", "create", "--name", "ci", "--json")[1])["id"]
    code, out, err = shell("keys", "limit", made, "--", limit)
    assert (code, out) == (2, "")
    assert told in err


def test_the_books_of_a_new_gateway_balance(shell: Shell) -> None:
    assert shell("db", "verify") == (0, "the books balance\n", "")
    assert shell("db", "verify", "--json") == (0, "[]\n", "")


def test_books_that_do_not_balance_are_told(shell: Shell, tmp_path: Path) -> None:
    shell("keys", "create", "--name", "ci")
    with open_sqlite(tmp_path / "data" / "headgate.db") as store, store.write() as connection:
        transfers.post(
            connection, usage_transfers([Spent(Place(0, "k", "", "m", "p", "m"), Sums(1, 1, 1, 5, 7))], "b", 1)
        )
    code, out, _ = shell("db", "verify")
    assert code == 1
    assert out.splitlines() == [
        "key k: ledger and sums: 7 and 0 nano-USD",
        "key k: ledger and calls: 7 and 0 nano-USD",
        "costs: ledger and sums: 5 and 0 nano-USD",
        "costs: ledger and calls: 5 and 0 nano-USD",
        "the books do not balance",
    ]


def test_a_call_is_quoted_from_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "call.json"
    said = [{"role": "user", "content": "hi"}]
    file.write_text(json.dumps({"model": "demo/echo", "messages": said, "max_tokens": 10}))
    for surface in ("chat", "messages"):
        code, out, err = shell("quote", str(file), "--surface", surface, "--json")
        assert (code, err) == (0, "")
        told = json.loads(out)
        assert told["candidates"][0]["cost"]["least"]["nano_usd"] == told["input_tokens"] * 1000 + 2000
    code, out, _ = shell("quote", str(file))
    assert out.splitlines()[0].split() == ["deployment", "least", "expected", "most", "priced"]
    assert out.splitlines()[1].split()[0] == "demo/echo"
    assert shell("quote", str(file), "--surface", "x")[0] == 2
    assert "cannot be read" in shell("quote", str(tmp_path / "none"))[2]
    file.write_text(json.dumps({"model": "nobody-has-this", "messages": said}))
    assert shell("quote", str(file))[0] == 2


def test_an_audit_that_was_changed_is_told(shell: Shell, tmp_path: Path) -> None:
    shell("keys", "create", "--name", "ci")
    with open_sqlite(tmp_path / "data" / "headgate.db") as store, store.write() as connection:
        connection.execute(text("DROP TRIGGER audit_keep_UPDATE"))
        connection.execute(text("UPDATE audit SET actor = 'somebody else'"))
    told = "the audit was changed at line 1 or before it\n"
    assert shell("db", "verify") == (1, "the books balance\n", told)


def test_administrators_are_made_listed_and_revoked(shell: Shell, tmp_path: Path) -> None:
    shell("keys", "create", "--name", "ci")
    with open_sqlite(tmp_path / "data" / "headgate.db") as store:
        team, organisation = (
            create_tenant(store, NewTenant(kind="organisation", name="Acme"), actor="test"),
            create_tenant(store, NewTenant(kind="organisation", name="Other"), actor="test"),
        )
        team = create_tenant(store, NewTenant(kind="team", name="Red", organisation=team.id), actor="test")
    code, key, _ = shell("admins", "create", "--name", "Ann", "--role", "owner", "--of", organisation.id)
    assert (code, is_well_formed(key.strip().encode())) == (0, True)
    made = json.loads(shell("admins", "create", "--name", "Bo", "--role", "viewer", "--of", team.id, "--json")[1])
    del made["key"]
    rows = json.loads(shell("admins", "list", "--json")[1])
    assert rows[1] == made
    assert [(row["role"], row["organisation"], row["team"]) for row in rows] == [
        ("owner", organisation.id, ""),
        ("viewer", team.parent, team.id),
    ]
    assert shell("admins", "revoke", made["id"]) == (0, f"{made['id']} is revoked\n", "")
    assert json.loads(shell("admins", "list", "--json")[1])[1]["revoked"] is not None
    code, _, err = shell("admins", "create", "--name", "x", "--role", "king", "--of", team.id)
    assert (code, err) == (2, "headgate: There is no role 'king'; there are: viewer, member, admin, owner.\n")


def test_keys_are_made_listed_and_revoked(shell: Shell) -> None:
    made = json.loads(
        shell("keys", "create", "--name", "ci", "--models", "demo/echo,smart", "--expires", "30d", "--json")[1]
    )
    assert made["models"] == ["demo/echo", "smart"]
    assert is_well_formed(made.pop("key").encode())
    assert json.loads(shell("keys", "list", "--json")[1]) == [made]

    assert shell("keys", "revoke", made["id"]) == (0, f"{made['id']} is revoked\n", "")
    (listed,) = json.loads(shell("keys", "list", "--json")[1])
    assert listed["revoked"] is not None
    assert shell("keys", "list")[1].splitlines()[0].split() == ["id", "name", "models", "created", "expires", "revoked"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("keys", "revoke", "nope"), "headgate: There is no key with the id 'nope'.\n"),
        (("keys", "create", "--name", "x", "--expires", "soon"), "headgate: 'soon' is no time; write 30d, 12h, "),
        (("keys", "create", "--name", "x", "--models", ","), "headgate: --models takes names of models or routes"),
        (("check", "--config", "missing.yaml"), "headgate: cannot read the configuration file missing.yaml: No such"),
        (("serve", "--port", "70000"), "headgate: --port: $.server.port: must be at most 65535, not 70000\n"),
        (("serve", "--port", "x"), "Usage: headgate serve"),
        (("unknown",), "Usage: headgate"),
    ],
)
def test_a_fault_is_told_plainly_with_code_2(shell: Shell, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = shell(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert "Traceback" not in err


def test_every_fault_of_a_file_has_its_own_line(shell: Shell) -> None:
    Path("headgate.yaml").write_text("server: {prot: 1}\nshared: x\n")
    code, _, err = shell("check")
    assert code == 2
    assert [line.split(": ")[:3] for line in err.splitlines()] == [
        ["headgate", "headgate.yaml", "$.server.prot"],
        ["headgate", "headgate.yaml", "$.shared"],
    ]


def test_check_says_what_would_be_used(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    Path("headgate.yaml").write_text(
        "routes: {r: {strategy: weighted, targets: [{model: openai/a, weight: 3}, demo/echo]}, "
        "s: {targets: [{model: demo/echo, weight: 2}]}}"
    )
    code, out, err = shell("check")
    data = Path.cwd() / "data"
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "configuration   headgate.yaml",
        f"data            {data}",
        f"store           {data}/headgate.db",
        "clients         http://127.0.0.1:8080",
        "administration  http://127.0.0.1:8081, its key is made at the first start",
        "provider        openai: https://api.openai.com/v1, with a key",
        "provider        demo: demo:///openai_chat, without a key",
        "route           r: weighted over openai/a (3), demo/echo (1)",
        "route           s: ordered over demo/echo",
        "note            $.routes.s.targets[0].weight: has no effect under the strategy 'ordered'",
        "The configuration can be used.",
    ]
    found = json.loads(shell("check", "--json")[1])
    assert (found["file"], found["routes"]["s"]) == ("headgate.yaml", {"strategy": "ordered", "targets": ["demo/echo"]})
    assert "canary" not in json.dumps(found)


def test_check_finds_a_route_that_leads_nowhere(shell: Shell) -> None:
    Path("headgate.yaml").write_text("routes: {r: {targets: [demo/echo, nobody/x]}}")
    code, _, err = shell("check")
    assert (code, err.startswith("headgate: $.routes.r.targets[1]: The model 'nobody/x' is not known")) == (2, True)


def test_the_schema_of_the_file_is_published(shell: Shell) -> None:
    schema = json.loads(shell("check", "--schema")[1])
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["RouteEntry"]["properties"]["strategy"]["enum"] == [
        "ordered",
        "weighted",
        "cheapest",
        "fastest",
        "balanced",
        "least_busy",
    ]
    assert schema["$defs"]["ProviderEntry"]["properties"]["api_key"]["anyOf"][0]["pattern"] == "^(env:.+|file:.+|none)$"


def test_providers_are_listed_with_what_they_need(shell: Shell) -> None:
    rows = {row["name"]: row for row in json.loads(shell("providers", "--json")[1])}
    assert (rows["demo"]["used"], rows["openai"]["used"]) == (True, False)
    assert rows["openai"]["key"] == "OPENAI_API_KEY is not set"
    assert rows["azure"]["missing"] == ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_RESOURCE or AZURE_RESOURCE_NAME"]
    assert rows["vllm"]["missing"] == ["an entry in the configuration"]
    assert (rows["groq"]["tier"], rows["groq"]["docs"][:8]) == ("recorded", "https://")
    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", row["checked"]) for row in rows.values())
    headings = ["name", "title", "used", "missing", "dialects", "tier", "docs"]
    assert shell("providers")[1].splitlines()[0].split() == headings


def test_a_provider_that_is_used_is_listed_as_it_is_called(shell: Shell) -> None:
    Path("headgate.yaml").write_text("providers: {vertex: {project: p, location: eu}, mine: {like: vllm}}")
    vertex, mine, _ = [row for row in json.loads(shell("providers", "--json")[1]) if row["used"]]
    assert (vertex["key"], vertex["missing"]) == ("google_adc", [])
    assert vertex["address"].startswith("https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/")
    assert (mine["key"], mine["title"]) == ("none", "vLLM")
    assert f"vertex: {vertex['address']}, with google_adc" in shell("check")[1]


def test_models_are_listed(shell: Shell) -> None:
    names = [row["id"] for row in json.loads(shell("models", "--json")[1])]
    assert "demo/echo" in names
    assert "demo/echo" in shell("models")[1]


def test_the_version_is_told(shell: Shell) -> None:
    assert shell("--version") == (0, f"headgate {__version__}\n", "")


@pytest.mark.parametrize("command", ["", "serve", "models", "providers", "check", "keys", "keys create"])
def test_help_is_enough(shell: Shell, command: str) -> None:
    code, out, _ = shell(*command.split(), "--help")
    assert (code, out.startswith(f"Usage: headgate {command}".strip())) == (0, True)


def test_a_key_is_let_pass_calls_through(shell: Shell) -> None:
    id = json.loads(shell("keys", "create", "--name", "laptop", "--json")[1])["id"]

    assert shell("keys", "pass-through", id, "demo") == (0, f"{id} may pass calls through to: demo\n", "")
    assert shell("keys", "pass-through", id)[1] == f"{id} may pass calls through to: none\n"
    code, _, told = shell("keys", "pass-through", id, "nowhere")
    assert code == 2
    assert told.startswith("headgate: No provider 'nowhere' is configured; there are: ")
