"""What holds for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from headgate.store.base import Store
from headgate.store.memory import open_memory
from headgate.store.opening import open_store
from tests.postgres import Server, running_server

# How fast examples are made says something about the machine, nothing about the code.
settings.register_profile("headgate", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headgate")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this run; skips where there is none."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """What a configuration's `store` says, for each kind of database."""
    return request.getfixturevalue("postgres").new_url() if request.param == "postgresql" else "sqlite:///headgate.db"


@pytest.fixture(params=["memory", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store, in each kind of database."""
    url = request.getfixturevalue("postgres").new_url() if request.param == "postgresql" else None
    with open_memory() if url is None else open_store(url) as opened:
        yield opened
