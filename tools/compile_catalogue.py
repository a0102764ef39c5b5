"""Makes src/headgate/providers/catalogue.json: what every model can do, and who offers it under which name.

    python tools/compile_catalogue.py MODELS_DEV.json 2026-07-02 OPENROUTER.json 2026-08-04

The first file is models.dev's `api.json`, the second OpenRouter's `/api/v1/models`, each with the day it was fetched;
genai-prices (a development dependency) knows the newest names. Facts and figures alone are carried over, no prose. The
prices of models that genai-prices does not know go to src/headgate/ledger/listed.json, in the form of prices.json.
"""

import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from catalogue_names import AUTHORS, MAKERS, author_of, bare, dated, key, place
from genai_prices.data import providers as priced_providers
from listed_prices import other_names, write_listed

from headgate.ledger.compiling import dense, trimmed

SOURCE = Path(__file__).parent.parent / "src/headgate"
TARGET = SOURCE / "providers/catalogue.json"
HOSTS = {  # by models.dev's id, where ours or that of the price book differs; the first is the name offers stand under
    "togetherai": ("together", "togetherai"),
    "fireworks-ai": ("fireworks", "fireworks-ai"),
    "amazon-bedrock": ("aws", "bedrock", "amazon-bedrock"),
    "google": ("google", "gemini"),
    "google-vertex": ("google-vertex", "vertex"),
    "google-vertex-anthropic": ("google-vertex-anthropic", "vertex-anthropic"),
    "xai": ("x-ai", "xai"),
    "novita-ai": ("novita", "novita-ai"),
    "cloudflare-workers-ai": ("cloudflare", "cloudflare-workers-ai", "workers-ai"),
    "alibaba": ("alibaba", "dashscope", "qwen", "dashscope-intl"),
    "alibaba-cn": ("alibaba-cn", "dashscope-cn", "qwen-cn"),
    "moonshotai": ("moonshotai", "moonshot"),
    "moonshotai-cn": ("moonshotai-cn", "moonshot-cn"),
    "azure": ("azure", "azure-openai", "azure-foundry"),
    "zai": ("zai", "z-ai"),
    "zhipuai": ("zhipuai", "zhipu", "bigmodel"),
    "huggingface": ("huggingface", "hf", "huggingface-router"),
    "snowflake-cortex": ("snowflake-cortex", "snowflake"),
    "ollama-cloud": ("ollama-cloud",),
    "vercel": ("vercel", "vercel-ai-gateway"),
    "tencent-tokenhub": ("tencent-tokenhub", "tencent", "hunyuan"),
    "siliconflow-cn": ("siliconflow-cn",),
    "voyageai": ("voyageai", "voyage"),
    "inference": ("inference", "inference-net"),
    "wafer.ai": ("wafer.ai", "wafer"),
    "zhipuai-coding-plan": ("zhipuai-coding-plan", "zhipu-coding-plan"),
    "xiaomi-token-plan-sgp": ("xiaomi-token-plan-sgp", "xiaomi-token-plan"),
}
MAKER_HOSTS = (
    "openai",
    "anthropic",
    "google",
    "mistral",
    "deepseek",
    "alibaba",
    "alibaba-cn",
    "xai",
    "moonshotai",
    "zai",
    "minimax",
    "cohere",
    "llama",
    "perplexity",
    "stepfun",
    "xiaomi",
    "upstage",
    "inception",
    "sarvam",
    "nvidia",
)
DOCUMENT_HOSTS = frozenset({"openrouter"})
"""They read PDF documents for models that cannot: https://openrouter.ai/docs/features/multimodal/pdfs (2026-11)."""
ONE_MAKER = frozenset({"openai", "anthropic", "google", "deepseek", "mistral", "xai", "cohere"})
LETTERS = {
    "text": "t",
    "image": "i",
    "pdf": "f",
    "file": "f",
    "audio": "a",
    "video": "v",
    "embeddings": "e",
    "rerank": "r",
    "speech": "s",
    "transcription": "t",
}
ABILITIES = {"tool_call": "T", "structured_output": "J", "reasoning": "R"}
PARAMETERS = {"tools": "T", "parallel_tool_calls": "P", "structured_outputs": "J", "reasoning": "R"}
VARIANT_HOSTS = frozenset({"nano-gpt", "poe"})
"""Aggregators that rename and retune: their names are taken only where another source knows the model."""


@dataclass
class Facts:
    """What one source says of a model; None and "" mean that it does not say."""

    host: str
    upstream: str
    name: str = ""
    context: int | None = None
    output: int | None = None
    accepts: str = ""
    gives: str = ""
    yes: str = ""
    no: str = ""
    knowledge: str = ""
    released: str = ""
    shutdown: str = ""
    is_open: bool | None = None
    is_deprecated: bool = False
    source: int = 0


@dataclass
class Entry:
    """One model."""

    key: str
    facts: list[Facts] = field(default_factory=list)


def letters(kinds: list[str]) -> str:
    return "".join(letter for letter in "tifaversp" if letter in {LETTERS.get(kind) for kind in kinds})


def positive(number: object) -> int | None:
    return int(number) if isinstance(number, int | float) and number > 0 else None


def from_models_dev(listing: Mapping[str, Any]) -> Iterator[Facts]:
    """Every model of every host."""
    for host, provider in listing.items():
        for upstream, model in provider["models"].items():
            limit, modes = model.get("limit", {}), model.get("modalities", {})
            can = {letter: model.get(member) for member, letter in ABILITIES.items()}
            cost = model.get("cost") or {}
            yes = "".join(letter for letter, known in can.items() if known) + ("C" if cost.get("cache_read") else "")
            yield Facts(
                host=host,
                upstream=upstream,
                name=model.get("name", ""),
                context=positive(limit.get("context")),
                output=positive(limit.get("output")),
                accepts=letters(modes.get("input", [])),
                gives=letters(modes.get("output", [])),
                yes=yes,
                no="".join(letter for letter, known in can.items() if known is False),
                knowledge=model.get("knowledge", ""),
                released=model.get("release_date", ""),
                is_open=model.get("open_weights"),
                is_deprecated=model.get("status") == "deprecated",
            )


def from_openrouter(listing: Mapping[str, Any]) -> Iterator[Facts]:
    """Every model but pointers to others."""
    for model in listing["data"]:
        if model["id"].startswith(("~", "openrouter/")):
            continue
        known = model["supported_parameters"]
        ends = model["expiration_date"] or ""
        caches = "C" if "input_cache_read" in model["pricing"] else ""
        yield Facts(
            host="openrouter",
            upstream=model["id"],
            name=model["name"].partition(": ")[2] or model["name"],
            context=positive(model["context_length"]),
            output=positive((model["top_provider"] or {}).get("max_completion_tokens")),
            accepts=letters(model["architecture"]["input_modalities"]),
            gives=letters(model["architecture"]["output_modalities"]),
            yes="".join(letter for name, letter in PARAMETERS.items() if name in known) + caches,
            knowledge=model["knowledge_cutoff"] or "",
            released=datetime.fromtimestamp(model["created"], UTC).date().isoformat(),
            shutdown="" if ends >= "2090" else ends,
            source=1,
        )


def from_price_book() -> Iterator[Facts]:
    """The names of genai-prices; of what a model can do it knows the context."""
    hosts = {names[0]: host for host, names in HOSTS.items()}
    for provider in priced_providers:
        for model in provider.models:
            if not model.id.startswith(("~", "openrouter/")) and not model.id.endswith(("*", "-")):
                yield Facts(
                    host=hosts.get(provider.id, provider.id),
                    upstream=model.id,
                    name=model.name or "",
                    context=positive(model.context_window),
                    is_deprecated=bool(model.deprecated),
                    source=2,
                )


def gathered(sources: Iterator[Facts]) -> dict[str, Entry]:
    """The models, each with everything that was said of it."""
    entries: dict[str, Entry] = {}
    late: list[Facts] = []
    for facts in sources:
        (late.append if facts.host in VARIANT_HOSTS else lambda each: _add(entries, each))(facts)
    for facts in late:
        if key(facts.upstream) in entries:
            _add(entries, facts)
    return entries


def _add(entries: dict[str, Entry], facts: Facts) -> None:
    text = key(facts.upstream)
    if text and text not in ("auto", "default"):
        entries.setdefault(text, Entry(text)).facts.append(facts)


def ranked(entry: Entry) -> list[Facts]:
    """The maker's own words first, then OpenRouter's, then the hosts', undated before dated."""

    def rank(facts: Facts) -> tuple[int, str, int]:
        first = 0 if facts.host in MAKER_HOSTS and _is_makers(facts) else 1 if facts.host == "openrouter" else 2
        return (first + (3 if facts.source == 2 else 0), dated(facts.upstream)[1], len(facts.upstream))

    return sorted(entry.facts, key=rank)


def _is_makers(facts: Facts) -> bool:
    return author_of(facts.upstream, facts.host) == AUTHORS.get(facts.host, facts.host)


def told(facts: list[Facts], member: str) -> Any:
    """What the best source says, if any says something."""
    return next((value for each in facts if (value := getattr(each, member)) not in (None, "")), None)


def usual(facts: list[Facts], member: str) -> Any:
    """What the maker or OpenRouter says, else what most hosts say."""
    first = [value for each in facts[:2] if (value := getattr(each, member)) and _is_authority(each)]
    counts = Counter(value for each in facts if (value := getattr(each, member)))
    return first[0] if first else counts.most_common(1)[0][0] if counts else None


def _is_authority(facts: Facts) -> bool:
    return facts.host == "openrouter" or (facts.host in MAKER_HOSTS and _is_makers(facts))


def letter_sets(facts: list[Facts]) -> tuple[str, str]:
    """What a model can and cannot do: the best source that says anything of an ability decides."""
    yes, no = "", ""
    for letter in "TPJRC":
        for each in facts:
            if letter in each.yes:
                yes += letter
                break
            if letter in each.no:
                no += letter
                break
    return yes, no


def model_id(entry: Entry, facts: list[Facts]) -> str:
    """`author/model`, by the maker's own name where it has one."""
    first = facts[0]
    author = author_of(first.upstream, first.host)
    author = next((known for each in facts if (known := bare(each.upstream)[0]) in MAKERS), author)
    name = dated(bare(first.upstream)[1])[0]
    return f"{author}/{name}"


def aliases(id: str, facts: list[Facts]) -> list[str]:
    """The other bare names it goes by."""
    names = {dated(bare(each.upstream)[1])[0] for each in facts}
    return sorted(names - {id.partition("/")[2]} - {""})


def compiled(entry: Entry) -> tuple[list[Any], list[Facts]]:
    """The row of a `Model` in providers/models.py, and its sources by rank."""
    facts = ranked(entry)
    yes, no = letter_sets(facts)
    id = model_id(entry, facts)
    accepts, gives = usual(facts, "accepts") or "", usual(facts, "gives") or ""
    row = [
        id,
        told(facts, "name") or id.partition("/")[2],
        aliases(id, facts),
        usual(facts, "context"),
        usual(facts, "output"),
        accepts,
        gives,
        yes,
        no,
        told(facts, "knowledge") or "",
        told(facts, "released") or "",
        told(facts, "shutdown") or "",
        told(facts, "is_open"),
        any(each.is_deprecated for each in facts if _is_authority(each)),
        facts[0].source,
    ]
    return row, facts


def offer_row(index: int, row: list[Any], facts: Facts) -> list[Any]:
    """The row of an `Offer`: only what differs from the model itself."""
    date = dated(bare(facts.upstream)[1])[1]
    differs = facts.source != 2 and not _is_authority(facts)
    context = facts.context if differs and facts.context != row[3] else None
    # An output limit is a host's own choice: where it tells none, none is known (0).
    output = None if _is_authority(facts) or facts.output == row[4] else facts.output or 0
    yes = "".join(letter for letter in facts.yes if letter not in row[7]) if differs else ""
    no = "".join(letter for letter in facts.no if letter not in row[8]) if differs else ""
    accepts = facts.accepts if differs and facts.accepts != row[5] else ""
    if facts.host in DOCUMENT_HOSTS and "t" in (accepts or row[5]) and "f" not in (accepts or row[5]):
        accepts = (accepts or row[5]) + "f"
    return trimmed([facts.upstream, index, date, context, output, yes, no, accepts], None, "")


def unique(rows: list[tuple[list[Any], list[Facts]]]) -> None:
    """No alias means two models: an id's own name wins, then whoever comes first."""
    taken = Counter(row[0].partition("/")[2] for row, _ in rows)
    seen: set[str] = set(taken)
    for row, _ in rows:
        row[2] = [name for name in row[2] if name not in seen and not seen.add(name)]


def offers(rows: list[tuple[list[Any], list[Facts]]]) -> dict[str, list[list[Any]]]:
    """By host: its names, the best first where it has several for one model."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    slashed = hosts_with_authors(each for _, facts in rows for each in facts)
    for index, (row, facts) in enumerate(rows):
        said = {each.host for each in facts if each.source != 2}
        for each in sorted(facts, key=lambda each: place(each.upstream)):
            if each.source == 2 and (each.host in said or not is_upstream(each, slashed)):
                continue
            host = HOSTS.get(each.host, (each.host,))[0]
            known = found[host].get(each.upstream)
            new = offer_row(index, row, each)
            if known is None or len(new) > len(known):
                found[host][each.upstream] = new
    return {host: list(by_name.values()) for host, by_name in sorted(found.items())}


def is_upstream(facts: Facts, slashed: set[str]) -> bool:
    """Whether a name of the price book is one that the host knows, and not only the book's word for something."""
    if facts.host in slashed:
        return "/" in facts.upstream
    # The book keeps Claude under `google` (Vertex AI), which AI Studio does not run, and gpt-oss under `openai`.
    is_makers = facts.host not in ONE_MAKER or _is_makers(facts)
    return is_makers and ":" not in facts.upstream and not (facts.host == "openai" and "gpt-oss" in facts.upstream)


def hosts_with_authors(known: Iterator[Facts]) -> set[str]:
    """The hosts whose own names are of the form `author/model`."""
    counts: Counter[tuple[str, bool]] = Counter((each.host, "/" in each.upstream) for each in known if each.source != 2)
    return {host for host, has in counts if has and counts[host, True] > 4 * counts[host, False]}


def load(path: str) -> Any:
    data = Path(path).read_bytes()
    return json.loads(gzip.decompress(data) if path.endswith(".gz") else data)


def main() -> None:
    """Writes both files, one line per model, so that a change reads well."""
    models_dev, day, openrouter, other_day = sys.argv[1:]
    listing = load(models_dev)
    known = [*from_models_dev(listing), *from_openrouter(load(openrouter)), *from_price_book()]
    entries = gathered(iter(known))
    rows = sorted((compiled(entry) for entry in entries.values()), key=lambda pair: pair[0][0])
    offered = {offer[1] for each in offers(rows).values() for offer in each}
    rows = [pair for index, pair in enumerate(rows) if index in offered]
    unique(rows)
    sources = [
        f"models.dev {day}",
        f"openrouter.ai {other_day}",
        f"genai-prices {version('genai-prices')}",
    ]
    head = {"sources": sources, "names": other_names(HOSTS)}
    models = ",\n".join(dense(trimmed(list(row), None, "", False, 0)) for row, _ in rows)
    hosts = ",\n".join(f"{dense(host)}:{dense(each)}" for host, each in offers(rows).items())
    TARGET.write_text(f'{dense(head)[:-1]},\n"models":[\n{models}\n],\n"offers":{{\n{hosts}\n}}}}\n', encoding="utf-8")
    write_listed(listing, HOSTS, day)


if __name__ == "__main__":
    main()
