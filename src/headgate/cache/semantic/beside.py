"""A memory beside the event loop: one thread of its own, whose embedder is opened when it is first asked.

Nothing of it runs on the loop: a lookup costs milliseconds of a core. What is waiting is bounded; over that a question
is not looked up, and its call goes on as if there were no cache.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from headgate.cache.semantic.embedders import Embedder, open_embedder
from headgate.cache.semantic.memory import Found, Kept, Memory, Question, Settings
from headgate.cache.semantic.verifier import verifier_of

T = TypeVar("T")
WAITING_MAX = 64


class Beside:
    """One embedder's memory, for any number of callers on one event loop."""

    def __init__(self, embedder: str, opener: Callable[[str], Embedder] = open_embedder, seed: int = 0) -> None:
        self._embedder = embedder
        self._opener = opener
        self._seed = seed
        self._memory: Memory | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="semantic")
        self._waiting = 0

    async def look(self, question: Question, settings: Settings, now_s: float) -> Found:
        """The best candidate. Raises `ConfigError` where the embedder's files are not installed."""
        if self._waiting >= WAITING_MAX:
            return Found(reason="too busy", group=question.group)
        return await self._run(lambda memory: memory.look(question, settings, now_s))

    async def keep(self, entry: str, question: Question, expires_s: float) -> Kept:
        return await self._run(lambda memory: memory.keep(entry, question, expires_s))

    async def recall(self, kept: list[Kept]) -> None:
        """What was kept before a restart."""
        await self._run(lambda memory: [memory.recall(one) for one in kept])

    async def answered(self, found: Found, old: str, new: str) -> bool | None:
        return await self._run(lambda memory: memory.answered(found, old, new))

    async def complain(self, entry: str) -> bool:
        return await self._run(lambda memory: memory.complain(entry))

    async def forget(self, entries: list[str]) -> None:
        """Of answers that the exact cache has dropped."""
        await self._run(lambda memory: [memory.forget(entry) for entry in entries])

    async def standing(self, group: str) -> str:
        return await self._run(lambda memory: memory.standing(group))

    def close(self) -> None:
        """Waits for what is under way, and drops what waits."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self, act: Callable[[Memory], T]) -> T:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: act(self._opened()))
        finally:
            self._waiting -= 1

    def _opened(self) -> Memory:
        """On the thread. What cannot be opened is tried again at the next question."""
        if self._memory is None:
            self._memory = Memory(self._opener(self._embedder), verifier_of(self._embedder), self._seed)
        return self._memory
