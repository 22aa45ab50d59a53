"""How long things take in a virtual run: each worker's steps with the straggler's delays, and a ring with a latency."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from algorithms.virtual import Instant, Network, Ring
from algorithms.virtual.compute import Draw
from suite.cluster import stragglers
from suite.record.specification import Network as NetworkChoice
from suite.record.specification import Specification


def network(chosen: NetworkChoice) -> Network:
    """The latency is one of each of a ring's hops, and there and back of a vote's."""
    if chosen.rate_mbit is None:
        return Instant()
    delay = chosen.delay_ms / 1e3
    return Ring(bandwidth=chosen.rate_mbit * 1e6 / 8, latency=delay, vote_seconds=2 * delay)


@dataclass(frozen=True)
class Spent:
    """On a step's computation: what it takes by itself, and the straggler's delay."""

    compute: float
    injected: float


@dataclass
class StepTimes:
    """The cluster's model of compute times. What was drawn is kept until whoever writes the steps down has taken it."""

    seconds: float
    straggler: stragglers.Straggler | None
    workers: int
    seed: int
    taken: dict[int, int] = field(default_factory=dict)  # so many steps of each worker are written down already
    _drawn: dict[int, deque[Spent]] = field(default_factory=dict)

    @staticmethod
    def of(specification: Specification) -> StepTimes:
        text = specification.straggler
        assert specification.network.compute_seconds is not None
        return StepTimes(
            specification.network.compute_seconds,
            None if text is None else stragglers.parse(text),
            specification.workers,
            specification.seed,
        )

    def draws(self, worker: int, generator: np.random.Generator) -> Draw:
        """The straggler's own streams, which real runs with this seed have too."""
        drawn = self._drawn[worker] = deque()
        delays = self._delays(worker)
        known = self.taken.get(worker, 0)  # a resumed run's clock goes through them again

        def draw() -> float:
            nonlocal known
            spent = Spent(self.seconds, next(delays))
            if known:
                known -= 1
            else:
                drawn.append(spent)
            return spent.compute + spent.injected

        return draw

    def take(self, worker: int) -> Spent:
        """The oldest step that nobody has taken."""
        self.taken[worker] = self.taken.get(worker, 0) + 1
        return self._drawn[worker].popleft()

    def _delays(self, worker: int) -> Iterator[float]:
        slow = self.straggler
        if slow is None or not slow.affects(worker):
            while True:
                yield 0.0
        if slow.cores is not None:
            while True:
                yield self.seconds * max(0.0, 1 / slow.cores - 1)
        unit = self.seconds if slow.unit == "compute" else 1.0
        for delay in slow.delays(worker, self.workers, self.seed):
            yield min(delay * unit, slow.limit_seconds)
