"""What is wrong with a configuration, one line each: where, what, and what was probably meant. Prints nothing."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headgate.app.config_sources import Origins

NOT_YET: Final = frozenset({"hedge", "stream_upstream", "guards"})
"""Settings that are planned and refused until they work."""


def json_path(path: tuple[str | int, ...]) -> str:
    """`$.routes.smart.targets[0]`"""
    return "$" + "".join(_step(part) for part in path)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part.replace("_", "").replace("-", "").isalnum() else f'["{part}"]'


def explain(error: ValidationError, root: type[BaseModel], origins: Origins) -> list[str]:
    """Every fault in `error`, in the order of the file."""
    return [_line(detail, root, origins) for detail in error.errors(include_url=False)]


def _line(detail: ErrorDetails, root: type[BaseModel], origins: Origins) -> str:
    path = detail["loc"]
    origin = _origin(path, origins)
    return f"{f'{origin}: ' if origin else ''}{json_path(path)}: {_text(detail, root)}"


def _origin(path: tuple[str | int, ...], origins: Origins) -> str:
    """The variable or option that set `path`, something around it, or, for an unknown name, something in it."""
    for set_path, origin in origins.items():
        shorter = min(len(path), len(set_path))
        if path[:shorter] == set_path[:shorter]:
            return origin
    return ""


def _text(detail: ErrorDetails, root: type[BaseModel]) -> str:
    context: Mapping[str, object] = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        return _unknown(detail, root)
    if detail["type"] == "literal_error":
        return _not_one_of(detail, str(context["expected"]))
    if detail["type"] == "none_required":
        return "is not available yet; leave it out"
    if detail["type"] in _WORDS:
        return _WORDS[detail["type"]](context) + _seen(detail)
    return str(context.get("text", detail["msg"]))


def _unknown(detail: ErrorDetails, root: type[BaseModel]) -> str:
    name = str(detail["loc"][-1])
    if name in NOT_YET:
        return "is not available yet; leave it out"
    known = list(_model_at(root, detail["loc"][:-1]).model_fields)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"is not a setting{f'; did you mean {near[0]}?' if near else '.'} Known here: {', '.join(known)}"


def _not_one_of(detail: ErrorDetails, expected: str) -> str:
    seen: object = detail["input"]
    near = get_close_matches(str(seen), re.split(r", | or ", expected.replace("'", "")), n=1, cutoff=0.5)
    return f"must be {expected}, not {seen!r}{f'; did you mean {near[0]}?' if near else ''}"


def _seen(detail: ErrorDetails) -> str:
    """What stands there, if it is short and plain; a fault in a secret never comes here with its value."""
    seen: object = detail["input"]
    return f", not {seen!r}" if isinstance(seen, str | int | float) and len(str(seen)) <= 80 else ""


def _bound(words: str, name: str) -> Callable[[Mapping[str, object]], str]:
    return lambda context: f"must be {words} {context[name]}"


def _plain(words: str) -> Callable[[Mapping[str, object]], str]:
    return lambda context: words


_WORDS: Final[dict[str, Callable[[Mapping[str, object]], str]]] = {
    "missing": lambda context: "is required",
    "int_type": _plain("must be a whole number"),
    "int_from_float": _plain("must be a whole number"),
    "float_type": _plain("must be a number"),
    "float_parsing": _plain("must be a number"),
    "finite_number": _plain("must be a finite number"),
    "bool_type": _plain("must be true or false"),
    "string_type": _plain("must be text"),
    "path_type": _plain("must be the path of a folder"),
    "string_too_short": _plain("must not be empty"),
    "string_too_long": _bound("at most this many characters long:", "max_length"),
    "dict_type": _plain("must be a mapping"),
    "model_type": _plain("must be a mapping"),
    "tuple_type": _plain("must be a list"),
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
}


def _model_at(root: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel]:
    """The model whose settings stand at `path`."""
    model, parts = root, list(path)
    while parts:
        annotation: object = model.model_fields[str(parts.pop(0))].annotation
        if get_origin(annotation) in {dict, tuple} and parts:
            parts.pop(0)
        model = _model_in(annotation) or model
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(argument) for argument in cast("tuple[object, ...]", get_args(annotation)))
    return next((model for model in inner if model is not None), None)
