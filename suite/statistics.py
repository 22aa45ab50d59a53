"""What timed samples allow to be said, with its uncertainty. Built on SciPy; no framework, no records.

What is repeated is the run, not the step: steps of one run share its luck (where the ranks landed, what else the machine
did), so an interval over them alone is too narrow. `paired_ratio` therefore compares runs that were interleaved, round by
round, and only falls back on steps where there was a single round, which it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = Sequence[float] | NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
# Below this many values a BCa interval is narrower than it claims (tests/run/test_statistics.py measures the coverage).
LEAST_FOR_BCA = 10
# Steps that a run must have kept after its start for a median to mean something.
LEAST_STEPS = 5
# Robust spread of steps, and drift over a run, beyond which small differences cannot be told.
NOISY_SPREAD = 0.10
NOISY_DRIFT = 0.10


@dataclass(frozen=True)
class Interval:
    """A value and the range that covers the truth with `confidence`; without one where the data allow none."""

    value: float
    low: float
    high: float
    confidence: float
    count: int
    within_run: bool = False  # from the steps of single runs: how runs differ from each other is not in it

    @property
    def known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def excludes(self, value: float) -> bool:
        return self.known and not self.low <= value <= self.high


class Verdict(StrEnum):
    FASTER = "faster"
    SLOWER = "slower"
    UNCLEAR = "not distinguishable"


def steady_state(times: Numbers) -> int:
    """The index from which on a series is steady: the marginal standard error rule (White 1997), on at most its first half.

    The start that is cut off is the one that leaves the mean of the rest best known. Extremes are drawn in first (5 % on
    each side), because a single pause late in the run would otherwise hide a slow start.
    """
    values = _finite(times)
    count = len(values)
    if count < 2 * LEAST_STEPS:
        return 0
    low, high = np.quantile(values, [0.05, 0.95])
    drawn_in = np.clip(values, low, high)
    # Sums over the rest from each index on, all at once.
    remaining = np.arange(count, 0, -1, dtype=float)
    sums = np.cumsum(drawn_in[::-1])[::-1]
    squares = np.cumsum(np.square(drawn_in)[::-1])[::-1]
    spread = np.maximum(0.0, squares - np.square(sums) / remaining)
    error = (spread / np.square(remaining))[: count // 2 + 1]
    best = float(error.min())
    # Ties go to the earliest: cut off nothing without a reason (1e-12: rounding of the sums).
    return int(np.argmax(error <= best + 1e-12 * float(np.mean(drawn_in)) ** 2))


def median(values: Numbers, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The median with a BCa bootstrap interval, for independent values; none below `LEAST_FOR_BCA` of them."""
    found = _finite(values)
    middle = float(np.median(found))
    if len(found) < LEAST_FOR_BCA:
        return Interval(middle, -math.inf, math.inf, confidence, len(found))
    centre = np.sort(found)[len(found) // 2 - 1 : len(found) // 2 + 2]
    # Leaving out any one value then leaves the median as it is, so that there is no acceleration to correct for.
    low, high = _bootstrap(found, np.median, confidence, seed, corrected=bool(np.ptp(centre) > 0))
    return Interval(middle, low, high, confidence, len(found))


def mean(values: Numbers, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The mean: Student's interval for few values, BCa for many."""
    found = _finite(values)
    middle = float(np.mean(found))
    low, high = _around_mean(found, confidence, seed)
    return Interval(middle, low, high, confidence, len(found))


def paired_ratio(
    rounds: Sequence[tuple[Numbers, Numbers]], *, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """How many times the first takes as long as the second. Each round holds the steady step times of both.

    Several rounds: one ratio of medians each, averaged as logarithms. One round: from its steps, in blocks, because
    neighbouring steps are alike; `within_run` says so.
    """
    if not rounds:
        raise ValueError("paired_ratio of 0 rounds: at least 1")
    if len(rounds) == 1:
        return _within_run_ratio(*rounds[0], confidence=confidence, seed=seed)
    low, high = _around_mean(_log_ratios(rounds), confidence, seed)
    value = float(np.exp(np.mean(_log_ratios(rounds))))
    return Interval(value, math.exp(low), _exp(high), confidence, len(rounds))


def verdict(ratio: Interval) -> Verdict:
    """Of the first against the second of a `paired_ratio` of times."""
    if not ratio.excludes(1.0):
        return Verdict.UNCLEAR
    return Verdict.FASTER if ratio.high < 1 else Verdict.SLOWER


def minimum_detectable_effect(
    rounds: Sequence[tuple[Numbers, Numbers]], *, power: float = 0.8, confidence: float = CONFIDENCE
) -> float:
    """The smallest relative difference that as many rounds, as noisy as these, find with probability `power`."""
    if not 0 < power < 1:
        raise ValueError(f"power = {power}: above 0, below 1")
    if len(rounds) < 2:
        return math.inf
    logs = _log_ratios(rounds)
    freedom = len(logs) - 1
    error = float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    wanted = float(stats.t.ppf((1 + confidence) / 2, freedom) + stats.t.ppf(power, freedom))
    return _exp(wanted * error) - 1


@dataclass(frozen=True)
class Noise:
    """How restless a series of step times was."""

    spread: float  # 1.4826 times the median absolute deviation, as a share of the median
    drift: float  # change from its beginning to its end (Theil-Sen), as a share of the median
    outliers: float  # share of steps beyond five spreads above the median
    count: int

    def warning(self) -> str | None:
        """One line for a record or a report; None if all is well."""
        if self.count < LEAST_STEPS:
            return f"only {self.count} steady steps: too few to judge"
        if self.spread > NOISY_SPREAD:
            return f"noisy: steps scatter by {self.spread:.0%}, so small differences cannot be told"
        if abs(self.drift) > NOISY_DRIFT:
            return f"not steady: steps drift by {self.drift:+.0%} over the run"
        return None


def noise(times: Numbers) -> Noise:
    values = _finite(times)
    middle = float(np.median(values))
    if middle <= 0:
        raise ValueError(f"median step of {middle} s: step times must be positive")
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    drift = 0.0
    if len(values) >= LEAST_STEPS:
        drift = float(stats.theilslopes(values).slope) * (len(values) - 1)
    # Timers and schedulers alone make a step vary by a fraction of a percent: no step is an outlier for less.
    outliers = float(np.mean(values > middle + 5 * max(spread, 0.001 * middle)))
    return Noise(spread / middle, drift / middle, outliers, len(values))


def _finite(values: Numbers) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found):
        raise ValueError(f"values of shape {found.shape}: one row of at least 1")
    if not np.all(np.isfinite(found)):
        raise ValueError("values hold NaN or infinity")
    return found


def _bootstrap(
    values: NDArray[np.float64], of: Any, confidence: float, seed: int, *, corrected: bool = True
) -> tuple[float, float]:
    """BCa; the plain percentiles of the resamples where its corrections are undefined."""
    if np.all(values == values[0]):
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,),
        of,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="BCa" if corrected else "percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    if corrected and not (math.isfinite(found.low) and math.isfinite(found.high)):
        return _bootstrap(values, of, confidence, seed, corrected=False)
    return float(found.low), float(found.high)


def _around_mean(values: NDArray[np.float64], confidence: float, seed: int) -> tuple[float, float]:
    if len(values) < 2:
        return -math.inf, math.inf
    if len(values) >= 2 * LEAST_FOR_BCA:
        return _bootstrap(values, np.mean, confidence, seed)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * float(stats.sem(values))
    middle = float(np.mean(values))
    return middle - half, middle + half


def _log_ratios(rounds: Sequence[tuple[Numbers, Numbers]]) -> NDArray[np.float64]:
    ratios = [float(np.median(_finite(first)) / np.median(_finite(second))) for first, second in rounds]
    if min(ratios) <= 0 or not all(math.isfinite(ratio) for ratio in ratios):
        raise ValueError("step times must be positive")
    return np.log(ratios)


def _within_run_ratio(first: Numbers, second: Numbers, *, confidence: float, seed: int) -> Interval:
    one, other = _finite(first), _finite(second)
    value = float(np.median(one) / np.median(other))
    if min(len(one), len(other)) < LEAST_FOR_BCA:
        return Interval(value, 0.0, math.inf, confidence, 1, within_run=True)
    random = np.random.default_rng(seed)
    ratios = _block_medians(one, random) / _block_medians(other, random)
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), confidence, 1, within_run=True)


def _block_medians(values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Medians of resamples made of whole blocks around the ring of values; blocks of the cube root of their number."""
    count = len(values)
    length = max(1, round(count ** (1 / 3)))
    starts = random.integers(0, count, size=(RESAMPLES, -(-count // length)))
    places = (starts[:, :, None] + np.arange(length)) % count
    found: NDArray[np.float64] = np.median(values[places.reshape(RESAMPLES, -1)[:, :count]], axis=1)
    return found


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
