"""Local SGD: workers train alone and average their models now and then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, Centre, Own, Rounds, Situation
from algorithms.mechanisms.schedules import after_warmup
from algorithms.mechanisms.validation import overlapping, whole


@dataclass(frozen=True, kw_only=True)
class LocalSGD(Rounds):
    """After every H local steps all workers go on from the mean of their models.

    Update:     x^i ← U(x^i, g^i)          every H steps:  x^i ← (1/n) Σ_j x^j
    Arguments:  period = H. warmup: so many first steps average every time, H = 1 (post-local SGD). Training that ends
                between two rounds leaves each worker a copy of its own: let H divide the steps.
                overlap: local steps that may pass before the mean is adopted; what was learned meanwhile is kept.
    Memory 0 (2 W with overlap: what was offered and what is travelling); bytes 2(n-1)/n W every H steps.
    Departs:    the optimizer's state (momentum, Adam's moments) stays each worker's own.
    Reference:  Stich 2019, "Local SGD Converges Fast and Communicates Little"; Lin, Stich, Patel, Jaggi 2020, "Don't Use
                Large Mini-Batches, Use Local SGD" (warm-up).

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=LocalSGD(period=2), optimizer=SGD(learning_rate=0.5),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, x: x - worker)
    >>> [float(x[0]) for x in cluster.run(steps=2).workers]
    [0.625, 0.625]
    """

    name: ClassVar[str] = "local_sgd"
    offers_parameters: ClassVar[bool] = True

    period: int = 10
    warmup: int = 0
    overlap: int = 0

    def __post_init__(self) -> None:
        whole("period", self.period, 1)
        whole("warmup", self.warmup, 0)
        overlapping(self.overlap, self.period)
        if self.overlap and self.warmup:
            raise ValueError(
                f"overlap={self.overlap}: must be 0 with warmup={self.warmup}, which meets after every step"
            )

    def quorum(self, workers: int) -> int:
        return workers

    def meets(self, step: int) -> bool:
        return after_warmup(self.period, self.warmup, step)

    def centre(self, x: Array) -> Centre:
        return Centre()

    @property
    def offers_itself(self) -> bool:
        return True

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return own.parameters

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        return Centre(parameters=total / situation.contributions)

    def memory(self) -> float:
        return 2 if self.overlap else 0
