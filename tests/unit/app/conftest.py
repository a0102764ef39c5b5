"""What the tests of the dashboard share: a store full of made-up calls."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.app.browsing import KEY, House

from headgate.app import wiring
from headgate.app.administration import admin_doors
from headgate.app.around import Around
from headgate.app.commands.seeding import seed
from headgate.app.config import build
from headgate.app.core import open_core
from headgate.app.dashboard import dashboard_sights
from headgate.server.admin.application import create_admin
from headgate.server.admin.guard import AdminKey
from headgate.server.dashboard.application import Dashboard, Entrance
from headgate.server.dashboard.table import ROUTES


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with calls."""
    folder = tmp_path_factory.mktemp("seeded")
    seed(build({"data_dir": str(folder)}, environ={}), 400, 1, print)
    return folder


@pytest.fixture
def visit(seeded: Path) -> Callable[[Callable[[House], Awaitable[None]]], None]:
    """Runs something in a house that stands on that directory."""

    def run(work: Callable[[House], Awaitable[None]]) -> None:
        async def inside() -> None:
            async with open_core(build({"data_dir": str(seeded)}, environ={})) as core:
                core.keys.refresh()
                doors = admin_doors(core)
                key = AdminKey.of(KEY, core.pepper.digest)
                entrance = Entrance(key=key, names=frozenset({"gate.example"}))
                behind = create_admin(doors, key, ())
                async with wiring.open_engine(core) as (engine, spawn):
                    listener = wiring.client_listener(core, engine, core.keys)
                    around = Around(core, engine, listener, spawn, lambda: house.is_stopping, "http://127.0.0.1:8080")
                    house = House(core, Dashboard(behind, dashboard_sights(around, doors), entrance, ROUTES))
                    await work(house)

        asyncio.run(inside())

    return run
