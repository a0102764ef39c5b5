"""How often a first token takes longer than its predicted 95th percentile, on traces whose usual time drifts."""

import math
from collections.abc import Callable
from random import Random

from headgate.routing.estimate import Estimator

PROMISED, TOLERANCE = 0.05, 0.015
RATES_HZ = (20.0, 0.05)
CALLS = 3000
Trace = Callable[[Random, float], float]
"""A factor on the usual time, at a place from 0 to 1 of the trace."""
TRACES: dict[str, Trace] = {
    "log-normal": lambda dice, place: dice.lognormvariate(0, 0.55),
    "slow waves": lambda dice, place: dice.lognormvariate(0, 0.4) * (1 + 0.8 * math.sin(6 * math.pi * place)),
    "steps": lambda dice, place: dice.lognormvariate(0, 0.4) * (1, 2.2, 0.7, 1.5)[int(4 * place)],
    "heavy tail": lambda dice, place: dice.paretovariate(1.6),
    "two humps": lambda dice, place: dice.lognormvariate(0, 0.3) if dice.random() < 0.93 else 9 * dice.random(),
    "always the same": lambda dice, place: dice.lognormvariate(0, 0.02),
}


def exceeded(trace: str, rate_hz: float, seed: int = 4) -> float:
    """The share of calls that took longer than predicted, at so many calls per second."""
    dice, estimator, now_s, misses = Random(seed), Estimator(), 0.0, 0
    for place in range(CALLS):
        now_s += dice.expovariate(rate_hz)
        tokens = int(dice.lognormvariate(7, 1.3))
        taken_s = 0.4 * (1 + tokens / 1000) ** 0.3 * TRACES[trace](dice, place / CALLS)
        predicted = estimator.predict(tokens)
        misses += taken_s > predicted.p95_s
        estimator.observe(tokens, taken_s, now_s + taken_s, predicted.p95_s)
    return misses / CALLS


def lines() -> list[str]:
    """As people read it."""
    told = [f"{'':16}" + "".join(f"{rate_hz:>10g}/s" for rate_hz in RATES_HZ)]
    for trace in TRACES:
        told.append(f"{trace:16}" + "".join(f"{exceeded(trace, rate_hz):>12.2%}" for rate_hz in RATES_HZ))
    return told
