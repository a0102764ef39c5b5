"""What header fields say of answers that are kept: HTTP's own, ours, and those that users of other gateways send.

They can only ask for less than the configuration grants: a fresher answer, none that is kept, a shorter life.
https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1
https://portkey.ai/docs/product/ai-gateway/cache-simple-and-semantic (2026-11)
https://openrouter.ai/docs/features/response-caching (2026-11)
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from headgate.core.caching import NO_WISH, Wish
from headgate.core.problems import InvalidRequest

Headers = Mapping[bytes, bytes]
NAMESPACE_LENGTH_MAX: Final = 128
TAGS_MAX: Final = 16
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_WORD: Final = re.compile(rf"[\x20-\x7e]{{1,{NAMESPACE_LENGTH_MAX}}}")
_YES: Final = frozenset({"true", "1", "yes", "on"})
_NO: Final = frozenset({"false", "0", "no", "off"})


def wish_of(headers: Headers) -> Wish | None:
    """What the fields of a call say; None: nothing. Raises `InvalidRequest` for a field that cannot be read."""
    wish = NO_WISH
    for name, read in _FIELDS.items():
        if name in headers:
            wish = read(wish, name.decode(), headers[name].decode("latin-1").strip())
    return None if wish is NO_WISH else wish


def _cache_control(wish: Wish, name: str, value: str) -> Wish:
    """Directives that mean nothing to a shared cache of answers are left alone, as HTTP wants it."""
    for directive in value.lower().split(","):
        word, _, number = (part.strip() for part in directive.partition("="))
        match word:
            case "no-cache":
                wish = structs.replace(wish, reads=False)
            case "no-store":
                wish = structs.replace(wish, is_off=True)
            case "only-if-cached":
                wish = structs.replace(wish, only_kept=True)
            case "max-age":
                wish = structs.replace(wish, age_s_max=_seconds(f"{name}: max-age", number, least=0))
            case _:
                pass
    return wish


def _mode(wish: Wish, name: str, value: str) -> Wish:
    match value.lower():
        case "off":
            return structs.replace(wish, is_off=True)
        case "refresh":
            return structs.replace(wish, reads=False)
        case "exact" | "on":
            return wish
        case _:
            raise InvalidRequest(f"{name} is {value[:40]!r}; it takes off, refresh or exact.", param=name)


def _on(wish: Wish, name: str, value: str) -> Wish:
    return wish if _flag(name, value) else structs.replace(wish, is_off=True)


def _refresh(wish: Wish, name: str, value: str) -> Wish:
    return structs.replace(wish, reads=False) if _flag(name, value) else wish


def _ttl(wish: Wish, name: str, value: str) -> Wish:
    return structs.replace(wish, ttl_s=_seconds(name, value, least=1))


def _namespace(wish: Wish, name: str, value: str) -> Wish:
    if not _WORD.fullmatch(value):
        raise InvalidRequest(f"{name} takes 1 to {NAMESPACE_LENGTH_MAX} printable characters of ASCII.", param=name)
    return structs.replace(wish, namespace=value)


def _tags(wish: Wish, name: str, value: str) -> Wish:
    tags = tuple(dict.fromkeys(tag for part in value.split(",") if (tag := part.strip())))
    if len(tags) > TAGS_MAX or not all(map(_WORD.fullmatch, tags)):
        raise InvalidRequest(f"{name} takes up to {TAGS_MAX} words, with commas between.", param=name)
    return structs.replace(wish, tags=tags)


def _flag(name: str, value: str) -> bool:
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    raise InvalidRequest(f"{name} is {value[:40]!r}; it takes true or false.", param=name)


def _seconds(name: str, value: str, *, least: int) -> int:
    if not _NUMBER.fullmatch(value) or int(value) < least:
        raise InvalidRequest(f"{name} is {value[:40]!r}; it takes whole seconds from {least}.", param=name)
    return int(value)


_FIELDS: Final[Mapping[bytes, Callable[[Wish, str, str], Wish]]] = {
    b"cache-control": _cache_control,
    b"x-headgate-cache": _mode,
    b"x-headgate-cache-ttl-s": _ttl,
    b"x-headgate-cache-namespace": _namespace,
    b"x-headgate-cache-tags": _tags,
    b"x-portkey-cache-force-refresh": _refresh,
    b"x-portkey-cache-namespace": _namespace,
    b"x-openrouter-cache": _on,
    b"x-openrouter-cache-ttl": _ttl,
    b"x-openrouter-cache-clear": _refresh,
}
