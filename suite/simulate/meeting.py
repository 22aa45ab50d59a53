"""Rounds that everybody takes part in, every step or every few: when steps end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from algorithms.contract import Moment, Rounds
from suite.simulate.exchanging import Course
from suite.simulate.times import Floats, Times


def period_of(meets: Callable[[int], bool], horizon: int = 4096) -> int:
    """Steps between two meetings, once what the first steps do differently is over."""
    late = [step for step in range(horizon, 3 * horizon) if meets(step)][:2]
    if len(late) < 2:
        raise ValueError(f"workers meet less often than every {2 * horizon} steps: too seldom to be simulated")
    return late[1] - late[0]


def meet(times: Times, step_seconds: float, algorithm: Rounds, seconds: float, after: float) -> Course:
    """`seconds`: of a round. Whole periods only, so that each has its exchange in it."""
    period = period_of(algorithm.meets)
    each = times.seconds(step_seconds) + after
    rounds = len(each) // period
    if rounds == 0:
        raise ValueError(f"steps={len(each)}: must be at least {period}, a whole period of {algorithm.name}")
    each = each[: rounds * period].reshape(rounds, period, -1)
    # What is offered before a step travels while that step computes.
    early = algorithm.departs is Moment.STEP_BEGINS
    hidden = algorithm.overlap + early
    if hidden == 0:
        steps = each.mean(axis=2)  # of workers that do not wait
        whole = each.sum(axis=1).max(axis=1) + seconds
        steps[:, -1] += whole - steps.sum(axis=1)
    else:
        leads = times.before_offers(period) * early
        steps = _overlapped(each, leads, hidden, seconds)
    return Course(steps.ravel(), period=period, staleness=(0,), exchanges=1 / period)


def _overlapped(each: Floats, leads: Floats, overlap: int, seconds: float) -> Floats:
    """A round's result is adopted `overlap` steps after it was offered, or when it is there.

    `leads`: what of a round's first step goes before its offer.
    """
    rounds, period, _ = each.shape
    free = leads[0] + np.zeros(each.shape[2])
    closes = 0.0
    steps = np.zeros((rounds, period))
    before = 0.0
    for number in range(rounds):
        first = each[number, :overlap].sum(axis=0) - leads[number]
        free = np.maximum(free + first, closes) if number else free + first
        free = free + each[number, overlap:].sum(axis=0) + leads[number + 1]
        closes = max(float(free.max()), closes) + seconds
        now = float(free.max())
        mean = each[number].mean(axis=1)
        steps[number] = mean * ((now - before) / mean.sum())
        before = now
    return steps
