"""Answers that several gateways share: on a real Redis, and on a real PostgreSQL."""

import asyncio
import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import Server
from tests.unit.cache.test_database import FAR, row
from tests.unit.cache.test_entries import DIGEST, entry

from headgate.app.config_cache import Cache
from headgate.app.config_secrets import Secret
from headgate.app.keeping_answers import keeping_of
from headgate.cache.answers import Answers, Keeper
from headgate.cache.database import DatabaseKeeper, Purges
from headgate.cache.redis import PREFIX, RedisKeeper, RedisPurges, open_redis
from headgate.cache.shelf import Purge
from headgate.core.problems import ConfigError
from headgate.store.memory import open_memory
from headgate.store.opening import open_store

NOW_US = time.time_ns() // 1000


class Redis:
    """A server that runs, with what it has on a disk."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/redis.sock"
        words = ["--port", "0", "--unixsocket", f"{folder}/redis.sock", "--dir", str(folder), "--save", ""]
        self._command = ["redis-server", *words, "--appendonly", "yes", "--appendfsync", "always"]

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = open_redis(self.url)
        for _ in range(500):
            try:
                client.ping()
                break
            except Exception:
                time.sleep(0.01)
        client.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def running(folder: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    server = Redis(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def has(keeper: Keeper, *numbers: int) -> list[int]:
    return [number for number in numbers if keeper.find(number.to_bytes(32), NOW_US) is not None]


PURGES = [
    (Purge(), []),
    (Purge(key=(1).to_bytes(32)), [2, 3]),
    (Purge(key=(1).to_bytes(32), tag="t"), [1, 2, 3]),
    (Purge(tenant="b"), [1, 2]),
    (Purge(tag="t"), [1, 3]),
    (Purge(model="other/m"), [1, 3]),
    (Purge(namespace=""), [3]),
    (Purge(before_us=1000), [1, 2]),
]


def purge_all_ways(keeper: Keeper) -> None:
    """Each purge of the table, on the same three answers."""
    more = {"stored_us": 1000, "expires_us": NOW_US + 10**9}
    three = [
        row(1, team="a", **more),
        row(2, team="a", tags=("s", "t"), model="q", provider="other", **more),
        row(3, team="b", namespace="n", **{**more, "stored_us": 999}),
    ]
    for wanted, left in PURGES:
        keeper.put(three)
        assert has(keeper, 1, 2, 3) == [1, 2, 3]
        assert keeper.held() == (3, sum(len(each.blob) for each in three))
        assert keeper.purge(wanted) == 3 - len(left), wanted
        assert has(keeper, 1, 2, 3) == left, wanted
    assert keeper.find((1).to_bytes(32), NOW_US) == three[0].blob
    keeper.drop((1).to_bytes(32))
    assert has(keeper, 1) == []


def restart(keeper: Keeper, other: Keeper) -> None:
    """What one process keeps, another one serves."""
    one, two = Answers(DIGEST, keeper=keeper), Answers(DIGEST, keeper=other)
    one.put(entry(expires_us=NOW_US + 10**9))
    assert one.flush()
    held = asyncio.run(two.find(entry().key))
    assert held is not None
    assert held.entry.source == "req_1"
    one.close()
    two.close()


def test_redis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(tmp_path) as server:
        client: Any = open_redis(server.url)
        client.set(b"somebody else's", b"x")
        keeper = RedisKeeper(client)
        purge_all_ways(keeper)
        restart(keeper, RedisKeeper(open_redis(server.url)))
        keeper.put([row(7, expires_us=NOW_US + 10**9), row(8, expires_us=1)])
        assert has(keeper, 7, 8) == [7]
        assert 0 < client.pttl(PREFIX + (7).to_bytes(32).hex().encode()) <= 10**6

        one, other = RedisPurges(client), RedisPurges(open_redis(server.url))
        assert one.heard() == other.heard() == []
        one.note(Purge(tag="x"))
        one.note(Purge(model="m"))
        assert [(each.tag, each.model) for each in other.heard()] == [("x", ""), ("", "m")]
        assert other.heard() == []

        server.kill()
        answers = Answers(DIGEST, keeper=keeper)
        with caplog.at_level(logging.ERROR, "headgate"):
            assert asyncio.run(answers.find((9).to_bytes(32))) is None
        assert caplog.records[0].message.startswith("event=cache_not_read")
        server.start()
        assert has(keeper, 7) == [7]  # what was acknowledged is there after a crash
        client.set(PREFIX + (7).to_bytes(32).hex().encode(), b"nonsense")
        assert asyncio.run(answers.find((7).to_bytes(32))) is None
        assert (answers.damaged, has(keeper, 7)) == (1, [])
        assert client.get(b"somebody else's") == b"x"
        answers.close()


def test_postgresql(postgres: Server) -> None:
    url = postgres.new_url()
    with open_store(url) as store, open_store(url) as other:
        purge_all_ways(DatabaseKeeper(store))
        restart(DatabaseKeeper(store), DatabaseKeeper(other))
        heard = Purges(other)
        Purges(store).note(Purge(tag="x"))
        assert [each.tag for each in heard.heard()] == ["x"]
        keeper = DatabaseKeeper(store)
        keeper.put([row(number, expires_us=FAR) for number in range(300)])
        assert keeper.held()[0] == 300


def test_where_answers_are_kept_is_configured(tmp_path: Path) -> None:
    with open_memory() as store:
        assert isinstance(keeping_of(Cache(), store).keeper, DatabaseKeeper)
        with pytest.raises(ConfigError, match=r"cache\.redis: is required"):
            keeping_of(Cache(kept="redis"), store)
        with pytest.raises(ConfigError, match=r"cache\.redis: "):
            keeping_of(Cache(kept="redis", redis=Secret("localhost")), store)
        assert isinstance(keeping_of(Cache(kept="redis", redis=Secret("redis://h/0")), store).keeper, RedisKeeper)
