"""How long a job must run before a straggler's mean shows: so many steps that luck no longer decides how many are slow."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from suite.cluster.stragglers.parsing import parse
from suite.cluster.stragglers.processes import Constant, PeriodicPause

# Drawn to see how much the means of stretches differ: long enough for delays that persist to be forgotten.
STRETCH, STRETCHES = 50, 200
# Half of an interval's width, as a share of the mean step: finer than that, and heavy tails take hours.
PRECISION = 0.1
NORMAL = 1.96  # of a 95 % interval


@functools.cache
def steps_needed(text: str, workers: int, compute: float) -> int:
    """Steps after which the mean step of a job that waits for all its ranks is known to `PRECISION`; 0: nothing is random.

    `compute`: seconds a step without a straggler. Whoever waits for fewer needs fewer.
    """
    straggler = parse(text)
    if straggler.process is None or isinstance(straggler.process, Constant | PeriodicPause):
        return 0
    unit = compute if straggler.unit == "compute" else 1.0
    drawn = zip(*(straggler.delays(rank, workers, 0) for rank in range(workers)), strict=True)
    worst = [max(step) for step in itertools.islice(drawn, STRETCH * STRETCHES)]
    steps = compute + np.minimum(unit * np.array(worst), straggler.limit_seconds)
    spread = float(np.std(steps.reshape(STRETCHES, STRETCH).mean(axis=1), ddof=1)) / float(np.mean(steps))
    return math.ceil(STRETCH * (NORMAL * spread / PRECISION) ** 2)


def repeats_after(text: str) -> int:
    """Steps after which the straggler does the same again; 1 where it has no rhythm of its own."""
    process = parse(text).process
    return process.every if isinstance(process, PeriodicPause) else 1
