"""Documents that cannot lie: what is generated is up to date, what exists has its heading, what is shown runs."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from headgate.app.config import build

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")

SECRETS = {"STRIPE_SECRET_KEY": "sk_", "STRIPE_WEBHOOK_SECRET": "whsec_"}
"""How some of them begin."""


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(text: str) -> list[str]:
    prose = FENCE.sub("", text)
    return re.findall(r"^#{1,6} (.+)$", prose, re.MULTILINE)


def anchors(text: str) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)}


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for match in FENCE.finditer(document.read_text()):
            if match["kind"] == kind:
                yield str(document.relative_to(ROOT)), match["body"]


@pytest.mark.parametrize("name", ["configuration.md", "cli.md", "endpoints.md", "errors.md", "providers.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (REFERENCE / name).read_text() == generator().page(name), "run make docs"


def test_every_generated_page_is_compared() -> None:
    written = {"configuration.md", "cli.md", "endpoints.md", "errors.md", "openapi.json", "providers.md"}
    assert set(generator().PAGES) == written


def test_every_header_has_its_heading() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    spoken = set(re.findall(r"x-headgate-[a-z-]*[a-z]", source))
    told = {
        heading for heading in headings((REFERENCE / "headers.md").read_text()) if heading.startswith("x-headgate-")
    }
    assert told == spoken


def test_every_path_of_the_administration_has_its_heading() -> None:
    code = """
import json, sys
from headgate.server.admin.application import create_api
paths = create_api(None).openapi()["paths"]
json.dump(sorted(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods), sys.stdout)
"""
    listed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    told = {heading for heading in headings((REFERENCE / "administration.md").read_text()) if "/" in heading}
    assert told == set(json.loads(listed))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    broken: list[str] = []
    for target in LINK.findall(FENCE.sub("", document.read_text())):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        place = document.parent / path if path else document
        if not place.exists() or (anchor and anchor not in anchors(place.read_text())):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize(("document", "body"), list(blocks("yaml")))
def test_a_configuration_that_is_shown_is_taken(document: str, body: str) -> None:
    keys = {name: SECRETS.get(name, "") + "x" * 16 for name in re.findall(r"env:(\w+)", body)}
    assert build(yaml.safe_load(body), environ=keys).providers


@pytest.mark.parametrize(("document", "body"), list(blocks("python runnable")))
def test_a_program_that_is_marked_runnable_runs(document: str, body: str, tmp_path: Path) -> None:
    environ = {"HEADGATE_DATA_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run([sys.executable, "-c", body], env=environ, cwd=tmp_path, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr.decode()) == (0, "")


@pytest.mark.parametrize(("document", "body"), [*blocks("python"), *blocks("python runnable")])
def test_a_program_that_is_shown_is_python(document: str, body: str) -> None:
    compile(body, document, "exec", flags=0x2000)  # with top-level await


def test_the_readme_opens_with_the_two_commands() -> None:
    first = next(match["body"] for match in FENCE.finditer((ROOT / "README.md").read_text()))
    assert first == "make serve\nmake test\n"


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop().resolve()
        if document in reached or not document.exists() or document.suffix != ".md":
            continue
        reached.add(document)
        targets = (link.partition("#")[0] for link in LINK.findall(document.read_text()))
        waiting += [document.parent / target for target in targets if target and "://" not in target]
    assert {path.resolve() for path in DOCUMENTS} - reached == set()


def test_a_broken_link_and_a_stale_heading_are_found() -> None:
    text = "# One\n```\n# not a heading\n```\n[a](b.md#c) [d](https://e)\n## x-headgate-cost-usd\n"
    assert headings(text) == ["One", "x-headgate-cost-usd"]
    assert LINK.findall(text) == ["b.md#c", "https://e"]
    assert anchors(text) == {"one", "x-headgate-cost-usd"}
