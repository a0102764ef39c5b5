"""Writes docs/reference/proofs.json: what recorded traffic proves of each provider, as counts and no more.

An exchange proves something of a provider when its URL is that of one of the provider's doors and every property of
the conformance suite holds for it. Run it where recordings are at hand: `python tools/proofs.py`.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headgate.core.fold import Answer, fold
from headgate.core.problems import ClientError
from headgate.dialects.base import Malformed
from headgate.dialects.registry import DIALECTS
from headgate.providers.spec import ProviderSpec, Speaks, packaged

ROOT = Path(__file__).parent.parent
FACTS = ROOT / "docs" / "reference" / "proofs.json"
_KEPT = {"/files": "files", "/batches": "batches", "/batch/jobs": "batches", "/messages/batches": "batches"}
FEATURES = ("text", "stream", "tools", "images", "schema", "reasoning", "cached", "errors")

_ANYBODYS = re.compile(r"demo:|http://(?:localhost|127\.0\.0\.1):(?:3000|4000|8000|8080)/")
"""Ports that many servers take: what was recorded there proves nothing of one of them."""


def pattern(spec: ProviderSpec, door: Speaks) -> re.Pattern[str]:
    """What a URL of a door begins with: blanks are filled by anything that may stand there."""
    return re.compile(_filled(spec, plain(door.base_url.rstrip("/"))) + r"/")


_SAME: tuple[tuple[str, str], ...] = (
    (":443/", "/"),
    ("//127.0.0.1", "//localhost"),
    # a resource's endpoint by either name: https://learn.microsoft.com/en-us/azure/ai-services/cognitive-services-custom-subdomains
    (".cognitiveservices.azure.com", ".openai.azure.com"),
    ("//api.cohere.ai/v2/", "//api.cohere.com/v2/"),
)
"""Two spellings of one address: the other, and the one that the providers' files have."""


def plain(url: str) -> str:
    """One spelling of a URL."""
    for other, usual in _SAME:
        url = url.replace(other, usual)
    return url


def _filled(spec: ProviderSpec, template: str) -> str:
    return "".join(
        _blank(spec, piece[1:-1]) if piece.startswith("{") else re.escape(piece)
        for piece in re.split(r"(\{\w+\})", template)
    )


def _blank(spec: ProviderSpec, name: str) -> str:
    variable = spec.vars.get(name)
    if variable is not None and variable.of:
        choices = [*variable.cases.values(), variable.default or ""]
        return f"(?:{'|'.join(_filled(spec, choice) for choice in dict.fromkeys(choices))})"
    is_whole_host = variable is not None and "{" in (variable.default or "")
    return _filled(spec, variable.default or "") if variable and is_whole_host else r"[^/?]+"


def doors() -> list[tuple[re.Pattern[str], str, str]]:
    """Every door that a recording may be of: those at a fixed address first, the longest of them first."""
    found = [
        (pattern(spec, door), spec.name, door.dialect, door.base_url)
        for spec in packaged().values()
        for door in spec.speaks
        if not _ANYBODYS.match(door.base_url + "/")
    ]
    found.sort(key=lambda door: ("{" in door[3], -len(door[3])))
    return [door[:3] for door in found]


def proofs() -> dict[str, dict[str, dict[str, int]]]:
    """By provider and dialect: how many exchanges prove each feature."""
    from tests.conformance.traffic import families, reading  # noqa: PLC0415 - found once `main` has said where

    places = doors()
    counts: dict[tuple[str, str], Counter[str]] = {}
    for family in families():
        for exchange in reading(family):
            for address, provider, dialect in places:
                if dialect == exchange.dialect and address.match(plain(exchange.url)):
                    counts.setdefault((provider, dialect), Counter()).update(shown(exchange))
                    break
    for url, dialect, name in beside():
        for address, provider, spoken in places:
            if spoken == dialect and address.match(plain(url)):
                counts.setdefault((provider, dialect), Counter())[name] += 1
                break
    table: dict[str, dict[str, dict[str, int]]] = {}
    for (provider, dialect), counted in sorted(counts.items()):
        names = (*FEATURES, *sorted(counted.keys() - set(FEATURES)))
        proved = {name: counted[name] for name in names if counted[name]}
        if proved.keys() - {"errors"}:
            table.setdefault(provider, {})[dialect] = proved
    return table


def beside() -> Iterator[tuple[str, str, str]]:
    """Every good exchange beside talking that the suite's checks hold for: its URL, its dialect and the operation."""
    from tests.conformance import test_kept, test_operations, test_sides, traffic  # noqa: PLC0415

    for family in traffic.families():
        for record in traffic.records(family):
            if (record.get("status") or 200) >= 400:
                continue
            url, found = record["url"], test_operations.operation_of(record)
            if found is not None:
                exchange = traffic.read_exchange(record, family, found[0])
                if test_operations.holds(exchange, found[1]):
                    yield url, *found
            elif (name := test_sides.side_of(record)) is not None:
                if test_sides.holds(record, name):
                    yield url, test_sides.SIDES[name][0].name, name
            elif (call := test_kept.call_of(record)) is not None:
                kept = _KEPT.get(call.place.collection.path)
                if kept and not any(check(call) for check in test_kept.CHECKS):
                    yield url, call.place.collection.dialect, kept


def shown(exchange: Any) -> Iterator[str]:
    """The features that one exchange shows; nothing if a property of the suite does not hold for it."""
    from tests.conformance.test_traffic import CHECKS, events_of  # noqa: PLC0415 - as above

    dialect = DIALECTS[exchange.dialect]
    try:
        if any(check(exchange, dialect) for check in CHECKS):
            return
    except (ClientError, Malformed):
        return
    if exchange.status >= 400:
        yield "errors"
        return
    answer = fold(events_of(exchange, dialect))
    if answer.problem is not None:
        return
    yield "stream" if exchange.is_stream else "text"
    yield from _in_answer(answer)
    asked = json.dumps(exchange.request or {})
    yield from (name for name, form in _ASKED.items() if form.search(asked))


def _in_answer(answer: Answer) -> Iterator[str]:
    kinds = {part.kind for part in answer.parts}
    usage = answer.usage
    if "tool_call" in kinds:
        yield "tools"
    if "reasoning" in kinds or (usage is not None and usage.reasoning_tokens):
        yield "reasoning"
    if usage is not None and usage.cached_tokens:
        yield "cached"


_ASKED = {
    "images": re.compile(r'"type": "(?:image|image_url|input_image)"|"mime(?:_type|Type)": "image/'),
    "schema": re.compile(r'"json_schema"|"response(?:_schema|Schema|JsonSchema)"|"output_format"'),
}


def main() -> None:
    """Writes the facts."""
    sys.path.insert(0, str(ROOT))
    table = proofs()
    if not table:
        raise SystemExit("there are no recordings here: set HEADGATE_TRAFFIC to a folder of them")
    FACTS.write_text(json.dumps(table, indent=1) + "\n")
    for provider, dialects in table.items():
        sys.stdout.write(f"{provider}: {', '.join(dialects)}\n")


if __name__ == "__main__":
    main()
