"""Where answers are kept, as the configuration says: for the gateway and for the command line alike."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from headgate.app.config_cache import Cache
from headgate.cache.answers import Keeper
from headgate.cache.database import DatabaseKeeper, Purges
from headgate.cache.shelf import Purge
from headgate.core.problems import ConfigError
from headgate.store.base import Store


class PurgeBoard(Protocol):
    """Where processes tell each other what is purged. Waits: called in threads."""

    def note(self, wanted: Purge) -> None:
        """Tells the others."""
        ...

    def heard(self) -> Sequence[Purge]:
        """What was purged since this was asked last, by anybody."""
        ...


class Keeping(NamedTuple):
    """Both."""

    keeper: Keeper
    board: PurgeBoard


def keeping_of(config: Cache, store: Store) -> Keeping:
    """Opens it. Raises `ConfigError`. Answers that are kept in memory alone have none behind it: what the database has
    is of other days."""
    if config.kept == "redis":
        from headgate.cache.redis import RedisKeeper, RedisPurges, open_redis  # noqa: PLC0415  an extra

        if config.redis is None:
            raise ConfigError("$.cache.redis: is required where kept is redis: env:REDIS_URL, say")
        client = open_redis(config.redis.reveal())
        return Keeping(RedisKeeper(client), RedisPurges(client))
    return Keeping(DatabaseKeeper(store), Purges(store))
