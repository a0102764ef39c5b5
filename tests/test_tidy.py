"""The look, kept by a machine: each check is a function from a file to its faults, and has a test that it can fail."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "headgate"
PURE_ROOMS = ("core", "dialects", "limits", "providers", "routing")
ENTRY_POINTS = {
    "headgate.app.cli",  # the command
    "headgate.cache.semantic.memory",  # the door of the room
    "headgate.cache.semantic.minilm",  # named in a table of embedders
    "headgate.cache.semantic.partition",  # the door of the room
    "headgate.cache.semantic.static",  # named in a table of embedders
    "headgate.store.memory",  # for those who test against a store
    "headgate.store.migrations.env",  # run by Alembic
}


class File:
    """A file under check. Its tree is built once, and let go with it: all of them together are large."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def room(self) -> str:
        parts = self.path.split("/")
        return parts[2] if parts[:2] == ["src", "headgate"] and len(parts) > 3 else ""


Check = Callable[[File], Iterator[str]]


def long_file(file: File) -> Iterator[str]:
    lines = file.text.count("\n")
    if lines > 600:
        yield f"{file.path}: {lines} lines; split it by what a reader looks for (600 at most)"


def functions(file: File) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in file.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def long_function(file: File) -> Iterator[str]:
    for function in functions(file):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > 70:
            yield f"{file.path}:{function.lineno}: {function.name} has {lines} lines; 70 at most"


def many_parameters(file: File) -> Iterator[str]:
    for function in functions(file):
        named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        count = len([argument for argument in named if argument.arg not in {"self", "cls"}])
        if count > 5:
            yield f"{file.path}:{function.lineno}: {function.name} takes {count} parameters; make a struct of them"


def provider_branch(file: File) -> Iterator[str]:
    for node in file.nodes:
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            has_text = any(isinstance(part, ast.Constant) for side in node.comparators for part in ast.walk(side))
            if has_text and ast.unparse(node.left).rsplit(".", 1)[-1] in {"provider", "provider_name"}:
                yield f"{file.path}:{node.lineno}: a branch on a provider's name; declare a quirk in its TOML instead"


BANNED = {
    "eval": "parse what you mean to accept",
    "exec": "parse what you mean to accept",
    "os.system": "Headgate starts no programs",
    "asyncio.create_task": "spawn in the task group of app/wiring.py",
    "asyncio.ensure_future": "spawn in the task group of app/wiring.py",
}
BANNED_MODULES = {"pickle": "use msgspec", "marshal": "use msgspec", "subprocess": "Headgate starts no programs"}
BANNED_IN_PURE_ROOMS = {"time": "take `now` as an argument", "random": "take `dice` as an argument"}


def banned_call(file: File) -> Iterator[str]:
    modules = BANNED_MODULES | (BANNED_IN_PURE_ROOMS if file.room in PURE_ROOMS else {})
    for node in file.nodes:
        name = called(node) if isinstance(node, ast.Call) else ""
        if name in BANNED:
            yield f"{file.path}:{node.lineno}: {name}(); {BANNED[name]}"
        for module in sorted(imported(node)):
            if remedy := modules.get(module.split(".")[0]):
                yield f"{file.path}:{node.lineno}: imports {module}; {remedy}"


def called(call: ast.Call) -> str:
    """The dotted name of what is called; of something else that is called, only its last part."""
    parts, node = list[str](), call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def imported(node: ast.AST) -> set[str]:
    match node:
        case ast.Import(names=names):
            return {name.name for name in names}
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return {module, *(f"{module}.{name.name}" for name in names)}
        case _:
            return set()


SQL = re.compile(r"^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|WITH)\s", re.IGNORECASE)


def formatted_sql(file: File) -> Iterator[str]:
    for node in file.nodes:
        if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            first = str(node.values[0].value)
            if (
                SQL.match(first)
                and len(node.values) > 1
                and first.upper().strip().split()[0] == first.strip().split()[0]
            ):
                yield f"{file.path}:{node.lineno}: SQL in an f-string; bind parameters instead"


def no_docstring(file: File) -> Iterator[str]:
    if file.text.strip() and not ast.get_docstring(file.tree):
        yield f"{file.path}: the first line must say what this file is"


BARE_TASK = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X{3})\b(?!.*#\d)")
FOREIGN = re.compile(
    r"(?<![\w.])/(?:work|farm|root)/|\.\./shared|pypi\.org|pythonhosted\.org|registry\.npmjs|debian\.org/"
)


def stray_word(file: File) -> Iterator[str]:
    for number, line in enumerate(file.text.splitlines(), 1):
        if BARE_TASK.search(line):
            yield f"{file.path}:{number}: an open task needs its issue's number (#123)"
        if FOREIGN.search(line):
            yield f"{file.path}:{number}: a path of one machine or the host of a registry does not belong here"


def title(file: File) -> Iterator[str]:
    prose = re.sub(r"^```.*?^```", "", file.text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^# .+", prose, flags=re.MULTILINE)
    if len(titles) != 1 or not file.text.startswith("# "):
        yield f"{file.path}: a document opens with its one `# Title`; found {len(titles)}"


def unused_modules(files: Iterable[File]) -> list[str]:
    used: set[str] = set(ENTRY_POINTS)
    names: dict[str, str] = {}
    for file in files:
        if not file.path.endswith("__init__.py"):
            names[module_name(file.path)] = file.path
        for node in file.nodes:
            used |= imported(node)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("headgate."):
                used.add(node.value)  # imported by name, later
    return [
        f"{path}: nothing imports it"
        for name, path in sorted(names.items())
        if name not in used and not name.endswith(".__main__")
    ]


def module_name(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


ON_SOURCE: list[Check] = [provider_branch, banned_call, formatted_sql, no_docstring]
ON_PYTHON: list[Check] = [long_file, long_function, many_parameters]
ON_ALL: list[Check] = [stray_word]


def paths(*suffixes: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    found = sorted({path for path in listing.stdout.decode().splitlines() if path.endswith(suffixes)})
    return [ROOT / path for path in found if (ROOT / path).is_file()]


def tracked(*suffixes: str) -> list[File]:
    return [File(str(path.relative_to(ROOT)), path.read_text()) for path in paths(*suffixes)]


def untidy(path: Path) -> list[str]:
    file = File(str(path.relative_to(ROOT)), path.read_text())
    checks = [*ON_PYTHON, *ON_SOURCE] if file.path.startswith("src/") else ON_PYTHON
    return [fault for check in checks for fault in check(file)]


def test_python_is_tidy() -> None:
    assert [fault for path in paths(".py") for fault in untidy(path)] == []


def test_no_module_is_dead() -> None:
    source = [path for path in paths(".py") if path.is_relative_to(SOURCE)]
    living = (File(str(path.relative_to(ROOT)), path.read_text()) for path in source if "versions" not in path.parts)
    assert unused_modules(living) == []


def test_no_stray_words_anywhere() -> None:
    kinds = (".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".txt", ".in", ".mjs", "Makefile", "run")
    files = [file for file in tracked(*kinds) if not file.path.startswith("tests/conformance/")]
    assert [fault for file in files for fault in stray_word(file)] == []


def test_the_recorded_traffic_is_named_in_one_place() -> None:
    files = [file for file in tracked(".py") if file.path.startswith("tests/conformance/")]
    assert len([fault for file in files for fault in stray_word(file)]) <= 1


def test_documents_have_one_title() -> None:
    assert [fault for file in tracked(".md") for fault in title(file)] == []


FAULTY = {
    long_file: "x = 1\n" * 601,
    long_function: "def f():\n" + "    x = 1\n" * 70,
    many_parameters: "def f(self, a, b, c, *, d, e, g): ...",
    provider_branch: 'if call.provider == "openai": pass',
    banned_call: "import time",
    formatted_sql: 'rows = run(f"SELECT * FROM {table}")',
    no_docstring: "x = 1",
    stray_word: "# TO" + "DO: later",
    title: "# One\n\n# Two\n",
}


@pytest.mark.parametrize("check", [*ON_PYTHON, *ON_SOURCE, *ON_ALL, title])
def test_a_check_can_fail(check: Check) -> None:
    assert len(list(check(File("src/headgate/core/new.py", FAULTY[check])))) == 1


@pytest.mark.parametrize(
    "line", ["eval(text)", "import pickle", "from subprocess import run", "asyncio.create_task(x)"]
)
def test_a_banned_call_is_found(line: str) -> None:
    assert len(list(banned_call(File("src/headgate/engine/new.py", line)))) >= 1


def test_clocks_are_only_banned_where_they_spoil_purity() -> None:
    assert list(banned_call(File("src/headgate/engine/new.py", "import time"))) == []


def test_a_dead_module_is_found() -> None:
    living = File("src/headgate/app/cli.py", "from headgate.core import used")
    used, dead = File("src/headgate/core/used.py", ""), File("src/headgate/core/dead.py", "")
    assert unused_modules([living, used, dead]) == ["src/headgate/core/dead.py: nothing imports it"]


def test_the_wheel_carries_the_package_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "headgate/providers/data/openai.toml" in names
    assert [name for name in names if name.endswith(".pth") or not name.startswith("headgate")] == []
