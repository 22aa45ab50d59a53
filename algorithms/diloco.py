"""DiLoCo: many local steps, then one outer Nesterov step on how far the workers have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, Centre, Own, Rounds, Situation
from algorithms.mechanisms.schedules import after_every
from algorithms.mechanisms.validation import overlapping, real, whole


@dataclass(frozen=True, kw_only=True)
class DiLoCo(Rounds):
    """The distance that the workers' mean has gone in H steps is the gradient of an outer optimizer.

    Update:     θ^i ← U(θ^i, g^i)          every H steps, θ̃ the common point of the last meeting:
                Δ = θ̃ - (1/n) Σ_i θ^i,  m ← μ m + Δ,  θ̃ ← θ̃ - η_o (Δ + μ m),  θ^i ← θ̃
    Arguments:  period = H, outer_rate = η_o, outer_momentum = μ; the defaults are OpenDiLoCo's. overlap: see LocalSGD.
                outer_rate = 1 and outer_momentum = 0 is LocalSGD.
    Memory 2 W: θ̃ and m (+2 W with overlap); bytes 2(n-1)/n W every H steps.
    Departs:    the inner optimizer is whatever the user gives (the paper: AdamW); its state stays each worker's own.
    Reference:  Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of Language Models".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=DiLoCo(period=1, outer_rate=0.5, outer_momentum=0.5),
    ...                   optimizer=SGD(learning_rate=0.5), parameters=np.ones(1), gradient=lambda worker, step, x: x)
    >>> [float(x[0]) for x in cluster.run(steps=2).parameters]
    [1.0, 0.625, 0.328125]
    """

    name: ClassVar[str] = "diloco"
    offers_parameters: ClassVar[bool] = True

    period: int = 500
    outer_rate: float = 0.7
    outer_momentum: float = 0.9
    overlap: int = 0

    def __post_init__(self) -> None:
        whole("period", self.period, 1)
        real("outer_rate", self.outer_rate, 0, low_allowed=False)
        real("outer_momentum", self.outer_momentum, 0, 1, high_allowed=False)
        overlapping(self.overlap, self.period)

    def quorum(self, workers: int) -> int:
        return workers

    def meets(self, step: int) -> bool:
        return after_every(self.period, step)

    def centre(self, x: Array) -> Centre:
        return Centre(parameters=x, velocity=x * 0)

    @property
    def offers_itself(self) -> bool:
        return True

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return own.parameters

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        outer_gradient = centre.parameters - total / situation.contributions
        velocity = centre.velocity * self.outer_momentum + outer_gradient
        step = (outer_gradient + velocity * self.outer_momentum) * self.outer_rate
        return Centre(parameters=centre.parameters - step, velocity=velocity)

    def memory(self) -> float:
        return 4 if self.overlap else 2
