"""Where settings come from: a YAML file, then variables, then options of the command line. Must not know their meaning.

Each layer is a plain tree; laid over one another they give one tree, and `Origins` remembers which leaf was set by
which variable or option, so that an error can name what the operator has to change.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import yaml

from headgate.core.problems import ConfigError

Tree = dict[str, object]
Origins = dict[tuple[str | int, ...], str]
"""The variable or option that set the leaf at a path; a leaf without entry comes from the file."""

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
PREFIX: Final = "HEADGATE_"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: `no`, `on`, `1:30` and dates stay text, and a key may stand only once."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the name {key.value!r} is not text; put it in quotes", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_PLAIN: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
for _name, _form, _first in _PLAIN:
    for _character in _first:
        _Loader.yaml_implicit_resolvers.setdefault(_character, []).append(
            (f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_form})$"))
        )


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


def read_file(path: Path) -> Tree:
    """The tree in the YAML file at `path`; an empty file is an empty tree."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} is over the limit of {FILE_BYTES_MAX} bytes")
    try:
        tree: object = yaml.load(data, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer guesses
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}{_place(error)}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: the top of the file must be a mapping such as 'server: {{port: 8080}}'")
    return cast("Tree", tree)


def _place(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f":{mark.line + 1}:{mark.column + 1}: {error.problem}"
    return f": not valid YAML: {' '.join(str(error).split())}"


def from_environment(environ: Mapping[str, str], top_names: Iterable[str]) -> tuple[Tree, Origins]:
    """What variables set: `HEADGATE_SERVER__PORT` is `server.port`; of one level, only the names of `top_names`.

    Others of one level are not ours to judge: Kubernetes sets `HEADGATE_PORT` for a service of that name.
    """
    known = set(top_names)
    tree: Tree = {}
    origins: Origins = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        path = tuple(part.lower() for part in name[len(PREFIX) :].split("__"))
        if not all(path) or (len(path) == 1 and path[0] not in known) or not environ[name].strip():
            continue
        _put(tree, path, _value(path, environ[name], name))
        origins[path] = name
    return tree, origins


SECRET_NAMES: Final = frozenset({"admin_key", "api_key"})


def _value(path: tuple[str, ...], text: str, name: str) -> object:
    """A variable's text as YAML would read it; a secret in a variable is a reference to that variable."""
    if path[-1] in SECRET_NAMES:
        return text if text.startswith(("env:", "file:")) or text == "none" else f"env:{name}"
    try:
        return cast("object", yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader with fewer guesses
    except yaml.YAMLError:
        return text


def _put(tree: Tree, path: tuple[str, ...], value: object) -> None:
    for part in path[:-1]:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = tree[part] = cast("Tree", {})
        tree = cast("Tree", inner)
    tree[path[-1]] = value


def laid_over(below: Tree, above: Tree) -> Tree:
    """`below` with every leaf of `above` put over it; mappings are joined, everything else is replaced."""
    joined = dict(below)
    for name, value in above.items():
        under = joined.get(name)
        if isinstance(under, dict) and isinstance(value, dict):
            joined[name] = laid_over(cast("Tree", under), cast("Tree", value))
        else:
            joined[name] = value
    return joined
