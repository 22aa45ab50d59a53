"""Softsync: an update for every so many gradients, whoever they come from and however old they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, GradientRounds, Situation
from algorithms.mechanisms.validation import whole


@dataclass(frozen=True, kw_only=True)
class SoftSync(GradientRounds):
    """The centre waits for c gradients, averages them, late ones included, and moves on.

    Update:     θ_{t+1} = U(θ_t, (1/c) Σ_{i=1..c} G_i)         G_i taken at θ_{t-τ_i}, τ_i >= 0
    Arguments:  gradients = c. With λ workers, the n-softsync of the paper is c = ⌊λ/n⌋. averaging: see BackupWorkers.
    Memory 2 W: the centre's replica and the gradient on offer (+1 W with averaging); bytes 2(n-1)/n W a round.
    Departs:    a worker gives at most one gradient to a round, and waits until the round has closed before it reads the
                centre again, so c = number of workers is Synchronous as long as nobody is late: then the late gradient is
                kept for the next round. The learning rate is left alone; the paper's η/τ is `Asynchronous`'s option.
    Reference:  Zhang, Gupta, Lian, Liu 2016, "Staleness-aware Async-SGD for Distributed Deep Learning".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=4, algorithm=SoftSync(gradients=2), optimizer=SGD(learning_rate=0.1),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, w: w)
    >>> cluster.run(steps=10).rounds
    20
    """

    name: ClassVar[str] = "softsync"

    gradients: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("gradients", self.gradients, 1)

    def check(self, workers: int) -> None:
        if self.gradients > workers:
            raise ValueError(f"gradients={self.gradients}: must be in [1, {workers}] with {workers} workers")

    def quorum(self, workers: int) -> int:
        return self.gradients

    def limit(self, workers: int) -> int:
        return self.gradients

    def combine(self, total: Array, situation: Situation) -> Array:
        return total / situation.contributions
