"""Numbers that nobody can look up, fitted to what was observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# What holds an unknown near what one expects of it where the observations say nothing about it: as much as an error of this
# share in one of them, for an unknown that is twice what is expected.
HOLD = 0.003


@dataclass(frozen=True)
class Unknown:
    """A number of at least 0, `expected` from such hardware in general."""

    expected: float
    most: float = float("inf")


def fit(
    unknowns: Mapping[str, Unknown],
    observed: Sequence[float],
    model: Callable[[Mapping[str, float]], Sequence[float]],
) -> dict[str, float]:
    """Least squares of the logarithms, so that a slow run does not count more than a quick one; robust against one that
    something else has disturbed. What the observations do not tell stays near what is expected.
    """
    from scipy.optimize import least_squares

    names = list(unknowns)
    scale = np.array([unknowns[name].expected for name in names])
    most = np.array([unknowns[name].most for name in names]) / scale
    logs = np.log(np.asarray(observed, dtype=np.float64))

    def values(point: Sequence[float]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(names, np.asarray(point) * scale, strict=True)}

    def residuals(point: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        missed = np.log(np.asarray(model(values(point)), dtype=np.float64)) - logs
        return np.concatenate([missed, HOLD * (np.asarray(point) - 1)])

    start = np.minimum(np.ones(len(names)), most * 0.99)
    found = least_squares(
        residuals, start, bounds=(np.zeros(len(names)), most), loss="soft_l1", f_scale=0.05, diff_step=1e-3
    )
    return values(found.x)
