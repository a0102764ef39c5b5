"""What stands around a candidate's parts: only where it is not as usual, it is remembered. Must not know parts.

Leftovers of `Finished` under `candidates.<choice>.<member>`; `-<member>` with null says that there was none.
"""

from typing import Final, TypeGuard

from msgspec import Raw

from headgate.core.events import Finished, StopReason
from headgate.core.request import Extras
from headgate.dialects.gemini.reasons import REASONS, WORDS
from headgate.dialects.gemini.wire import NULL, is_string, value_of

CANDIDATES: Final = "candidates"

_USUAL: Final = ("content", "finishReason", "index")
_CONTENT: Final[dict[str, object]] = {"role": "model"}


class Dress:
    """Notes of the candidates of one answer."""

    def __init__(self, *, is_whole: bool) -> None:
        self._expected = _USUAL if is_whole else ("index",)
        self._told: set[tuple[int, str]] = set()
        self._odd: Extras = {}

    def note(self, choice: int, members: Extras) -> None:
        """Takes the usual members out of a candidate whose parts are read."""
        for name in _USUAL:
            raw = members.pop(name, None)
            if raw is not None:
                self._told.add((choice, name))
                if not _is_usual(name, raw, choice):
                    self.keep(choice, name, raw)

    def keep(self, choice: int, name: str, raw: Raw) -> None:
        """Remembers a member as it was."""
        self._odd[f"{CANDIDATES}.{choice}.{name}"] = raw

    def extras(self, choices: int) -> Extras:
        """All that is remembered of `choices` candidates."""
        for choice in range(choices):
            for name in self._expected:
                if (choice, name) not in self._told:
                    self.keep(choice, f"-{name}", NULL)
        return self._odd


def _is_usual(name: str, raw: Raw, choice: int) -> bool:
    value = value_of(raw)
    match name:
        case "content":
            return value == _CONTENT
        case "index":
            return is_index(value) and value == choice
        case _:
            word = WORDS[REASONS.get(value, "other")] if is_string(raw) else None
            return is_string(raw) and value != "" and (choice == 0 or value == word)


def is_index(value: object) -> TypeGuard[int]:
    """Whether a candidate's `index` is one."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000


def reason_at(finished: Finished, choice: int) -> StopReason:
    """Why this candidate ended; one that the end does not tell of ended as it would."""
    reasons = (finished.reason, *finished.more_reasons)
    return reasons[choice] if choice < len(reasons) else "other"


def dressed(finished: Finished, choice: int) -> dict[str, object]:
    """A candidate without its parts, as it was."""
    prefix = f"{CANDIDATES}.{choice}."
    odd = {name.removeprefix(prefix): raw for name, raw in finished.extras.items() if name.startswith(prefix)}
    word = finished.wire_reason if choice == 0 else WORDS[reason_at(finished, choice)]
    usual: dict[str, object] = {"content": _CONTENT, "finishReason": word, "index": choice}
    out = {name: value for name, value in usual.items() if f"-{name}" not in odd}
    return {**out, **{name: raw for name, raw in odd.items() if not name.startswith("-")}}
