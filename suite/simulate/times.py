"""How long workers compute: steps x workers, drawn once for all algorithms that are compared."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.cluster.stragglers import Straggler, parse
from suite.simulate.machines import Machines
from suite.simulate.workload import Workload

Floats = NDArray[np.float64]

BLOCK = 256  # draws at once
_STREAM = 0x4A49  # keeps the streams of jitter apart from others that are seeded with the same number


@dataclass(frozen=True)
class Times:
    """Of every step (row) of every worker (column). Workers that are all alike are one column.

    `delays`: seconds before the step computes, as experiments inject them. `shares`: of the workload's own times.
    """

    delays: Floats
    shares: Floats
    workers: int

    def seconds(self, step_seconds: float) -> Floats:
        """From a step's beginning until its gradient is there."""
        return self.delays + self.shares * step_seconds

    def before_offers(self, period: int) -> Floats:
        """The delays of steps whose beginning offers, and nothing after the last: each goes before what is offered."""
        return np.vstack([self.delays[::period], np.zeros_like(self.delays[:1])])

    def for_all(self) -> Times:
        """With a column for every worker, alike or not."""
        if self.shares.shape[1] == self.workers:
            return self
        shape = (self.shares.shape[0], self.workers)
        return Times(np.broadcast_to(self.delays, shape), np.broadcast_to(self.shares, shape), self.workers)


def draw(workload: Workload, machines: Machines, steps: int, seed: int) -> Times:
    if machines.even:
        return Times(np.zeros((steps, 1)), np.ones((steps, 1)), machines.workers)
    delays = np.zeros((steps, machines.workers))
    straggler = machines.straggler
    if straggler is not None:
        unit = unit_seconds(straggler, workload.step_seconds)
        delays = np.minimum(_table(straggler.text, machines.workers, steps, seed) * unit, straggler.limit_seconds)
    return Times(delays, _jitter(machines, steps, seed), machines.workers)


def unit_seconds(straggler: Straggler, step_seconds: float) -> float:
    """What its delays are multiples of."""
    return step_seconds if straggler.unit == "compute" or straggler.cores is not None else 1.0


def straggling(straggler: Straggler, worker: int, workers: int, seed: int) -> Iterator[float]:
    """One worker's delays, step by step, in the straggler's own unit."""
    if straggler.cores is not None and straggler.affects(worker):
        # A worker that computes on one core and gets a part of it takes so many times as long.
        return itertools.repeat(max(1.0, 1 / straggler.cores) - 1)
    return straggler.delays(worker, workers, seed)


@functools.lru_cache(maxsize=32)
def _table(text: str, workers: int, steps: int, seed: int) -> Floats:
    """The very delays that a run with this seed injects."""
    straggler = parse(text)
    columns = [
        np.fromiter(itertools.islice(straggling(straggler, worker, workers, seed), steps), np.float64, steps)
        for worker in range(workers)
    ]
    table = np.column_stack(columns)
    table.setflags(write=False)
    return table


def shares(sigma: float, generator: np.random.Generator, count: int) -> Floats:
    """Lognormal with mean 1 and this standard deviation."""
    return _lognormal(sigma, generator.standard_normal(count)) if sigma else np.ones(count)


def _jitter(machines: Machines, steps: int, seed: int) -> Floats:
    shape = (steps, machines.workers)
    if not machines.jitter:
        return np.broadcast_to(np.ones((1, 1)), shape)
    generator = np.random.default_rng([seed, _STREAM])
    common = math.sqrt(machines.jitter_correlation) * generator.standard_normal((steps, 1))
    alone = math.sqrt(1 - machines.jitter_correlation) * generator.standard_normal(shape)
    return _lognormal(machines.jitter, common + alone)


def _lognormal(deviation: float, normals: Floats) -> Floats:
    variance = math.log1p(deviation**2)
    return np.asarray(np.exp(math.sqrt(variance) * normals - variance / 2))
