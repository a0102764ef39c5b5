"""LiteLLM's member `cache`, which any dialect's body may carry: what a caller says of answers that are kept.

It is for Headgate: read here, and taken out before the body goes anywhere.
https://docs.litellm.ai/docs/proxy/caching (2026-11)
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct, field, structs

from headgate.core.caching import Wish
from headgate.core.problems import InvalidRequest

NAMESPACE_LENGTH_MAX: Final = 128


class _Said(Struct, forbid_unknown_fields=True):
    ttl: float | None = None
    s_maxage: float | None = field(default=None, name="s-maxage")
    s_max_age: float | None = field(default=None, name="s-max-age")
    no_cache: bool = field(default=False, name="no-cache")
    no_store: bool = field(default=False, name="no-store")
    use_cache: bool | None = field(default=None, name="use-cache")
    namespace: str | None = None


class _Body(Struct):
    cache: _Said | None = None


_BODY: Final = msgspec.json.Decoder(_Body).decode
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_ENCODE: Final = msgspec.json.Encoder().encode


def body_wish(body: bytes, wish: Wish) -> Wish:
    """What a valid JSON object wishes on top of `wish`. Raises `InvalidRequest`."""
    try:
        said = _BODY(body).cache
    except msgspec.DecodeError as error:
        text, _, path = str(error).partition(" - at `$.")
        param = path.rstrip("`") or "cache"
        raise InvalidRequest(f"{param}: {text}", param=param) from None
    if said is None:
        return wish
    age_s = said.s_maxage if said.s_maxage is not None else said.s_max_age
    if said.ttl is not None and said.ttl < 1:
        raise InvalidRequest("cache.ttl: must be at least 1 second; use no-store to keep nothing", param="cache.ttl")
    if said.namespace is not None and len(said.namespace) > NAMESPACE_LENGTH_MAX:
        told = f"cache.namespace: must have at most {NAMESPACE_LENGTH_MAX} characters"
        raise InvalidRequest(told, param="cache.namespace")
    return structs.replace(
        wish,
        is_off=wish.is_off or said.use_cache is False,
        reads=wish.reads and not said.no_cache,
        stores=wish.stores and not said.no_store,
        ttl_s=wish.ttl_s if said.ttl is None else int(said.ttl),
        age_s_max=wish.age_s_max if age_s is None else age_s,
        namespace=said.namespace or wish.namespace,
    )


def without_cache_member(body: bytes) -> bytes:
    """The body as it goes on: every other member byte for byte."""
    members = _OBJECT(body)
    if members.pop("cache", None) is None:
        return body
    return _ENCODE(members)
