"""What timed samples allow to be said, with its uncertainty. Built on SciPy; no framework, no records.

A run's speed is work over time, so what stands for a run is the mean of its steps, never the typical one: the median sees
neither the one step in ten that holds an exchange nor the one in ten that straggles.

What is repeated is the run, not the step: steps of one run share its luck (where the ranks landed, what else the machine
did), so an interval over them alone is too narrow. `paired_ratio` therefore compares runs that were interleaved, round by
round, and only falls back on steps where there was a single round, which it says; `verdict` never rests on that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = Sequence[float] | NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
# Below this many values a BCa interval is narrower than it claims (tests/report/test_statistics.py measures the coverage).
LEAST_FOR_BCA = 10
# Whole periods that a run must have for an interval of its own, and stretches of them that do not know of each other.
LEAST_PERIODS = 10
LEAST_STRETCHES = 5


@dataclass(frozen=True)
class Interval:
    """A value and the range that covers the truth with `confidence`; without one where the data allow none."""

    value: float
    low: float
    high: float
    confidence: float
    count: int
    within_run: bool = False  # from the steps of single runs: how runs differ from each other is not in it
    lacks: str = ""  # what there was too little of to decide anything: "one run", "9 steps"

    @property
    def known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def decides(self) -> bool:
        """Whether a judgement may rest on it: one run is no distribution."""
        return self.known and not self.within_run

    def excludes(self, value: float) -> bool:
        return self.known and not self.low <= value <= self.high


class Verdict(StrEnum):
    FASTER = "faster"
    SLOWER = "slower"
    UNCLEAR = "not distinguishable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Series:
    """The step times of one run, in order."""

    times: tuple[float, ...]
    period: int = 1  # steps after which the run repeats itself, stretches of which are alike
    needed: int = 0  # steps without which luck decides how many slow ones are among them, if that is known

    def __post_init__(self) -> None:
        if not self.times or min(self.times) <= 0 or not all(math.isfinite(one) for one in self.times):
            raise ValueError("step times must be positive numbers, at least one")
        if self.period < 1:
            raise ValueError(f"period = {self.period}: must be at least 1")

    @property
    def mean(self) -> float:
        return float(np.mean(self.times))

    @property
    def periods(self) -> NDArray[np.float64]:
        """The mean step of every whole period."""
        whole = len(self.times) // self.period
        means: NDArray[np.float64] = np.mean(
            np.reshape(self.times[: whole * self.period], (whole, self.period)), axis=1
        )
        return means

    @property
    def lacks(self) -> str:
        """Why the run has no interval of its own; empty where it has one."""
        count = len(self.times)
        if count < self.needed:
            return f"{count} of the {self.needed} steps that such stragglers take"
        whole = count // self.period
        if whole >= LEAST_PERIODS:
            return ""
        what = "step" if self.period == 1 else "period"
        return f"{whole} {what}{'s' * (whole != 1)}"

    def scaled(self, factor: float) -> Series:
        return replace(self, times=tuple(one * factor for one in self.times))

    def interval(self, *, confidence: float = CONFIDENCE) -> Interval:
        """Around the mean of this run's steps: what it would be, had the run gone on."""
        lacks = self.lacks
        low, high = (-math.inf, math.inf) if lacks else _stretches(self.periods, confidence)
        return Interval(self.mean, low, high, confidence, 1, within_run=True, lacks=lacks or "one run")


def median(values: Numbers, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The median with a BCa bootstrap interval, for independent values; none below `LEAST_FOR_BCA` of them."""
    found = finite(values)
    middle = float(np.median(found))
    if len(found) < LEAST_FOR_BCA:
        return Interval(middle, -math.inf, math.inf, confidence, len(found))
    centre = np.sort(found)[len(found) // 2 - 1 : len(found) // 2 + 2]
    # Leaving out any one value then leaves the median as it is, so that there is no acceleration to correct for.
    low, high = _bootstrap(found, np.median, confidence, seed, corrected=bool(np.ptp(centre) > 0))
    return Interval(middle, low, high, confidence, len(found))


def mean(values: Numbers, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The mean: Student's interval for few values, BCa for many."""
    found = finite(values)
    middle = float(np.mean(found))
    low, high = _around_mean(found, confidence, seed)
    return Interval(middle, low, high, confidence, len(found))


def paired_ratio(rounds: Sequence[tuple[Series, Series]], *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """How many times as long the first takes as the second. Each round holds a run of both.

    Several rounds: one ratio of means each, averaged as logarithms. One round: from its steps, as `within_run` says.
    """
    if not rounds:
        raise ValueError("paired_ratio of 0 rounds: at least 1")
    if len(rounds) == 1:
        return _within_run_ratio(*rounds[0], confidence=confidence)
    low, high = _around_mean(_log_ratios(rounds), confidence, seed)
    value = float(np.exp(np.mean(_log_ratios(rounds))))
    return Interval(value, math.exp(low), _exp(high), confidence, len(rounds))


def mean_step(runs: Sequence[Series], *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """Seconds a step over several runs, averaged as logarithms as `paired_ratio` does; of one run, from its steps."""
    if len(runs) == 1:
        return runs[0].interval(confidence=confidence)
    logs = np.log([one.mean for one in runs])
    low, high = _around_mean(logs, confidence, seed)
    return Interval(float(np.exp(np.mean(logs))), math.exp(low), _exp(high), confidence, len(runs))


def verdict(ratio: Interval) -> Verdict:
    """Of the first against the second of a `paired_ratio` of times."""
    if not ratio.decides:
        return Verdict.UNKNOWN
    if not ratio.excludes(1.0):
        return Verdict.UNCLEAR
    return Verdict.FASTER if ratio.high < 1 else Verdict.SLOWER


def minimum_detectable_effect(
    rounds: Sequence[tuple[Series, Series]], *, power: float = 0.8, confidence: float = CONFIDENCE
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


def finite(values: Numbers) -> NDArray[np.float64]:
    """The values as an array; refused where they are none, or not all numbers."""
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


def _log_ratios(rounds: Sequence[tuple[Series, Series]]) -> NDArray[np.float64]:
    return np.log([first.mean / second.mean for first, second in rounds])


def _within_run_ratio(first: Series, second: Series, *, confidence: float) -> Interval:
    """From the intervals of both means, on the logarithms (Zou and Donner 2008): skewness keeps its side."""
    value = first.mean / second.mean
    one, other = first.interval(confidence=confidence), second.interval(confidence=confidence)
    lacks = first.lacks or second.lacks
    if lacks or min(one.low, other.low) <= 0:
        return Interval(value, 0.0, math.inf, confidence, 1, within_run=True, lacks=lacks or "one run")
    down = math.hypot(math.log(one.value / one.low), math.log(other.high / other.value))
    up = math.hypot(math.log(one.high / one.value), math.log(other.value / other.low))
    return Interval(
        value, value * math.exp(-down), value * _exp(up), confidence, 1, within_run=True, lacks=lacks or "one run"
    )


def _stretches(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Around the mean of values whose neighbours may be alike: Student's interval over the means of stretches long enough
    not to know of each other, corrected for skewness (Hall 1992), since slow steps stand on one side only."""
    length = _memory(values)
    count = len(values) // length
    if count < LEAST_STRETCHES:
        return -math.inf, math.inf
    means = values[len(values) - count * length :].reshape(count, length).mean(axis=1)
    middle, spread = float(np.mean(values)), float(np.std(means, ddof=1))
    if spread <= 1e-12 * middle:
        return middle, middle
    skewness = float(stats.skew(means))
    reach = float(stats.t.ppf((1 + confidence) / 2, count - 1)) / math.sqrt(count)
    return middle - spread * _hall(reach, skewness, count), middle - spread * _hall(-reach, skewness, count)


def _hall(value: float, skewness: float, count: int) -> float:
    """The inverse of Hall's transformation t + g t^2 / 3 + g^2 t^3 / 27 + g / 6n, which takes the skewness g away."""
    if abs(skewness) < 1e-6:
        return value
    third = skewness / 3
    return float(np.cbrt(1 + 3 * third * (value - skewness / (6 * count))) - 1) / third


def _memory(values: NDArray[np.float64]) -> int:
    """Twice the number of steps over which neighbours are more alike than chance makes them; 1 where they never are."""
    around = values - np.mean(values)
    variance = float(np.dot(around, around))
    if variance <= 0:
        return 1
    for lag in range(1, len(values) // 2):
        if float(np.dot(around[lag:], around[:-lag])) / variance < 2 / math.sqrt(len(values)):
            return 1 if lag == 1 else 2 * (lag - 1)
    return len(values)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
