"""How restless the steps of a run were, and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from suite.statistics import Numbers, finite

# Steps below which nothing is said about how restless a run was.
LEAST_STEPS = 5
# Robust spread of steps, and drift over a run, beyond which small differences cannot be told.
NOISY_SPREAD = 0.10
NOISY_DRIFT = 0.10


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
    values = finite(times)
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
