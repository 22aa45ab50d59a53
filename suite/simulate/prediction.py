"""What is expected of a run: distributions, not one number."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from suite.simulate.exchanging import Course
from suite.statistics import Series

CONFIDENCE = 0.90


class Estimate(float):
    """A number that knows its interval."""

    low: float
    high: float

    def __new__(cls, value: float, low: float | None = None, high: float | None = None) -> Estimate:
        made = super().__new__(cls, value)
        made.low = value if low is None else low
        made.high = value if high is None else high
        return made

    @property
    def mean(self) -> float:
        return float(self)


@dataclass(frozen=True)
class StepSeconds:
    """`mean`: work over time. `low` and `high`: what the means of nine of ten runs as long as this one fall between.
    `typical`: the median step."""

    mean: float
    low: float
    high: float
    typical: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Of one algorithm on one kind of machines."""

    algorithm: str
    options: dict[str, Any]
    workers: int
    step_seconds: StepSeconds
    samples_per_second: Estimate
    exposed_seconds: Estimate  # what the network adds to a step
    staleness: Estimate  # rounds between reading parameters and applying what was computed from them
    staleness_counts: dict[int, float]
    bytes_per_step: Estimate  # that one worker sends
    useful: float  # share of the gradients that were used
    memory: float  # parameter copies beyond parameters, gradients and the optimizer's state
    fitted: tuple[str, ...] = ()  # what the calibration has fitted, and from what
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        step = self.step_seconds
        intervals = {
            name: {"low": one.low, "high": one.high}
            for name, one in (
                ("samples_per_second", self.samples_per_second),
                ("exposed_seconds", self.exposed_seconds),
                ("staleness", self.staleness),
                ("bytes_per_step", self.bytes_per_step),
            )
        }
        return {
            "kind": "simulated",
            "algorithm": self.algorithm,
            "options": self.options,
            "workers": self.workers,
            "step_seconds": {"mean": step.mean, "low": step.low, "high": step.high, "typical": step.typical},
            "samples_per_second": float(self.samples_per_second),
            "exposed_seconds": float(self.exposed_seconds),
            "staleness": float(self.staleness),
            "staleness_counts": {str(age): share for age, share in self.staleness_counts.items()},
            "bytes_per_step": float(self.bytes_per_step),
            "useful": self.useful,
            "memory": self.memory,
            "confidence": CONFIDENCE,
            "intervals": intervals,
            "fitted": list(self.fitted),
            "warnings": list(self.warnings),
        }


def mean_of(course: Course, spread: float) -> tuple[StepSeconds, str]:
    """Of a simulated course, with what its own steps say of how runs as long would scatter; and why they say nothing.

    What the simulated mean may lie off, the mean of a run may once more: its steps are others. To that comes the `spread`
    that calibration could not explain. Widths add up as logarithms do.
    """
    steps = course.steps
    value = float(np.mean(steps))
    typical = float(np.median(steps))
    low = high = value
    lacks = ""
    if float(np.ptp(steps)) > 1e-9 * value or course.period > 1:
        found = Series(tuple(steps.tolist()), course.period).interval(confidence=CONFIDENCE)
        if found.known:
            low, high = max(found.low, 1e-12), found.high
        elif _scatters(course):
            lacks = f"{len(steps)} steps are too few for an interval of what they scatter"
    down, up = (math.hypot(math.sqrt(2) * math.log(ratio), spread) for ratio in (value / low, high / value))
    return StepSeconds(value, value * math.exp(-down), value * math.exp(up), typical), lacks


def _scatters(course: Course) -> bool:
    whole = len(course.steps) // course.period * course.period
    if whole < course.period:
        return True
    periods = course.steps[:whole].reshape(-1, course.period).mean(axis=1)
    return float(np.ptp(periods)) > 1e-9 * float(np.mean(periods))


def staleness_of(course: Course) -> tuple[Estimate, dict[int, float]]:
    """The mean with the range that nine of ten gradients fall into; shares of all ages."""
    ages = np.array(course.staleness or (0,))
    counts = Counter(ages.tolist())
    shares = {int(age): count / len(ages) for age, count in sorted(counts.items())}
    low, high = np.quantile(ages, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(ages.mean()), float(low), float(high)), shares
