"""How much room is little, what follows, and that it is told once."""

import asyncio
import logging
from pathlib import Path

import pytest

from headgate.app.disk_room import DiskRoom, Room, keep_room, room_at
from headgate.limits.amounts import Amounts
from headgate.limits.holds import Allowance, Asked, Hold
from headgate.policies.limiting import DiskNearlyFull, Limits

GIB = 1 << 30
ASKED = Asked(1, Amounts(requests=1))


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (50 * GIB, 100 * GIB, "enough"),
        (4 * GIB, 100 * GIB, "enough"),
        (3 * GIB, 100 * GIB, "low"),
        (GIB, 100 * GIB, "low"),
        (GIB - 1, 100 * GIB, "short"),
        (GIB - 1, 4 * GIB, "enough"),
        (60, 1000, "low"),
        (49, 1000, "short"),
        (0, 0, "enough"),
    ],
)
def test_little_is_a_small_part_and_few_bytes(free: int, total: int, level: str) -> None:
    assert Room(free, total).level == level


def test_what_is_paid_in_advance_waits_for_room(caplog: pytest.LogCaptureFixture) -> None:
    limits, rooms = Limits({}), [Room(40, 1000), Room(30, 1000), Room(500, 1000)]
    looking = DiskRoom(limits, lambda: rooms.pop(0))
    with caplog.at_level(logging.WARNING):
        looking.look()
        looking.look()
        with pytest.raises(DiskNearlyFull) as refused:
            limits.hold("a", Allowance(is_prepaid=True), ASKED)
        assert isinstance(limits.hold("b", Allowance(), ASKED), Hold)
        looking.look()
        assert isinstance(limits.hold("c", Allowance(is_prepaid=True), ASKED), Hold)

    problem = refused.value.problem
    assert (problem.kind, problem.code, problem.retry_after_s) == ("overloaded", "disk_nearly_full", 30.0)
    assert [record.getMessage().split()[1] for record in caplog.records] == ["level=short", "level=enough"]


def test_what_cannot_be_seen_is_as_it_was() -> None:
    limits, rooms = Limits({}), [Room(40, 1000)]

    def room() -> Room:
        if not rooms:
            raise OSError("gone")
        return rooms.pop()

    looking = DiskRoom(limits, room)
    looking.look()
    looking.look()

    assert limits.is_short_of_disk


def test_it_looks_at_a_real_disk_until_it_is_told_to_stop(tmp_path: Path) -> None:
    seen: list[Room] = []

    async def run() -> None:
        looked, loop = asyncio.Event(), asyncio.get_running_loop()

        def room() -> Room:
            seen.append(room_at(tmp_path))
            loop.call_soon_threadsafe(looked.set)
            return seen[-1]

        async with asyncio.TaskGroup() as group:
            task = group.create_task(keep_room(DiskRoom(Limits({}), room)))
            await looked.wait()
            task.cancel()

    asyncio.run(run())

    assert 0 < seen[0].free_bytes < seen[0].total_bytes
