"""The memory works on a thread of its own, opened once and late, and a crowd does not pile up before it."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from headgate.cache.semantic.beside import WAITING_MAX, Beside
from headgate.cache.semantic.embedders import Embedded, Embedder, open_embedder
from headgate.cache.semantic.memory import Found, Question, Settings
from headgate.cache.semantic.words import Word
from headgate.core.problems import ConfigError

SERVE = Settings("serve")
QUESTION = Question(b"p", "g", "How do I reset my password?")


class Watched:
    """Says on which threads it was opened and asked, and waits where told to."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self._inner: Embedder | None = None
        self.name, self.dimensions = "static", 256

    def open(self, name: str) -> Embedder:
        self.threads.append(threading.current_thread().name)
        self._inner = open_embedder(name)
        return self

    def embed(self, text: str, words: Sequence[Word]) -> Embedded:
        assert self._inner is not None
        self.gate.wait(60)
        self.threads.append(threading.current_thread().name)
        return self._inner.embed(text, words)


def test_all_its_work_is_done_on_one_other_thread():
    async def run() -> None:
        watched = Watched()
        beside = Beside("static", watched.open)
        assert watched.threads == []
        kept = await beside.keep("a", QUESTION, 10.0)
        assert (await beside.look(QUESTION, SERVE, 0.0)).is_served
        found = await beside.look(Question(b"p", "g", "How can I reset my password now?"), SERVE, 0.0)
        assert await beside.answered(found, "Yes", "yes") in (None, True)
        assert await beside.standing("g") == "too few labels"
        assert await beside.complain("a")
        await beside.recall([kept])
        await beside.forget(["a"])
        assert not (await beside.look(QUESTION, SERVE, 0.0)).entry
        assert set(watched.threads) == {"semantic_0"}
        beside.close()

    asyncio.run(run())


def test_a_crowd_is_turned_away():
    async def run() -> list[Found]:
        watched = Watched()
        beside = Beside("static", watched.open)
        watched.gate.clear()
        crowd = [asyncio.ensure_future(beside.look(QUESTION, SERVE, 0.0)) for _ in range(WAITING_MAX)]  # noqa: TID251
        await asyncio.sleep(0)
        late = await beside.look(QUESTION, SERVE, 0.0)
        watched.gate.set()
        found = [late, *await asyncio.gather(*crowd), await beside.look(QUESTION, SERVE, 0.0)]
        beside.close()
        return found

    assert [found.reason for found in asyncio.run(run())] == ["too busy"] + ["no candidate"] * (WAITING_MAX + 1)


def test_what_is_missing_is_said_each_time_until_it_is_there():
    async def run() -> None:
        def missing(name: str) -> Embedder:
            raise ConfigError(f"{name} is missing")

        beside = Beside("static", missing)
        for _ in range(2):
            with pytest.raises(ConfigError, match="static is missing"):
                await beside.look(QUESTION, SERVE, 0.0)
        beside.close()

    asyncio.run(run())
