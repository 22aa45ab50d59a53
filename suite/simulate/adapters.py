"""Machines and workloads for `algorithms.virtual.Cluster`: the same times, asked for one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from algorithms.mechanisms.validation import whole
from algorithms.virtual.compute import Draw
from suite.simulate.machines import FREE, Costs, Machines
from suite.simulate.times import BLOCK, shares, straggling, unit_seconds
from suite.simulate.workload import Workload


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

    Jitter that is correlated needs all workers at once and is in `predict` alone.
    """

    workload: Workload
    machines: Machines

    def __post_init__(self) -> None:
        if self.machines.jitter and self.machines.jitter_correlation:
            raise ValueError(
                f"jitter_correlation={self.machines.jitter_correlation}: must be 0 where workers are asked one by one"
            )

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        """The stream of one worker. Workers of one run share `generator`'s parent seed, so that delays may correlate."""
        seconds = self._seconds(worker, generator)
        return lambda: next(seconds)

    def _seconds(self, worker: int, generator: np.random.Generator) -> Iterator[float]:
        base = self.workload.step_seconds + self.machines_overhead()
        parent = generator.bit_generator.seed_seq
        entropy = getattr(parent, "entropy", 0)
        seed = entropy if isinstance(entropy, int) else 0
        straggler = self.machines.straggler
        delays = None if straggler is None else straggling(straggler, worker, self.machines.workers, seed)
        while True:
            for share in shares(self.machines.jitter, generator, BLOCK):
                waited = 0.0
                if delays is not None and straggler is not None:
                    unit = unit_seconds(straggler, self.workload)
                    waited = min(next(delays) * unit, straggler.limit_seconds)
                yield waited + base * float(share)

    def machines_overhead(self) -> float:
        """What calibration has found besides computing."""
        found = self.machines.calibration
        return 0.0 if found is None else found.after(self.workload)
