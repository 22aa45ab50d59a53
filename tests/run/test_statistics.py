"""Intervals cover what they claim, comparisons find what is there and nothing else, and noise is noticed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from suite import statistics
from suite.statistics import Verdict

times = arrays(np.float64, st.integers(2, 60), elements=st.floats(0.01, 10.0, allow_subnormal=False))


# Steady state


@pytest.mark.parametrize("slow", [0, 3, 8])
def test_a_slow_start_is_cut_off(slow):
    random = np.random.default_rng(1)
    series = random.normal(0.1, 0.002, 40)
    series[:slow] += np.linspace(0.2, 0.05, slow) if slow else 0.0
    found = statistics.steady_state(series)
    assert slow <= found <= slow + 3


def test_an_exponential_approach_is_cut_off_until_it_has_died_away():
    random = np.random.default_rng(2)
    series = 0.1 + 0.2 * np.exp(-np.arange(100) / 5) + random.normal(0, 0.002, 100)
    assert 10 <= statistics.steady_state(series) <= 35


def test_a_late_pause_does_not_hide_the_slow_start():
    random = np.random.default_rng(3)
    series = random.normal(0.1, 0.002, 60)
    series[:5] = 0.3
    series[50] = 3.0
    assert 5 <= statistics.steady_state(series) <= 8


@given(times)
def test_at_least_half_is_kept_and_constant_series_whole(series):
    assert 0 <= statistics.steady_state(series) <= len(series) // 2
    assert statistics.steady_state(np.full_like(series, series[0])) == 0


# Intervals


@given(times, st.floats(0.1, 50))
def test_the_median_lies_in_its_interval_and_scales(series, factor):
    found = statistics.median(series)
    assert found.low <= found.value <= found.high
    scaled = statistics.median(series * factor)
    assert scaled.value == pytest.approx(found.value * factor)
    if found.known:
        assert scaled.low == pytest.approx(found.low * factor)


def test_too_few_values_give_no_interval():
    assert not statistics.median([1.0] * (statistics.LEAST_FOR_BCA - 1)).known
    assert not statistics.mean([1.0]).known


def test_equal_values_give_a_point():
    found = statistics.median([0.5] * 20)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


def test_the_same_seed_gives_the_same_interval():
    series = np.random.default_rng(0).lognormal(size=30)
    assert statistics.median(series, seed=1) == statistics.median(series, seed=1)


def coverage(trials, draw, interval, truth):
    random = np.random.default_rng(7)
    return np.mean([not interval(draw(random)).excludes(truth) for _ in range(trials)])


@pytest.mark.parametrize("count", [10, 30])
def test_the_median_of_skewed_times_is_covered_as_claimed(count):
    found = coverage(400, lambda random: random.lognormal(0, 0.5, count), statistics.median, 1.0)
    assert 0.91 <= found <= 0.99


def paired(random, rounds, ratio, *, between=0.03, steps=20):
    """Rounds share drift; runs differ from each other by `between`; steps scatter around their run."""
    made = []
    for _ in range(rounds):
        drift = random.lognormal(0, 0.2)
        base = drift * random.lognormal(0, between)
        other = drift * ratio * random.lognormal(0, between)
        made.append((other * random.lognormal(0, 0.05, steps), base * random.lognormal(0, 0.05, steps)))
    return made


@pytest.mark.parametrize("rounds", [3, 5, 10, 25])
def test_paired_ratios_are_covered_as_claimed_whatever_the_number_of_rounds(rounds):
    found = coverage(400, lambda random: paired(random, rounds, 1.3), statistics.paired_ratio, 1.3)
    assert 0.91 <= found <= 0.99


def test_drift_between_rounds_does_not_widen_the_interval():
    ratio = statistics.paired_ratio(paired(np.random.default_rng(1), 8, 1.1, between=0.005))
    assert ratio.low > 1.05
    assert ratio.high < 1.15


def test_equal_algorithms_are_called_different_no_more_often_than_claimed():
    random = np.random.default_rng(5)
    verdicts = [statistics.verdict(statistics.paired_ratio(paired(random, 5, 1.0))) for _ in range(400)]
    assert np.mean([one is not Verdict.UNCLEAR for one in verdicts]) <= 0.08


def test_clear_differences_are_found_in_the_right_direction():
    random = np.random.default_rng(5)
    assert statistics.verdict(statistics.paired_ratio(paired(random, 5, 1.5))) is Verdict.SLOWER
    assert statistics.verdict(statistics.paired_ratio(paired(random, 5, 0.6))) is Verdict.FASTER


def test_one_round_is_answered_from_its_steps_and_says_so():
    found = statistics.paired_ratio(paired(np.random.default_rng(1), 1, 2.0))
    assert found.within_run
    assert found.low < found.value < found.high
    short = statistics.paired_ratio([([1.0, 1.1], [0.5, 0.6])])
    assert short.within_run
    assert not short.known
    assert statistics.verdict(short) is Verdict.UNCLEAR


def test_blocks_cover_the_ratio_of_alike_neighbours():
    """Steps with memory (0.5 from one to the next): the interval still covers the truth of that one pair of runs."""

    def draw(random):
        made = []
        for level in (1.2, 1.0):
            noise = np.zeros(80)
            for step in range(1, 80):
                noise[step] = 0.5 * noise[step - 1] + random.normal(0, 0.03)
            made.append(level * np.exp(noise))
        return [tuple(made)]

    assert coverage(150, draw, statistics.paired_ratio, 1.2) >= 0.85


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        statistics.paired_ratio([])


@given(st.integers(2, 12), st.floats(0.5, 2.0))
def test_swapping_the_two_turns_the_ratio_around(rounds, ratio):
    made = paired(np.random.default_rng(rounds), rounds, ratio)
    there = statistics.paired_ratio(made)
    back = statistics.paired_ratio([(second, first) for first, second in made])
    assert back.value == pytest.approx(1 / there.value)
    assert back.low == pytest.approx(1 / there.high)


# What could have been found


def test_an_effect_of_the_detectable_size_is_found_as_often_as_claimed():
    random = np.random.default_rng(11)
    effects = [statistics.minimum_detectable_effect(paired(random, 6, 1.0)) for _ in range(60)]
    effect = float(np.median(effects))
    found = [
        statistics.verdict(statistics.paired_ratio(paired(random, 6, 1 + effect))) is Verdict.SLOWER for _ in range(300)
    ]
    assert 0.68 <= np.mean(found) <= 0.92


def test_more_rounds_detect_less():
    random = np.random.default_rng(3)
    few = statistics.minimum_detectable_effect(paired(random, 3, 1.0))
    many = statistics.minimum_detectable_effect(paired(random, 40, 1.0))
    assert many < few
    assert statistics.minimum_detectable_effect(paired(random, 1, 1.0)) == math.inf


@pytest.mark.parametrize("power", [0.0, 1.0, -1.0])
def test_a_power_that_is_none_is_refused(power):
    with pytest.raises(ValueError, match="power"):
        statistics.minimum_detectable_effect(paired(np.random.default_rng(1), 3, 1.0), power=power)


# Noise


def test_a_quiet_series_is_not_complained_about():
    assert statistics.noise(np.random.default_rng(0).normal(0.1, 0.002, 50)).warning() is None


def test_a_restless_series_is():
    assert "scatter" in statistics.noise(np.random.default_rng(0).lognormal(-2, 0.4, 50)).warning()


def test_a_drifting_series_is():
    series = np.linspace(0.1, 0.13, 50) + np.random.default_rng(0).normal(0, 0.0005, 50)
    found = statistics.noise(series)
    assert found.drift == pytest.approx(0.26, abs=0.03)
    assert "drift" in statistics.noise(np.linspace(0.1, 0.112, 50)).warning()


def test_a_few_steps_are_too_few():
    assert "too few" in statistics.noise([0.1, 0.1]).warning()


def test_outliers_are_counted():
    series = np.full(50, 0.1)
    series[7] = 1.0
    assert statistics.noise(series).outliers == pytest.approx(0.02)


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, math.nan], [math.inf]])
def test_what_is_no_series_is_refused(bad):
    with pytest.raises(ValueError, match="values"):
        statistics.median(bad)
