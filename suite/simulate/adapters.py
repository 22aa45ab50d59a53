"""Machines and workloads for `algorithms.virtual.Cluster`: the same times, asked for one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from algorithms.mechanisms.validation import whole
from algorithms.virtual.compute import Draw, Spent
from suite.simulate.machines import FREE, Costs, Machines
from suite.simulate.times import BLOCK, shares, straggling, unit_seconds


@dataclass(frozen=True)
class LinkTimes:
    """A `Network` of `algorithms.virtual`. An exchange travels whole; what pieces cost is for `predict`."""

    machines: Machines

    def seconds(self, sent: float, participants: int) -> float:
        """`sent` is what each of the participants sends, which of a ring is 2(n-1)/n of what it holds."""
        costs = self._costs(participants)
        if costs is FREE:
            return 0.0
        return costs.exchange + sent * participants / (2 * (participants - 1)) * costs.per_byte

    def vote(self, participants: int) -> float:
        return self._costs(participants).vote

    def _costs(self, participants: int) -> Costs:
        whole("participants", participants, 1)
        if participants == 1:
            return FREE
        if participants == self.machines.workers:
            return self.machines.costs
        fewer = min(self.machines.per_host, participants)
        return replace(self.machines, workers=participants, per_host=fewer, stragglers=None).costs


@dataclass(frozen=True)
class ComputeTimes:
    """A `Compute` of `algorithms.virtual`: a worker's steps with their stragglers' delays.

    `after`: what every step takes besides computing, as calibration has found. Jitter that is correlated needs all workers
    at once and is in `predict` alone.
    """

    step_seconds: float
    machines: Machines
    after: float = 0.0

    def __post_init__(self) -> None:
        if self.machines.jitter and self.machines.jitter_correlation:
            raise ValueError(
                f"jitter_correlation={self.machines.jitter_correlation}: must be 0 where workers are asked one by one"
            )

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        steps = self.steps(worker, generator)
        return lambda: next(steps)

    def steps(self, worker: int, generator: np.random.Generator) -> Iterator[Spent]:
        """Of one worker. Those of one run share the seed of their generators' parent, so that delays may correlate and
        are the very ones that real ranks with this seed have."""
        base = self.step_seconds + self.after
        delays = self._delays(worker, generator)
        while True:
            for share in shares(self.machines.jitter, generator, BLOCK):
                yield Spent(base * float(share), next(delays))

    def _delays(self, worker: int, generator: np.random.Generator) -> Iterator[float]:
        straggler = self.machines.straggler
        if straggler is None:
            return itertools.repeat(0.0)
        entropy = getattr(generator.bit_generator.seed_seq, "entropy", 0)
        seed = entropy if isinstance(entropy, int) else 0
        unit, most = unit_seconds(straggler, self.step_seconds), straggler.limit_seconds
        return (min(delay * unit, most) for delay in straggling(straggler, worker, self.machines.workers, seed))
