"""Synchronous gradient descent with backup workers: the last few are not waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, GradientRounds, Situation
from algorithms.mechanisms.validation import flag, whole


@dataclass(frozen=True, kw_only=True)
class BackupWorkers(GradientRounds):
    """N + b workers, and a step is over when N gradients are there; what comes later is dropped, never stale.

    Update:     𝒢_t = the first N of the N + b gradients at θ_t         θ_{t+1} = U(θ_t, (1/N) Σ_{G ∈ 𝒢_t} G)
                θ̄_{t+1} = α θ̄_t + (1 - α) θ_{t+1}                       where averaging = α is given
    Arguments:  spares = b. averaging = α, the moving average that evaluation uses (the paper: 0.9999); None keeps none.
                give_up: False, a late worker finishes its gradient, which carries an old tag and is discarded, as in the
                paper's implementation; True, it stops as soon as its gradient can only be dropped and begins anew from
                the new centre, as the paper's order statistics of step times suppose. PyTorch: inside
                `with optimizer.attempt():`; a traced step of TensorFlow cannot be left.
    Memory 2 W: the centre's replica and the gradient on offer (+1 W with averaging); bytes 2(n-1)/n W a round, late
    workers' zeros included: a collective moves as much for N contributions as for N + b.
    Departs:    without parameter servers all shards agree on one set 𝒢_t. A worker contributes at most once to a round
                (TensorFlow's SyncReplicasOptimizer allows more). When several workers are ready at the same moment,
                the surplus is dropped in an order that rotates with the round. When fewer than N workers have data
                left, training is over: the remaining gradients could not make a whole step.
    Reference:  Chen, Pan, Monga, Bengio, Jozefowicz 2016/2017, "Revisiting Distributed Synchronous SGD".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster, Slow
    >>> cluster = Cluster(workers=3, algorithm=BackupWorkers(spares=1), optimizer=SGD(learning_rate=0.1),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, w: w, compute=Slow(worker=2, factor=4))
    >>> cluster.run(steps=20).used
    [20, 20, 0]
    """

    name: ClassVar[str] = "backup_workers"
    tagged: ClassVar[bool] = True

    spares: int = 1
    give_up: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("spares", self.spares, 0)
        flag("give_up", self.give_up)

    def check(self, workers: int) -> None:
        if self.spares >= workers:
            raise ValueError(f"spares={self.spares}: must be in [0, {workers - 1}] with {workers} workers")

    def quorum(self, workers: int) -> int:
        return workers - self.spares

    def limit(self, workers: int) -> int:
        return self.quorum(workers)

    @property
    def gives_up(self) -> bool:
        return self.give_up

    def accept(self, staleness: int) -> bool:
        return staleness == 0

    def combine(self, total: Array, situation: Situation) -> Array:
        return total / situation.contributions
