"""How long a straggler's delays are. Each is a function of standard normal numbers, so that ranks and steps can be
correlated whatever the distribution: correlate the normals, then map them (a Gaussian copula).

SciPy is imported where it is used: every rank imports this file, and few have a straggler.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


class Distribution(Protocol):
    def delays(self, normals: Numbers) -> Numbers: ...


@dataclass(frozen=True, kw_only=True)
class Exponential:
    mean: float

    def delays(self, normals: Numbers) -> Numbers:
        return -self.mean * _log_survival(normals)


@dataclass(frozen=True, kw_only=True)
class Lognormal:
    mean: float
    sigma: float

    def delays(self, normals: Numbers) -> Numbers:
        return np.asarray(self.mean * np.exp(self.sigma * normals - self.sigma**2 / 2))


@dataclass(frozen=True, kw_only=True)
class Pareto:
    """Of the second kind (Lomax), which begins at no delay at all. The mean is finite for alpha > 1 only."""

    mean: float
    alpha: float

    def delays(self, normals: Numbers) -> Numbers:
        scale = self.mean * (self.alpha - 1)
        return np.asarray(scale * np.expm1(-_log_survival(normals) / self.alpha))


@dataclass(frozen=True, kw_only=True)
class Bimodal:
    """`slow` with the given probability, otherwise nothing."""

    slow: float
    probability: float

    def delays(self, normals: Numbers) -> Numbers:
        from scipy.special import ndtri

        threshold = -math.inf if self.probability >= 1 else -ndtri(self.probability)
        return np.where(normals > threshold, self.slow, 0.0)


def _log_survival(normals: Numbers) -> Numbers:
    """log P(Z > z), precise far into the tail where the probability itself rounds to 0."""
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(-normals))
