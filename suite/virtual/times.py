"""How long things take in a virtual run: what `suite.simulate` says, with an account of where each step's time went."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from algorithms.virtual.compute import Draw, Spent
from suite.record.specification import Specification
from suite.simulate.adapters import ComputeTimes
from suite.simulate.machines import Machines


def machines(specification: Specification) -> Machines:
    """One worker to a host; the latency is one of each of a ring's hops."""
    network = specification.network
    return Machines(
        workers=specification.workers,
        gbit=math.inf if network.rate_mbit is None else network.rate_mbit / 1e3,
        latency_us=0.0 if network.rate_mbit is None else network.delay_ms * 1e3,
        stragglers=specification.straggler,
    )


@dataclass
class StepTimes:
    """The cluster's model of compute times. What was drawn is kept until whoever writes the steps down has taken it."""

    model: ComputeTimes
    taken: dict[int, int] = field(default_factory=dict)  # so many steps of each worker are written down already
    _drawn: dict[int, deque[Spent]] = field(default_factory=dict)

    @staticmethod
    def of(specification: Specification) -> StepTimes:
        seconds = specification.network.compute_seconds
        assert seconds is not None
        return StepTimes(ComputeTimes(seconds, machines(specification)))

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        drawn = self._drawn[worker] = deque()
        steps = self.model.steps(worker, generator)
        known = self.taken.get(worker, 0)  # a resumed run's clock goes through them again

        def draw() -> Spent:
            nonlocal known
            spent = next(steps)
            if known:
                known -= 1
            else:
                drawn.append(spent)
            return spent

        return draw

    def take(self, worker: int) -> Spent:
        """The oldest step that nobody has taken."""
        self.taken[worker] = self.taken.get(worker, 0) + 1
        return self._drawn[worker].popleft()
