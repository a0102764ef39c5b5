"""The blanks of a provider's URLs and what fills them. Must not know where the values were found, or any provider.

A value goes into a URL as it is, so it may hold the characters of one name only: none can end the host or the path
segment that it stands in. `{model}` is no variable of a provider: it is filled for each call, escaped.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from headgate.core.problems import ConfigError
from headgate.providers.spec import ProviderSpec, Variable

MODEL: Final = "model"

_BLANK: Final = re.compile(r"\{(\w+)\}")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,251}(?<=[A-Za-z0-9])")


class Unfilled(ConfigError):
    """A blank in a provider's URL has no value that may stand there; set the variable that the text names."""

    def __init__(self, variable: str, text: str) -> None:
        super().__init__(f"{variable}: {text}")
        self.variable = variable
        self.text = text


class Values:
    """What fills the blanks of one configured provider: what the operator set, else the environment, else defaults.

    Resolved when asked for, so that a variable that no URL in use has a blank for need not be set.
    """

    def __init__(self, variables: Mapping[str, Variable], given: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._variables = variables
        self._given = given
        self._environ = environ

    def fill(self, template: str) -> str:
        """`template` with its blanks filled, but for the model's. Raises `Unfilled`."""
        return _BLANK.sub(lambda blank: blank[0] if blank[1] == MODEL else self.value(blank[1]), template)

    def value(self, name: str) -> str:
        """The value of one variable."""
        variable = self._variables.get(name)
        if variable is None:
            known = ", ".join([*self._variables, MODEL])
            raise Unfilled(name, f"there is no such variable to fill {{{name}}} with. Known here: {known}")
        if variable.of:
            return self.fill(variable.cases.get(self.value(variable.of), variable.default or ""))
        origin, said = self._said(name, variable)
        if said:
            return _checked(name, said, origin)
        if variable.default is None:
            raise Unfilled(name, f"is not set{_about(variable)}; write it there{_or_set(variable)}")
        return self.fill(variable.default)

    def _said(self, name: str, variable: Variable) -> tuple[str, str]:
        if self._given.get(name):
            return "", self._given[name]
        return next(((env, self._environ[env]) for env in variable.env if self._environ.get(env, "").strip()), ("", ""))


def _checked(name: str, said: str, origin: str) -> str:
    """A value that may stand in a URL. Of a URL, which some services call their host, the host is meant."""
    value = said.strip().removeprefix("https://").rstrip("/")
    if not _NAME.fullmatch(value):
        source = f" in the environment variable {origin}" if origin else ""
        raise Unfilled(name, f"{said!r}{source} may have letters, digits and . _ - only, as a name in a URL has")
    return value


def _about(variable: Variable) -> str:
    return f" ({variable.about})" if variable.about else ""


def _or_set(variable: Variable) -> str:
    return f", or set the environment variable {' or '.join(variable.env)}" if variable.env else ""


def settable(spec: ProviderSpec) -> list[str]:
    """The variables that an operator may set."""
    return [name for name, variable in spec.vars.items() if not variable.of]


def wanting(variables: Mapping[str, Variable], environ: Mapping[str, str]) -> list[str]:
    """The usual environment variables, or else the settings, that are still needed to fill every blank."""
    values = Values(variables, {}, environ)
    lacking: list[str] = []
    for name in variables:
        try:
            values.value(name)
        except Unfilled as fault:
            lacking.append(" or ".join(variables[fault.variable].env) or fault.variable)
    return list(dict.fromkeys(lacking))


def templates(spec: ProviderSpec) -> Iterable[str]:
    """Every text of a provider that may have blanks."""
    for door in spec.speaks:
        yield door.base_url
        yield from door.query.values()
        yield from door.headers.values()
        yield from (door.paths.whole, door.paths.stream) if door.paths else ()
    for variable in spec.vars.values():
        yield from variable.cases.values()
        yield variable.default or ""


def blanks(template: str) -> set[str]:
    """The names of the blanks in a text."""
    return set(_BLANK.findall(template))
