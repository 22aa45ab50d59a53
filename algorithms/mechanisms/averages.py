"""Averages of a trajectory, for evaluation."""

from __future__ import annotations

from typing import Any as Array


def running_mean(mean: Array, value: Array, seen: int) -> Array:
    """The mean of seen + 1 values, from the mean of the first `seen`."""
    return mean + (value - mean) / (seen + 1)


def moving(mean: Array, value: Array, keep: float) -> Array:
    """Exponential moving average that keeps `keep` of its past."""
    return mean * keep + value * (1 - keep)
