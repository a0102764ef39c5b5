"""How long a deployment takes to its first token, given the prompt's size: learned as answers come. Must not know why.

The logarithm of the time is a straight line over the logarithm of the prompt, fitted by least squares with exponential
forgetting; what is left over is a histogram per class of prompt size. Requests that were given up say only that it
would have taken longer: they count as censored (Kaplan and Meier 1958), since leaving them out makes every estimate too
low and hedging feed on itself. The upper quantiles are held to their promise under drift by adaptive conformal
inference (Gibbs and Candès 2021, https://arxiv.org/abs/2106.00170): each miss raises them, each hit lowers them a bit.
"""

from math import exp, inf, log, log1p
from statistics import NormalDist
from typing import Final

from msgspec import Struct

HALF_LIFE_S: Final = 300.0
"""What was seen so long ago counts half, if few have come since."""
SAMPLES_HALF_LIFE_MAX: Final = 500
"""What was seen so many samples ago counts half, however short ago."""
SAMPLES_HALF_LIFE_MIN: Final = 60
"""And no sample takes more from the others than this, however long ago they are: rare calls are remembered too."""
SAMPLE_INTERVAL_S: Final = 0.002
"""Of answers that come closer together, one is learned from: the others would say the same."""
CLASSES: Final = (1_000, 8_000)
"""Prompt sizes, in tokens, from which the next class of residuals begins."""

_BUCKETS = 64
_STEP = log(1.12)
_LOWEST = log(0.02)
_FURTHEST = _LOWEST + 80 * _STEP
_TIME_MAX_S = 86_400.0
_SCALE_MAX = 1e12
_GROWTH_LEAST = 2.0 ** (1.0 / SAMPLES_HALF_LIFE_MAX)
_AGE_LEAST_S = HALF_LIFE_S / SAMPLES_HALF_LIFE_MAX
_EAGER, _LAZY = 4, 64
"""Line and quantiles are computed again once an eighth of the samples are new: so many at least, and at the most."""
_LEVEL_PRIOR, _SLOPE_PRIOR = 3.0, 20.0
"""How many samples the prior's level and slope are worth."""
_SLOPE_MAX = 2.0
_Z95, _Z99, _Z999 = 1.645, 2.326, 3.090
_NORMAL = NormalDist()
_MISS_RAISES, _HIT_LOWERS = 0.06 * 0.95, -0.06 * 0.05
_BIAS_MIN, _BIAS_MAX = -0.7, 1.5
_TIME_MIN_S = 1e-4
_SPREAD_MIN = 0.1


class Prior(Struct, frozen=True, gc=False):
    """What is assumed before anything was seen: logarithms of seconds, and of the ratio of p95 to the median."""

    level: float = log(0.8)
    slope: float = 0.15
    """Per logarithm of one plus the prompt's thousands of tokens."""
    spread: float = log(3.0)


FIRST_TOKEN: Final = Prior()
WHOLE_ANSWER: Final = Prior(level=log(4.0), spread=log(5.0))


class Prediction(Struct, frozen=True, gc=False):
    """How many seconds the first token will take, if all is as usual."""

    p50_s: float
    p95_s: float
    p99_s: float
    p999_s: float


class Estimator:
    """One deployment and one kind of answer (streamed or whole).

    Deterministic: the same observations in the same order give the same predictions. `predict` takes 1 to 2 µs,
    `observe` 3 to 5 µs on one core of a common server.
    """

    __slots__ = (
        "_bias",
        "_censored",
        "_fresh",
        "_last_s",
        "_level",
        "_prior",
        "_quantiles",
        "_scale",
        "_seen",
        "_slope",
        "_sums",
        "_tails",
    )

    def __init__(self, prior: Prior = FIRST_TOKEN) -> None:
        self._prior = prior
        self._level, self._slope = prior.level, prior.slope
        self._scale = 1.0
        self._last_s = -inf
        self._sums = [0.0] * 5
        """Weighted: one, x, y, x², xy."""
        self._seen = [[0.0] * _BUCKETS for _ in range(len(CLASSES) + 2)]
        """By class of size; the last is all of them."""
        self._censored = [[0.0] * _BUCKETS for _ in range(len(CLASSES) + 2)]
        self._bias = 0.0
        self._fresh = _EAGER
        """How many more samples until the quantiles are computed again."""
        self._quantiles = [_prior_quantiles(prior.spread)] * (len(CLASSES) + 2)
        self._tails = [_tail(each) for each in self._quantiles]
        """How many times the 95th percentile the 99th and the 99.9th are."""

    @property
    def samples(self) -> float:
        """How many samples its knowledge is worth."""
        return self._sums[0] / self._scale

    def as_prior(self) -> Prior:
        """What it knows, as the start of an estimator for the same model elsewhere."""
        low, high = self._quantiles[-1][:2]
        return Prior(self._level, self._slope, max(_SPREAD_MIN, high - low))

    def predict(self, tokens: int) -> Prediction:
        """For a prompt of so many tokens."""
        middle = self._level + self._slope * log1p(tokens / 1000.0)
        kind = (tokens >= CLASSES[0]) + (tokens >= CLASSES[1])
        quantiles, tail = self._quantiles[kind], self._tails[kind]
        p50_s, p95_s = exp(middle + quantiles[0]), exp(middle + quantiles[1] + self._bias)
        if p95_s < p50_s:
            p95_s = p50_s
        p999_s = p95_s * tail[1]
        if p999_s < _TIME_MAX_S:
            return Prediction(p50_s, p95_s, p95_s * tail[0], p999_s)
        return Prediction(*(min(each, _TIME_MAX_S) for each in (p50_s, p95_s, p95_s * tail[0], p999_s)))

    def usual_s(self, tokens: int) -> float:
        """The median alone."""
        q50 = self._quantiles[(tokens >= CLASSES[0]) + (tokens >= CLASSES[1])][0]
        return exp(self._level + self._slope * log1p(tokens / 1000.0) + q50)

    def observe(self, tokens: int, taken_s: float, now_s: float, predicted_p95_s: float) -> None:
        """An answer whose first token took `taken_s`, where at its start p95 had been predicted so."""
        if 0.0 <= now_s - self._last_s < SAMPLE_INTERVAL_S:
            return
        bias = self._bias + (_MISS_RAISES if taken_s > predicted_p95_s else _HIT_LOWERS)
        self._bias = _BIAS_MIN if bias < _BIAS_MIN else _BIAS_MAX if bias > _BIAS_MAX else bias
        x, y = log1p(tokens / 1000.0), log(taken_s if taken_s > _TIME_MIN_S else _TIME_MIN_S)
        self._learn(tokens, x, y, now_s)
        kind = (tokens >= CLASSES[0]) + (tokens >= CLASSES[1])
        self._keep(self._seen, kind, y - self._level - self._slope * x)

    def censor(self, tokens: int, waited_s: float, now_s: float, predicted_p95_s: float) -> None:
        """A request that was given up after `waited_s` without a token.

        The line takes it at the middle of what is thinkable beyond that.
        """
        if waited_s > predicted_p95_s:
            self._bias = min(self._bias + _MISS_RAISES, _BIAS_MAX)
        kind = (tokens >= CLASSES[0]) + (tokens >= CLASSES[1])
        x, y = log1p(tokens / 1000.0), log(max(waited_s, _TIME_MIN_S))
        residual = y - self._level - self._slope * x
        q50, q95 = self._quantiles[kind][:2]
        likely = self._level + self._slope * x + q50 + (q95 - q50) * 0.41  # the median of the upper half
        self._learn(tokens, x, max(y + 0.2 * (q95 - q50), likely), now_s)
        self._keep(self._censored, kind, residual)

    def _learn(self, tokens: int, x: float, y: float, now_s: float) -> None:
        """Lets the past fade, and remembers what the line is fitted to."""
        age_s = now_s - self._last_s
        self._last_s = now_s
        if _AGE_LEAST_S < age_s < inf:
            self._scale *= 2.0 ** min(age_s / HALF_LIFE_S, 1.0 / SAMPLES_HALF_LIFE_MIN)
        else:
            self._scale *= _GROWTH_LEAST
        if self._scale > _SCALE_MAX:
            self._rescale()
        w, sums = self._scale, self._sums
        wx = w * x
        sums[0] += w
        sums[1] += wx
        sums[2] += w * y
        sums[3] += wx * x
        sums[4] += wx * y

    def _fit(self) -> None:
        """The line by least squares, drawn towards the prior's."""
        prior, w, sums = self._prior, self._scale, self._sums
        s0, s1, s3 = sums[0] + _LEVEL_PRIOR * w, sums[1], sums[3] + _SLOPE_PRIOR * w
        s2, s4 = sums[2] + _LEVEL_PRIOR * w * prior.level, sums[4] + _SLOPE_PRIOR * w * prior.slope
        slope = (s0 * s4 - s1 * s2) / (s0 * s3 - s1 * s1)
        self._slope = slope = 0.0 if slope < 0.0 else _SLOPE_MAX if slope > _SLOPE_MAX else slope
        self._level = (s2 - slope * s1) / s0

    def _rescale(self) -> None:
        """The weights grow instead of the past shrinking; now and then both start from one again."""
        by = 1.0 / self._scale
        self._sums = [value * by for value in self._sums]
        self._seen = [[value * by for value in row] for row in self._seen]
        self._censored = [[value * by for value in row] for row in self._censored]
        self._scale = 1.0

    def _keep(self, rows: list[list[float]], kind: int, residual: float) -> None:
        place = int((residual - _LOWEST) / _STEP)
        place = 0 if place < 0 else _BUCKETS - 1 if place >= _BUCKETS else place
        rows[kind][place] += self._scale
        rows[-1][place] += self._scale
        self._fresh -= 1
        if self._fresh > 0:
            return
        self._fresh = min(max(int(self.samples / 8), _EAGER), _LAZY)
        self._fit()
        self._quantiles[-1] = pooled = self._shrunk(-1, _prior_quantiles(self._prior.spread))
        for each in range(len(CLASSES) + 1):
            self._quantiles[each] = self._shrunk(each, pooled)
        self._tails = [_tail(each) for each in self._quantiles]

    def _shrunk(self, kind: int, parent: tuple[float, ...]) -> tuple[float, ...]:
        """Quantiles of the logarithm of the residual: own where there is enough to see them, else the parent's.

        A quantile q needs samples beyond it: the parent is worth 1.5 / (1 - q) of them, 30 at the 95th percentile.
        The tails beyond it are drawn towards those of a log-normal through the median and the 95th.
        """
        seen, censored = self._seen[kind], self._censored[kind]
        samples = (sum(seen) + sum(censored)) / self._scale
        if samples < 1.0:
            return parent
        q50, q95, q99, q999 = quantiles(seen, censored)
        low = _between(parent[0], q50, samples, 3.0)
        high = max(low, _between(parent[1], q95, samples, 30.0))
        sigma = (high - low) / _Z95
        far = max(high, _between(low + sigma * _Z99, q99, samples, 150.0))
        return low, high, far, max(far, _between(low + sigma * _Z999, q999, samples, 1500.0))


def _between(parent: float, own: float, samples: float, worth: float) -> float:
    return parent + (own - parent) * samples / (samples + worth)


def _tail(quantiles: tuple[float, ...]) -> tuple[float, float]:
    far = exp(quantiles[2] - quantiles[1])
    return far, max(far, exp(quantiles[3] - quantiles[1]))


def _prior_quantiles(spread: float) -> tuple[float, ...]:
    return 0.0, spread, spread * _Z99 / _Z95, spread * _Z999 / _Z95


def quantiles(seen: list[float], censored: list[float]) -> tuple[float, float, float, float]:
    """The 50th, 95th, 99th and 99.9th percentile of a histogram of logarithms, by the product-limit estimate.

    Within a bucket the mass lies evenly. What lies beyond everything seen is taken from a log-normal through the median
    and the last that was seen.
    """
    found: list[float] = []
    risk, alive = sum(seen) + sum(censored), 1.0
    wanted = iter((0.5, 0.05, 0.01, 0.001))
    want = next(wanted)
    top = _LOWEST
    for place, (mass, lost) in enumerate(zip(seen, censored, strict=True)):
        if not mass and not lost:
            continue
        if mass > 0.0 and risk > 0.0:
            left = alive * max(0.0, 1.0 - mass / risk)
            while left <= want and len(found) < 4:
                share = (alive - want) / (alive - left) if alive > left else 1.0
                found.append(_LOWEST + (place + min(max(share, 0.0), 1.0)) * _STEP)
                want = next(wanted, -1.0)
            alive = left
        top = _LOWEST + (place + 1) * _STEP
        risk -= mass + lost
    sigma = 0.0
    if found and len(found) < 4 and 0.0 < alive < 0.49:
        sigma = max(0.0, (top - found[0]) / _NORMAL.inv_cdf(1.0 - alive))
    for z in (0.0, _Z95, _Z99, _Z999)[len(found) :]:
        found.append(min(max(top, found[0] + sigma * z), _FURTHEST) if found else top)
    return found[0], found[1], found[2], found[3]
