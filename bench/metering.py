"""`python -m bench.metering`: what accounting costs a call, and how many calls one core carries to the database.

CPU time of threads and of the process, not time of the clock: what else the machine does hardly touches it. Everything
is the server's own: journal, price book, limits, applier and SQLite, in a folder of its own on a disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.report import TREE, machine, now, table
from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.serving import SWITCH_S, tidy_memory
from headgate.core.principal import Principal
from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.engine.admitting import admitted, foreseen_in_chat
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.ledger.applier import Applier
from headgate.ledger.journal import Journal, JournalSettings
from headgate.limits.terms import BudgetTerm, RateTerm, Terms
from headgate.policies.issuing import NewKey, create_key
from headgate.policies.organising import NewTenant, create_tenant
from headgate.providers.catalog import Deployment
from headgate.server.listener import new_id
from headgate.store.sqlite import open_sqlite

MARKDOWN = TREE / "docs" / "benchmarks" / "metering.md"
METERING_US_MAX = 25.0
APPLIED_PER_S_MIN = 10_000
MODEL = "openai/gpt-4o-mini"
BODY = b'{"model":"openai/gpt-4o-mini","max_tokens":200,"messages":[{"role":"user","content":"%b"}]}' % (b"word " * 280)
USAGE = Usage(input_tokens=412, cached_tokens=128, output_tokens=96)
USD = 1_000_000_000
TERMS = {
    "organisation": Terms(budgets=(BudgetTerm(nano_usd=10**6 * USD, window="month"),)),
    "team": Terms(
        rates=(RateTerm(of="requests", most=10**9, per="minute"),),
        budgets=(BudgetTerm(nano_usd=10**6 * USD, window="day"),),
    ),
    "key": Terms(
        rates=(RateTerm(of="tokens", most=10**12, per="minute"),),
        budgets=(BudgetTerm(nano_usd=10**6 * USD, window="month"),),
    ),
}
"""Five limits over three levels, which nothing reaches."""


class Caller:
    """Makes calls as the engine has them, and accounts for them as it does, up to a stage."""

    def __init__(self, core: Core, engine: Engine, key_id: str) -> None:
        self._engine = engine
        self._metering = core.metering
        self._limits = core.metering.limits
        self._principal = Principal(key_id=key_id, name="bench")
        self._dialect = DIALECTS["openai_chat"]
        provider = core.compiled.directory.providers["openai"]
        self._deployment: Deployment = provider.deployment("gpt-4o-mini")

    def make(self) -> tuple[Call, Attempt]:
        """What a call has without any accounting."""
        id = new_id(time.time_ns())
        record = CallRecord(
            id=id,
            started_us=time.time_ns() // 1000,
            key_id=self._principal.key_id,
            surface="openai_chat",
            operation="generate",
            model=MODEL,
            is_stream=False,
            route="model",
            candidates=[MODEL],
        )
        call = Call(
            id=id,
            dialect=self._dialect,
            envelope=Envelope(),
            body=BODY,
            principal=self._principal,
            record=record,
            started_s=time.monotonic(),
        )
        attempt = Attempt(
            number=1,
            provider="openai",
            model="gpt-4o-mini",
            dialect="openai_chat",
            lane="verbatim",
            price_version=self._metering.price_version,
        )
        record.attempts.append(attempt)
        return call, attempt

    def answered(self, call: Call, attempt: Attempt) -> None:
        """What is known at a call's end."""
        record = call.record
        attempt.usage, attempt.usage_source, attempt.status = USAGE, "provider_reported", 200
        attempt.ttft_ms = attempt.duration_ms = record.ttft_ms = record.duration_ms = 812.5
        record.usage, record.usage_source, record.status, record.finish_reason = USAGE, "provider_reported", 200, "stop"
        record.cost_nano_usd = attempt.cost_nano_usd

    def account(self, calls: int, stage: int) -> None:
        """So many calls: 0 makes them, 1 writes their start too, 2 prices them, 3 writes their end, 4 holds and
        settles limits."""
        metering, limits, deployments = self._metering, self._limits, (self._deployment,)
        for _ in range(calls):
            call, attempt = self.make()
            if stage >= 4:
                foreseen = foreseen_in_chat(call.body, 200, is_stream=False)
                admitted(self._engine, call, limits.allowance(call.principal.key_id), deployments, foreseen)
            if stage >= 1:
                metering.begin(call.record, attempt)
            self.answered(call, attempt)
            if stage >= 2:
                metering.settle(attempt, "openai")
                call.record.cost_nano_usd = attempt.cost_nano_usd
            if stage >= 3:
                metering.call_ended(call.record)


def thread_us(caller: Caller, calls: int, stage: int) -> float:
    """CPU of this thread per call, in µs."""
    began = time.thread_time_ns()
    caller.account(calls, stage)
    return (time.thread_time_ns() - began) / 1000 / calls


def keys(core: Core) -> list[str]:
    """The ids of one without any limit, one with a budget, and one with limits at every level."""
    store = core.store
    plain, _ = create_key(store, core.pepper, NewKey(name="plain"), actor="bench")
    above = create_tenant(
        store, NewTenant(kind="organisation", name="o", terms=TERMS["organisation"]), actor="bench"
    ).id
    team = create_tenant(
        store, NewTenant(kind="team", name="t", organisation=above, terms=TERMS["team"]), actor="bench"
    ).id
    wanted = NewKey(name="limited", organisation=above, team=team, terms=TERMS["key"])
    limited, _ = create_key(store, core.pepper, wanted, actor="bench")
    single, _ = create_key(store, core.pepper, NewKey(name="one", terms=TERMS["organisation"]), actor="bench")
    core.keys.refresh()
    return [each[6:16] for each in (plain, single, limited)]


STAGES = (
    ("a line of the journal before it is sent", 0, 0, 1),
    ("its price", 0, 1, 2),
    ("its record in the journal, and handed over", 0, 2, 3),
    ("one budget, held and settled", 1, 3, 4),
    ("or three budgets and two rates over three levels", 2, 3, 4),
)
"""What is measured: of one of the callers, the later of two stages less the earlier."""


async def on_the_path(folder: Path, calls: int, rounds: int) -> list[float]:
    """CPU that each stage adds to a call, in µs: medians."""
    setup = build({"data_dir": str(folder)}, environ={"OPENAI_API_KEY": "none"})
    async with open_core(setup) as core, wiring.open_engine(core) as (engine, _):
        callers = [Caller(core, engine, kid) for kid in keys(core)]
        found: list[list[float]] = [[] for _ in STAGES]
        tidy_memory()
        sys.setswitchinterval(SWITCH_S)
        for round_ in range(rounds + 1):  # the first one warms up
            for told, (_, whose, before, after) in zip(found, STAGES, strict=True):
                caller = callers[whose]
                less, more = (thread_us(caller, calls, stage) for stage in (before, after))
                if round_:
                    told.append(more - less)
        await asyncio.to_thread(core.applier.drain, 120)
    return [statistics.median(told) for told in found]


def records(number: int) -> Iterable[CallRecord]:
    """Ended calls of twenty keys and three models."""
    for at in range(number):
        attempt = Attempt(
            number=1,
            provider="openai",
            model=f"gpt-{at % 3}",
            dialect="openai_chat",
            lane="verbatim",
            duration_ms=812.5,
            usage=USAGE,
            usage_source="provider_reported",
            cost_nano_usd=70_000,
            status=200,
        )
        yield CallRecord(
            id=new_id(time.time_ns()),
            started_us=time.time_ns() // 1000,
            key_id=f"key{at % 20:07}",
            surface="openai_chat",
            operation="generate",
            model=f"openai/gpt-{at % 3}",
            is_stream=False,
            route="model",
            status=200,
            attempts=[attempt],
            usage=USAGE,
            usage_source="provider_reported",
            cost_nano_usd=70_000,
            finish_reason="stop",
            duration_ms=812.5,
        )


def drained(applier: Applier) -> None:
    """Waits until all is in the database."""
    if not applier.drain(60):
        raise TimeoutError(applier.failure or "the applier takes more than a minute")


def behind_us(folder: Path, calls: int, *, is_following: bool) -> float:
    """CPU of the applier per call, in µs: of calls that have just ended, or of those it finds in the segments."""
    made = list(records(calls))
    journal = Journal(JournalSettings(directory=folder / "journal"))
    if not is_following:
        for record in made:
            journal.call_ended(record)
        journal.close()
        journal = Journal(JournalSettings(directory=folder / "journal"))
    with open_sqlite(folder / "headgate.db") as store:
        began, own = time.process_time_ns(), time.thread_time_ns()
        applier = Applier(journal, store)
        if is_following:
            for at in range(0, calls, 1000):
                for record in made[at : at + 1000]:
                    journal.call_ended(record)
                drained(applier)
        drained(applier)
        spent = time.process_time_ns() - began - (time.thread_time_ns() - own)
        applier.close()
    journal.close()
    return spent / 1000 / calls


def render(path: list[float], following: float, reading: float) -> str:
    """The page."""
    plain = sum(path[:3])
    added = [("a caller without limits", plain), ("one with a budget", plain + path[3])]
    added.append(("one with five limits over three levels", plain + path[4]))
    per_s = 1e6 / following
    targets = [
        [_verdict(us <= METERING_US_MAX), f"CPU per call of {who}", f"{us:.1f} µs", f"at most {METERING_US_MAX:.0f} µs"]
        for who, us in added
    ]
    least = f"at least {APPLIED_PER_S_MIN:,}"
    targets.append([_verdict(per_s >= APPLIED_PER_S_MIN), "calls/s that one core applies", f"{per_s:,.0f}", least])
    behind = [
        ["calls that have just ended, from memory", f"{following:.1f}", f"{per_s:,.0f}"],
        ["after a restart or a pause of the database, from the segments", f"{reading:.1f}", f"{1e6 / reading:,.0f}"],
    ]
    steps = [[what, f"{us:.1f}"] for (what, *_), us in zip(STAGES, path, strict=True)]
    made = f"Made by `python -m bench.metering --write` on {now():%Y-%m-%d %H:%M} UTC. {machine()}."
    parts = ("# What accounting costs", made, table(["", "target", "measured", "promised"], targets))
    on = ("## On the path of a call", table(["what a call takes besides", "CPU µs"], steps), PATH_NOTE)
    off = ("## Behind it", table(["what is applied", "CPU µs per call", "calls/s of one core"], behind), BEHIND_NOTE)
    return "\n\n".join((*parts, *on, *off)) + "\n"


def _verdict(holds: bool) -> str:
    return "holds" if holds else "MISSED"


PATH_NOTE = (
    "Each line is the CPU time of the loop's thread with that step less that without it, at full speed, the journal on "
    "a disk, the applier at work beside it and memory kept as the server keeps it: the median over rounds. The call "
    "has 1.5 kB, cached tokens, and one place where it may run. CPU time does not count what others do on the machine, "
    "but grows when they share its caches and cores."
)
BEHIND_NOTE = (
    "In a thread of its own, a thousand calls to a transaction: the call with its record, the sums by quarter of an "
    "hour, the ledger's transfers, and how far the journal is applied. SQLite with `synchronous = FULL`. CPU time of "
    "the process less that of the thread which writes. While calls come faster than this thread gets CPU, they wait in "
    "the journal; `GET /admin/v1/status` says how much waits and since when."
)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.metering", description=__doc__)
    parser.add_argument("--calls", type=int, default=4000, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true", help=f"write {MARKDOWN.relative_to(TREE)}")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("HEADGATE_BENCH_DISK")) as name:
        folder = Path(name)
        path = asyncio.run(on_the_path(folder / "path", given.calls, given.rounds))
        both = [
            statistics.median(
                behind_us(folder / f"{is_following}-{at}", 5 * given.calls, is_following=is_following)
                for at in range(3)
            )
            for is_following in (True, False)
        ]
    text = render(path, *both)
    print(text)
    if given.write:
        MARKDOWN.write_text(text)
    return 1 if given.strict and "MISSED" in text else 0


if __name__ == "__main__":
    sys.exit(main())
