"""What is said of restless runs."""

from __future__ import annotations

import numpy as np
import pytest

from suite.report.noise import noise


def test_a_quiet_series_is_not_complained_about():
    assert noise(np.random.default_rng(0).normal(0.1, 0.002, 50)).warning() is None


def test_a_restless_series_is():
    assert "scatter" in noise(np.random.default_rng(0).lognormal(-2, 0.4, 50)).warning()


def test_a_drifting_series_is():
    series = np.linspace(0.1, 0.13, 50) + np.random.default_rng(0).normal(0, 0.0005, 50)
    found = noise(series)
    assert found.drift == pytest.approx(0.26, abs=0.03)
    assert "drift" in noise(np.linspace(0.1, 0.112, 50)).warning()


def test_a_few_steps_are_too_few():
    assert "too few" in noise([0.1, 0.1]).warning()


def test_outliers_are_counted():
    series = np.full(50, 0.1)
    series[7] = 1.0
    assert noise(series).outliers == pytest.approx(0.02)
