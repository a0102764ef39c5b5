"""Gateways that keep their books in one database notice each other, and say so once."""

import asyncio
import logging
from pathlib import Path

import pytest

from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.neighbours import GONE_US, Neighbours, keep_looking
from headgate.store.base import StoreError


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "gateways_in_one_database" in record.getMessage()]


def test_two_see_each_other_and_one_sees_that_it_is_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        setups = [
            build({"data_dir": str(tmp_path / name), "store": f"sqlite:///{tmp_path / 'h.db'}"}, environ={})
            for name in "ab"
        ]
        async with open_core(setups[0]) as one, open_core(setups[1]) as other:
            first, second = Neighbours(one), Neighbours(other)
            first.look()
            first.look()
            assert (one.neighbours, warnings(caplog)) == (0, [])
            second.look()
            first.look()
            first.look()
            assert (one.neighbours, other.neighbours) == (1, 1)
            assert len(warnings(caplog)) == 2
            assert "others=1" in warnings(caplog)[0]
            assert "up to 2 times as much" in warnings(caplog)[0]
            second.leave()
            first.look()
            assert one.neighbours == 0

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())


def test_who_is_not_heard_of_is_gone(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_core(build({"data_dir": str(tmp_path)}, environ={})) as core:
            stranger = Neighbours(core)
            stranger._name = "gateway 0123"
            stranger.look()
            mine = Neighbours(core)
            mine.look()
            assert core.neighbours == 1
            moment_us = core.now_us()
            core.now_us = lambda: moment_us + GONE_US + 2_000_000
            mine.look()
            assert core.neighbours == 0

    asyncio.run(run())


def test_it_looks_until_it_is_told_to_stop_and_says_that_it_goes(tmp_path: Path) -> None:
    told: list[str] = []

    class Told(Neighbours):
        def __init__(self, core: Core) -> None:
            super().__init__(core)
            self.looked = asyncio.Event()
            self.loop = asyncio.get_running_loop()

        def look(self) -> None:
            self.loop.call_soon_threadsafe(self.looked.set)
            raise StoreError("away")

        def leave(self) -> None:
            told.append("left")

    async def run() -> None:
        async with open_core(build({"data_dir": str(tmp_path)}, environ={})) as core:
            neighbours = Told(core)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(keep_looking(neighbours))
                await neighbours.looked.wait()
                task.cancel()

    asyncio.run(run())
    assert told == ["left"]
