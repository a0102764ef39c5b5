"""Answers in Redis, which several gateways share. Waits for the network: for threads. Needs the extra `redis`.

Each answer is one key, which Redis itself forgets when it is too old, or by its own `maxmemory-policy`. What it loses
in a crash of its own is its configuration's affair (`appendonly`).
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from headgate.cache.answers import Sealed
from headgate.cache.entries import unsealed
from headgate.cache.shelf import Purge
from headgate.core.problems import ConfigError

PREFIX: Final = b"headgate:answer:"
PURGES: Final = b"headgate:purges"
TIMEOUT_S: Final = 2.0
"""How long Redis may take: a cache that is slower than that helps nobody."""
_BATCH: Final = 500
_PURGES_MAX: Final = 1000
"""How many purges are remembered: every gateway looks every few seconds."""


def open_redis(url: str) -> Any:
    """A client, connected when it is first used. Raises `ConfigError` without the extra, or for what is no address."""
    try:
        from redis import Redis  # noqa: PLC0415  its client is an extra
    except ImportError:
        raise ConfigError("cache.kept: redis needs a package: pip install 'headgate[redis]'") from None
    try:
        make: Any = Redis.from_url  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return make(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, protocol=2)
    except ValueError as fault:
        raise ConfigError(f"cache.redis: {fault}") from None


class RedisKeeper:
    """Answers as keys."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def find(self, key: bytes, now_us: int) -> bytes | None:
        """What was put under a key, unless it is too old."""
        return self._client.get(_name(key))

    def put(self, entries: Sequence[Sealed]) -> None:
        """Keeps them, each in place of any other of its key: once this returns, Redis has them."""
        pipeline = self._client.pipeline(transaction=False)
        for entry, blob in entries:
            pipeline.set(_name(entry.key), blob, pxat=max(entry.expires_us // 1000, 1))
        pipeline.execute()

    def drop(self, key: bytes) -> None:
        """Takes one out."""
        self._client.delete(_name(key))

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant, looking at every answer. Returns how many that were."""
        if wanted == Purge(key=wanted.key) and wanted.key:
            return int(self._client.delete(_name(wanted.key)))
        count = 0
        for names in self._all():
            blobs: list[bytes | None] = self._client.mget(names)
            found = [(name, unsealed(blob)) for name, blob in zip(names, blobs, strict=True) if blob is not None]
            meant = [name for name, entry in found if entry is None or wanted.fits(entry)]
            count += int(self._client.delete(*meant)) if meant else 0
        return count

    def held(self) -> tuple[int, int]:
        """How many there are, and how many bytes they have."""
        count = size = 0
        for names in self._all():
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.strlen(name)
            count, size = count + len(names), size + sum(pipeline.execute())
        return count, size

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def _all(self) -> Iterator[list[bytes]]:
        seen: list[bytes] = []
        for name in self._client.scan_iter(match=PREFIX + b"*", count=_BATCH):
            seen.append(name)
            if len(seen) >= _BATCH:
                yield seen
                seen = []
        if seen:
            yield seen


class RedisPurges:
    """What is purged by one gateway, and by all others that share the Redis."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._seen: int | None = None

    def note(self, wanted: Purge) -> None:
        """Tells the others."""
        told = msgspec.structs.replace(wanted, before_us=wanted.before_us or time.time_ns() // 1000)
        seq = int(self._client.incr(PURGES + b":seq"))
        self._client.zadd(PURGES, {b"%d %b" % (seq, msgspec.json.encode(told)): seq})
        self._client.zremrangebyrank(PURGES, 0, -_PURGES_MAX - 1)

    def heard(self) -> list[Purge]:
        """What was purged since this was asked last, by anybody; the first time nothing, since nothing was kept yet."""
        if self._seen is None:
            self._seen = int(self._client.get(PURGES + b":seq") or 0)
            return []
        found: list[tuple[bytes, float]] = self._client.zrangebyscore(PURGES, f"({self._seen}", "+inf", withscores=True)
        if found:
            self._seen = int(found[-1][1])
        return [msgspec.json.decode(told.partition(b" ")[2], type=Purge) for told, _ in found]


def _name(key: bytes) -> bytes:
    return PREFIX + key.hex().encode()
