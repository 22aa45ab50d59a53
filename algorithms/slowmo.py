"""SlowMo: local SGD with a slow momentum on the averaged models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, Centre, Own, Rounds, Situation
from algorithms.mechanisms.schedules import after_every
from algorithms.mechanisms.validation import overlapping, real, whole


@dataclass(frozen=True, kw_only=True)
class SlowMo(Rounds):
    """Every tau steps the mean of the models is one step of a slow, outer gradient descent with momentum.

    Update:     x^i ← U(x^i, g^i)          every τ steps, x̄ = (1/n) Σ_i x^i and x̃ the common point of the last meeting:
                u ← β u + (x̃ - x̄)/γ,  x̃ ← x̃ - α γ u,  x^i ← x̃
    Arguments:  period = τ, momentum = β, rate = α; γ is the learning rate of the user's optimizer in force at the meeting.
                overlap: see LocalSGD. momentum = 0 and rate = 1 is LocalSGD.
    Memory 2 W: x̃ and u (+2 W with overlap); bytes 2(n-1)/n W every τ steps.
    Departs:    the base algorithm is local SGD; the paper also allows others. Where γ = 0, as at the end of a schedule,
                x̃ ← x̃ - α (x̃ - x̄) and u ← β u, the limit of what moves x̃; the paper divides by γ.
    Reference:  Wang, Tantia, Ballas, Rabbat 2020, "SlowMo: Improving Communication-Efficient Distributed SGD with Slow
                Momentum".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=SlowMo(period=2, momentum=0.5), optimizer=SGD(learning_rate=0.25),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, x: x)
    >>> [float(x[0]) for x in cluster.run(steps=4).parameters]
    [1.0, 0.5625, 0.09765625]
    """

    name: ClassVar[str] = "slowmo"
    offers_parameters: ClassVar[bool] = True

    period: int = 48
    momentum: float = 0.5
    rate: float = 1.0
    overlap: int = 0

    def __post_init__(self) -> None:
        whole("period", self.period, 1)
        real("momentum", self.momentum, 0, 1, high_allowed=False)
        real("rate", self.rate, 0, low_allowed=False)
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
        progress = centre.parameters - total / situation.contributions
        decayed, rate = centre.velocity * self.momentum, situation.learning_rate
        if rate == 0:  # a schedule has ended: γ u is what the workers have come, and nothing can be divided by γ
            return Centre(parameters=centre.parameters - progress * self.rate, velocity=decayed)
        velocity = decayed + progress / rate
        return Centre(parameters=centre.parameters - velocity * (self.rate * rate), velocity=velocity)

    def memory(self) -> float:
        return 4 if self.overlap else 2
