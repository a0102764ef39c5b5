"""Writes the generated pages of docs/reference from the code they describe: `make docs`. A test compares them."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import typer.main

from headgate.app.cli import cli
from headgate.app.config import Config
from headgate.app.config_values import REFERENCE_FORM, REFERENCE_OR_NONE_FORM, USD_FORM
from headgate.core import problems
from headgate.core.problems import STATUS_OF_KIND, HeadgateError, Outcome
from headgate.dialects.base import Dialect
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import FORM, TITLES, SideOperation
from headgate.providers.spec import ProviderSpec, Speaks, Variable, packaged, ways
from headgate.routing.verdicts import RULES
from headgate.server import paths
from headgate.server.described import ACTIONS, document

BESIDE = {
    "embeddings": ("embeddings",),
    "rerank": ("ranking",),
    "moderations": ("moderations",),
    "completions": ("completions",),
    "images": ("image_generations", "image_edits", "image_variations"),
    "speech": ("speech",),
    "transcripts": ("transcriptions", "translations"),
    "files": ("files",),
    "batches": ("batches",),
    "realtime": ("realtime",),
    "interactions": ("interactions",),
}
"""What is beside talking, by its column, with the operations that count for it. Of recorded realtime sessions it is not
known whose they are, so they prove the relay and no provider."""
FEATURES = ("text", "stream", "tools", "images", "schema", "reasoning", "cached", "errors")
REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
_NOTE = "<!-- Written by `make docs`; change the code it describes instead. -->\n"

Schema = Mapping[str, Any]


def configuration() -> str:
    """Every setting, from the models of the file."""
    schema: Schema = Config.model_json_schema()
    return f"""# Configuration

{_NOTE}
Settings come from, in this order, each over the one before: the defaults below; a YAML file (`--config`, else
`HEADGATE_CONFIG`, else `./headgate.yaml`; none is needed); variables; options of the command line.

A setting's variable is `HEADGATE_` and its path, with two underscores between levels: `HEADGATE_SERVER__PORT=8090`.
Its text is read as YAML, so a list is written `[a, b]`. A variable that holds a secret may hold the secret itself.

A secret in the file is a reference: `env:NAME` for a variable, `file:PATH` for a file beside the configuration.
Unknown settings are refused with their path, all faults at once. `headgate check` says whether a file can be used,
`headgate check --schema` prints its JSON Schema. `HEADGATE_PEPPER`, at least 16 characters, may give the secret that
stored keys are hashed with; else `data_dir/pepper` is made and holds it.

```yaml
server:    {{host: 127.0.0.1, port: 8080, admin_port: 8081}}
store:     sqlite:///headgate.db
providers:
  openai:  {{api_key: env:OPENAI_API_KEY}}
  lab:     {{like: openai, base_url: http://127.0.0.1:9101/v1, api_key: none, models: [llama-3.3-70b]}}
routes:
  smart:   {{strategy: ordered, targets: [openai/gpt-4o-mini, lab/llama-3.3-70b]}}
  spread:  {{strategy: weighted, targets: [{{model: lab/llama-3.3-70b, weight: 3}}, openai/gpt-4o-mini]}}
```

{"".join(_settings(schema, schema, ""))}"""


def _settings(schema: Schema, node: Schema, prefix: str) -> Iterator[str]:
    for name, field in node["properties"].items():
        path = f"{prefix}{name}"
        inner, place = _section(schema, field)
        if "$ref" not in field:
            facts = _facts(_kind(schema, field), field, name in node.get("required", ()), path)
            yield f"## {path}\n\n{facts}\n\n{field['description']}\n\n"
        else:
            yield f"## {path}\n\n{field['description']}\n\n"
        if inner is not None:
            yield from _settings(schema, inner, f"{path}{place}.")


def _section(schema: Schema, field: Schema) -> tuple[Schema | None, str]:
    """The section that a setting holds, and how its entries are addressed."""
    for holder, place in ((field, ""), (field.get("additionalProperties"), ".NAME"), (field.get("items"), "[]")):
        if isinstance(holder, dict) and "$ref" in holder:
            return schema["$defs"][holder["$ref"].rpartition("/")[2]], place
    return None, ""


def _facts(kind: str, field: Schema, is_required: bool, path: str) -> str:
    if is_required:
        return f"{kind}. Required."
    default = field.get("default")
    shown = (
        ""
        if default in (None, "", [], {}, ".")
        else f" Default `{str(default).lower() if default in (True, False) else default}`."
    )
    variable = "" if "NAME" in path or "[]" in path else f" Variable `HEADGATE_{path.upper().replace('.', '__')}`."
    return f"{kind}.{shown}{variable}"


def _kind(schema: Schema, field: Schema) -> str:
    if "anyOf" in field:
        return _kind(schema, field["anyOf"][0])
    if "enum" in field:
        return "One of " + ", ".join(f"`{word}`" for word in field["enum"])
    match field.get("type"):
        case "integer":
            return f"Whole number{_range(field)}"
        case "number":
            return f"Number{_range(field)}"
        case "boolean":
            return "`true` or `false`"
        case "array":
            return "List"
        case "object":
            return "Mapping"
        case "null":
            return "Nothing"
        case _:
            return _FORMS.get(field.get("pattern"), "Text")


_FORMS = {
    REFERENCE_FORM: "Secret: `env:NAME` or `file:PATH`",
    USD_FORM: "Amount in USD, as text or number",
    REFERENCE_OR_NONE_FORM: "Secret: `env:NAME`, `file:PATH` or `none`",
}


def _range(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    above = field.get("exclusiveMinimum")
    start = f" from {low:g}" if low is not None else f" above {above:g}" if above is not None else ""
    return start + (f" to {high}" if high is not None else "")


def commands() -> str:
    """Every command and option, from the commands themselves."""
    command = typer.main.get_command(cli)
    pages = "".join(_command(command, "headgate"))
    return f"""# Command line

{_NOTE}
Faults of the operator are told in plain lines on stderr with exit code 2. `--json` prints JSON where it is offered.

{pages}"""


def _command(command: Any, path: str) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    options = "".join(f"* `{name}`: {text}\n" for name, text in filter(None, records) if "--help" not in name)
    yield f"## {path}\n\n{inspect.cleandoc(command.help or '')}\n\n{options}{chr(10) if options else ''}"
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, f"{path} {name}")


def errors() -> str:
    """Every error, from the vocabulary."""
    kinds = "".join(f"| `{kind}` | {status} |\n" for kind, status in STATUS_OF_KIND.items())
    classes = "".join(
        f"## {name}\n\n{_first_line(kind)} Kind `{kind.kind}`{f', code `{kind.code}`' if kind.code else ''}.\n\n"
        for name, kind in vars(problems).items()
        if inspect.isclass(kind) and issubclass(kind, HeadgateError)
    )
    outcomes = "".join(f"| `{outcome.value}` | {_verdict(outcome)} |\n" for outcome in Outcome if outcome in RULES)
    return f"""# Errors

{_NOTE}
Errors are told in the dialect of the path that was called: OpenAI's `{{"error": …}}`, Anthropic's
`{{"type": "error", …}}`, Gemini's `{{"error": {{"status": …}}}}`, Cohere's `{{"message": …}}`, Ollama's
`{{"error": "…"}}`. What the caller has to mend is a `ClientError`; what
an upstream did is an `UpstreamError`; a configuration that cannot be used is a `ConfigError`. When attempts were made,
`error.metadata` (for Cohere and Ollama `metadata`) lists them, with the call's id.

| kind | HTTP status |
|---|---|
{kinds}
How an attempt at an upstream ended decides what follows, until the first byte of an answer has reached the client;
from there on nothing is tried again, and a stream that fails ends with its dialect's error event.

| outcome | what follows |
|---|---|
{outcomes}
{classes}"""


def _first_line(kind: type[HeadgateError]) -> str:
    text = (kind.__doc__ or "").strip().splitlines()[0]
    return text if text.endswith(".") else f"{text}."


def _verdict(outcome: Outcome) -> str:
    rule = RULES[outcome]
    if rule.is_callers:
        return "the upstream's words go to the caller"
    if not rule.goes_elsewhere:
        return "the call ends"
    repeats = [
        *(["once more at the same target where there is no other"] if rule.repeats_alone else []),
        *(["first once more at the same one under `retry_same_first`"] if rule.repeats_first else []),
    ]
    return "; ".join(["the next target is tried", *repeats])


def providers() -> str:
    """Every packaged provider and quirk, from the TOML files, the dialects and what recorded traffic has proved."""
    services = [spec for spec in packaged().values() if spec.tier != "builtin"]
    quirks = "".join(
        f"* `{name}` ({dialect.name}): {_linked(quirk.source)}\n"
        for dialect in DIALECTS.values()
        for name, quirk in sorted(dialect.quirks.items())
    )
    return f"""# Providers

{_NOTE}
{len(services)} services, and `demo`, which is built in. Each is one file of data in `src/headgate/providers/data`. The
first door of a provider is the usual one; a door that speaks a client's own dialect is preferred, since bytes then pass
unchanged. Any of them can be pointed elsewhere with `base_url`, and a service of your own is an entry `like` one of
them: see [how to add a provider](../how-to/add-a-provider.md). `headgate providers` says which are configured here and
what the others need.

{_proved(services)}## Addresses and keys

The key is the first of the variables that is set, unless the configuration names another. A blank such as `{{region}}`
is filled by the provider's variable of that name, `{{model}}` by the model of each call.

| provider | key | doors |
|---|---|---|
{"".join(map(_address_row, services))}
## Variables of providers

Set them in the provider's entry, or by the environment variable. They hold letters, digits and `. _ -` only.

```yaml
providers:
  azure:    {{resource: my-resource, api_version: 2025-04-01-preview, api_key: env:AZURE_KEY}}
  vertex:   {{project: my-project, location: europe-west4}}
```

{"".join(map(_variables, (spec for spec in services if spec.vars)))}
## Kinds of credentials

A provider with several is given the first whose variable is set; `auth` in its entry decides otherwise.

* `bearer`, `header`, `query`: a key, sent as it is. `none`: nothing is sent.
* `google_adc`: a token by Google's application default credentials, or of the service account whose JSON file is named
  as `api_key: file:PATH`. Needs `pip install 'headgate[vertex]'`.
* `entra_id`: a token of Microsoft's Entra ID: a service principal (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`,
  `AZURE_CLIENT_SECRET`), a managed identity, or `az login`. Needs `pip install 'headgate[azure]'`.
* `aws_sigv4`: each request is signed with AWS's credentials. Needs `pip install 'headgate[bedrock]'`.

A token is fetched when the first call needs it, kept, and renewed five minutes before it ends, while calls go on with
the old one. When none can be had, the attempt has failed and the next target is tried.

{_billing_on(services)}
## Quirks

A quirk is a named deviation of a service from the dialect it speaks.

{quirks}"""


def _proved(services: list[ProviderSpec]) -> str:
    """The two tables of proofs."""
    proofs: Schema = json.loads((REFERENCE / "proofs.json").read_text())
    recorded = sum(spec.tier == "recorded" for spec in services)
    return f"""## What is proved

● recorded: shown by exchanges with the service itself, for which every property of the conformance suite holds
({recorded} providers; [proofs.json](proofs.json) has the counts, by dialect, and `tools/proofs.py` makes it from
recordings). ○ documented: documentation says so, or a public catalogue of models; nobody has compared it with the wire.
Empty: neither.

| provider | {" | ".join(FEATURES)} |
|---|{"---|" * len(FEATURES)}
{"".join(_proof_row(spec, proofs.get(spec.name, {})) for spec in services)}
### Beside talking

In the same way, of what else a service has; documented is what its file of data says of it. Where nothing stands in a
row, it is not known, and each may be asked for: what the service lacks, it refuses itself. Services that are not listed
have neither.

| provider | {" | ".join(BESIDE)} |
|---|{"---|" * len(BESIDE)}
{"".join(_beside_row(spec, proofs.get(spec.name, {})) for spec in services)}
"""


def _billing_on(services: Sequence[ProviderSpec]) -> str:
    names = ", ".join(f"`{spec.name}`" for spec in services if spec.bills_on)
    return f"""## Answers that are billed to their end

Most providers stop, and bill no more, when a connection is closed in the midst of an answer. These do not, as far as is
known (`bills_on`); an answer of theirs is read to its end when its caller leaves. `bills_on` in a provider's entry
decides otherwise.

{fill(names, 119, break_on_hyphens=False)}.
"""


def _proof_row(spec: ProviderSpec, proofs: Schema) -> str:
    """● for what any of its doors has proved, ○ for what is documented."""
    proved = {feature for counted in proofs.values() for feature in counted}
    talks = bool(spec.features) or any(door.sides is None for door in spec.speaks)  # else it has what is beside alone
    documented = {"text", "stream", *spec.features} if talks else set[str]()
    marks = ("●" if name in proved else "○" if name in documented else "" for name in FEATURES)
    return f"| {spec.name} | {' | '.join(marks)} |\n"


def _beside_row(spec: ProviderSpec, proofs: Schema) -> str:
    """The same of what is beside talking; empty: nothing is known of it."""
    proved = {name for counted in proofs.values() for name in counted}
    documented = {name for door in spec.speaks for name in door.sides or ()}
    documented |= ({"files", "batches"} if spec.batches else set()) | ({"realtime"} if spec.realtime else set())
    marks = [
        "●" if proved.intersection(names) else "○" if documented.intersection(names) else ""
        for names in BESIDE.values()
    ]
    return f"| {spec.name} | {' | '.join(marks)} |\n" if any(marks) else ""


def _address_row(spec: ProviderSpec) -> str:
    keys = "<br>".join(
        f"{', '.join(f'`{name}`' for name in way.env)} ({way.scheme})" if way.env else f"({way.scheme})"
        for way in ways(spec)
    )
    doors = "<br>".join(_door(door) for door in spec.speaks)
    return f"| {spec.name}: [{spec.title}]({spec.docs}), {spec.checked} | {keys} | {doors} |\n"


def _door(door: Speaks) -> str:
    quirks = f" ({', '.join(door.quirks)})" if door.quirks else ""
    return f"{door.dialect} `{door.base_url}`{quirks}"


def _variables(spec: ProviderSpec) -> str:
    lines = "".join(
        f"* `{name}`{f', {variable.about}' if variable.about else ''}. {_default(variable)}"
        f"{' or '.join(f'`{env}`' for env in variable.env)}.\n".replace(". .", ".")
        for name, variable in spec.vars.items()
        if not variable.of
    )
    return f"### {spec.name}\n\n{lines}\n"


def _default(variable: Variable) -> str:
    if variable.default is None:
        return "Required. "
    return f"Default `{variable.default}`. " if variable.default else ""


def _linked(source: str) -> str:
    return re.sub(r"https?://[^\s,;)]+", lambda match: f"<{match[0]}>", source)


def endpoints() -> str:
    """Every path that clients may call, from the server's own table."""
    rows = [
        f"| `{method} {path}` | `{endpoint.dialect}` | {_meaning(endpoint)} |"
        for method, path, endpoint in paths.listed()
        if method != "HEAD"
    ]
    kept = ", ".join(f"`{path}`" for path in paths.kept())
    beside = "".join(_side_row(dialect, side) for dialect in DIALECTS.values() for side in dialect.sides.values())
    return f"""# Endpoints

{_NOTE}
All that clients may call; `/openapi.json` tells the same as OpenAPI 3.1, and so does [this file](openapi.json). The
dialect is the one that requests, answers and errors are told in. Paths without their `/v1`, or with it twice, and
those of Azure's clients (`/openai/deployments/{{model}}/…`) are understood.

| endpoint | dialect | what for |
|---|---|---|
{chr(10).join(rows)}

## Beside chat

*Elsewhere*: whether services that only speak another dialect can be asked in its place. Where not, a call goes to
services of this dialect alone, and its bytes pass as they are, with the model's name replaced. How to use them:
[embed, draw and speak](../how-to/embed-draw-and-speak.md).

| dialect | operation | body | streams | elsewhere |
|---|---|---|---|---|
{beside}
## Things that providers keep

`GET`, `POST` and `DELETE` of these and of what is below them go to whoever keeps the thing:
{kept}. So does everything below `/NAME/` for a provider that `pass_through.providers` names.
"""


def _meaning(endpoint: paths.Endpoint) -> str:
    return f"{TITLES[endpoint.operation]}" if endpoint.operation else ACTIONS[endpoint.action]


def _side_row(dialect: Dialect, side: SideOperation) -> str:
    kinds = " or ".join("form" if kind == FORM else "JSON" for kind in side.bodies)
    streams = "as it comes" if side.is_binary else "events" if side.streaming else "no"
    return f"| `{dialect.name}` | `{side.name}` | {kinds} | {streams} | {'yes' if side.halves else 'no'} |\n"


def openapi() -> str:
    """What clients may call, as the gateway itself serves it."""
    return json.dumps(json.loads(document()), indent=1, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "cli.md": commands,
    "endpoints.md": endpoints,
    "openapi.json": openapi,
    "errors.md": errors,
    "providers.md": providers,
}


def page(name: str) -> str:
    """A page as it should be."""
    return PAGES[name]().rstrip() + "\n"


def main() -> None:
    """Writes every page."""
    for name in PAGES:
        (REFERENCE / name).write_text(page(name))
        sys.stdout.write(f"docs/reference/{name}\n")


if __name__ == "__main__":
    main()
