"""Gathers what `/metrics` tells. The sums of days that are over are kept: a look adds up the newest days only."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple

import msgspec

from headgate.app.core import Core
from headgate.engine.conduct import Engine
from headgate.server.admin.measured import Measured
from headgate.store.queries import rollups
from headgate.store.queries.rollups import (
    ATTEMPT_ROLLUP,
    CALL_ROLLUP,
    DAY_S,
    Found,
    Question,
    Rollup,
    Window,
)

_DAY_US: Final = DAY_S * 1_000_000
SETTLED_DAYS: Final = 3
"""Days older than these get no more calls: a provider's batch takes a day, and its bill another."""


class _Asked(NamedTuple):
    rollup: Rollup
    by: tuple[str, ...]
    sums: tuple[str, ...]


_CALLS: Final = _Asked(CALL_ROLLUP, ("provider", "model"), CALL_ROLLUP.sums)
_ATTEMPTS: Final = _Asked(ATTEMPT_ROLLUP, ("provider", "outcome"), ("attempts",))
_Sums = dict[tuple[Any, ...], dict[str, int]]


class Totals:
    """All that there ever was, added up."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = Lock()
        self._settled: dict[_Asked, tuple[int, _Sums]] = {}

    def measured(self, engine: Engine) -> Measured:
        """Everything, as of now. Waits for the store."""
        core, now_s = self._core, time.monotonic()
        deployments: Counter[tuple[str, str]] = Counter()
        in_flight: Counter[str] = Counter()
        for member in list(engine.fleet.members()):
            provider = member.deployment.provider
            deployments[provider, member.health.look(now_s).value] += 1
            in_flight[provider] += member.in_flight
        with self._lock:
            return Measured(
                calls=self._all(_CALLS),
                attempts=self._all(_ATTEMPTS),
                deployments=deployments,
                in_flight=in_flight,
                lag_s=core.applier.lag_s,
                lag_bytes=core.applier.lag_bytes,
                rejected=core.applier.rejected,
                names=_names(core),
            )

    def _all(self, asked: _Asked) -> list[Found]:
        now_us = self._core.now_us()
        border_us = now_us - now_us % _DAY_US - SETTLED_DAYS * _DAY_US
        since_us, settled = self._settled.get(asked, (0, {}))
        if since_us < border_us:
            settled = _added(settled, self._ask(asked, since_us, border_us))
            self._settled[asked] = (border_us, settled)
        newest = _added(settled, self._ask(asked, border_us, now_us + 2 * _DAY_US))
        return [Found(place, sums) for place, sums in sorted(newest.items())]

    def _ask(self, asked: _Asked, since_us: int, before_us: int) -> Sequence[Found]:
        window = Window(grain_s=DAY_S, since_us=since_us, before_us=before_us)
        question = Question(rollup=asked.rollup, window=window, by=asked.by, sums=asked.sums)
        with self._core.store.read() as connection:
            return rollups.summed(connection, question)


def _added(sums: _Sums, found: Sequence[Found]) -> _Sums:
    added = {place: dict(each) for place, each in sums.items()}
    for place, more in found:
        so_far = added.setdefault(place, dict.fromkeys(more, 0))
        for name, number in more.items():
            so_far[name] += number
    return added


class _Entry(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Entry]


def _names(core: Core) -> Collection[str]:
    listed = msgspec.json.decode(core.compiled.listing.page("openai", None, {}), type=_List)
    return {entry.id for entry in listed.data}
