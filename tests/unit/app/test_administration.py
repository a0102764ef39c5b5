"""The administration joined to real books: what it changes is what callers and the command line see."""

import asyncio
import json
from pathlib import Path

from headgate.app.administration import admin_doors
from headgate.app.config import build
from headgate.app.core import open_core
from headgate.core.principal import Principal
from headgate.core.record import CallRecord
from headgate.policies.issuing import NewKey
from headgate.policies.keys import Refusal
from headgate.store.queries import audit
from headgate.store.queries.calls import CallFilter


def ended(id: str) -> CallRecord:
    return CallRecord(
        id=id, started_us=1, key_id="k", surface="openai_chat", operation="generate", model="m", is_stream=False
    )


def test_keys_made_and_ended_here_count_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_core(build({"data_dir": str(tmp_path)}, environ={})) as core:
            doors = admin_doors(core)
            plain, row = doors.keys.create(NewKey(name="ci"))
            assert core.keys.check(plain) == Principal(key_id=row.kid, name="ci")
            assert [key.kid for key in doors.keys.list()] == [row.kid]

            doors.keys.revoke(row.kid)
            assert core.keys.check(plain) is Refusal.REVOKED
            with core.store.read() as connection:
                assert [(line.actor, line.action) for line in audit.newest(connection, 10)] == [
                    ("admin", "key.revoke"),
                    ("admin", "key.create"),
                ]

    asyncio.run(work())


def test_what_it_lists_is_what_is_configured(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_core(build({"data_dir": str(tmp_path)}, environ={})) as core:
            doors = admin_doors(core)
            assert [row["name"] for row in doors.providers() if row["used"]] == ["demo"]
            assert {"demo/echo", "demo/lorem"} <= {row["id"] for row in json.loads(doors.models())["data"]}
            assert (await doors.calls.recent(CallFilter())).records == []

    asyncio.run(work())


def test_it_tells_how_far_the_database_lags_and_why(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_core(build({"data_dir": str(tmp_path)}, environ={})) as core:
            doors = admin_doors(core)
            core.applier.drain()
            well = doors.status()
            disk = well.pop("disk")
            assert isinstance(disk, dict)
            assert (disk["free_bytes"] > 0, disk["room"] in {"enough", "low", "short"}) == (True, True)
            with core.store.write():  # nobody else can write meanwhile
                core.metering.call_ended(ended("a"))
                waiting = doors.status()["database"]
                assert isinstance(waiting, dict)
                assert (waiting["lag_bytes"] > 100, waiting["lag_s"] >= 0) == (True, True)
            core.applier.drain()
            again = doors.status()
            del again["disk"]

        fine = {"failure": "", "lag_bytes": 0, "lag_s": 0.0, "calls_cut_short": 0, "records_rejected": 0}
        fine["other_gateways"] = 0
        assert well == again == {"journal": {"failure": "", "calls_unwritten": 0}, "database": fine}

    asyncio.run(work())
