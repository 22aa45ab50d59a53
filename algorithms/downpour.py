"""DOWNPOUR: workers push how far they have gone and pull the centre."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from algorithms.contract import Array, Centre, Own, Rounds, Situation
from algorithms.mechanisms.averages import moving, running_mean
from algorithms.mechanisms.schedules import after_every
from algorithms.mechanisms.validation import one_of, real, whole


@dataclass(frozen=True, kw_only=True)
class Downpour(Rounds):
    """Every tau steps a worker adds its displacement to the centre and goes on from there; nobody waits for the others.

    Update:     each step:  x^i ← x^i - η g(x^i),  v^i ← v^i - η g(x^i)
                τ | t:      x̃ ← x̃ + v^i,  x^i ← x̃,  v^i ← 0
                MDOWNPOUR:  V ← δ V + v^i,  x̃ ← x̃ + v^i + δ V
                ADOWNPOUR:  z_{t+1} = (1 - 1/(t+1)) z_t + x̃_t/(t+1)        MVADOWNPOUR:  z_{t+1} = (1 - α) z_t + α x̃_t
    Arguments:  period = τ. server_momentum = δ. average: None, "running" (ADOWNPOUR) or "moving" (MVADOWNPOUR), the z
                that evaluation uses; moving_rate = α (the paper: 0.001).
    Memory 3 W: the centre's replica, the point last pulled (v^i is the distance from it) and the displacement on offer
    (+1 W each for server momentum and average); bytes 2(n-1)/n W a round.
    Departs:    MDOWNPOUR as we found it printed, x̃ ← x̃ + δV, would stand still for δ = 0; used here is the recursion of
                the look-ahead point of Nesterov's method, which is DOWNPOUR for δ = 0 and the paper's MSGD for p = 1.
                A worker pulls the centre that holds its own push; the authors' code leaves that to a race.
                -η g is whatever displacement the user's optimizer makes.
    Reference:  Dean et al. 2012, "Large Scale Distributed Deep Networks"; the variants: Zhang, Choromanska, LeCun 2015,
                "Deep learning with Elastic Averaging SGD".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=1, algorithm=Downpour(period=2), optimizer=SGD(learning_rate=0.5),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, x: x)
    >>> [float(x[0]) for x in cluster.run(steps=4).parameters]
    [1.0, 0.25, 0.0625]
    """

    name: ClassVar[str] = "downpour"

    period: int = 1
    server_momentum: float = 0.0
    average: str | None = None
    moving_rate: float = 0.001

    def __post_init__(self) -> None:
        whole("period", self.period, 1)
        real("server_momentum", self.server_momentum, 0, 1, high_allowed=False)
        one_of("average", self.average, (None, "running", "moving"))
        real("moving_rate", self.moving_rate, 0, 1, low_allowed=False)

    def quorum(self, workers: int) -> int:
        return 1

    def meets(self, step: int) -> bool:
        return after_every(self.period, step)

    def own(self, x: Array) -> Own:
        return Own(parameters=x, anchor=x)

    def centre(self, x: Array) -> Centre:
        return Centre(
            parameters=x, velocity=x * 0 if self.server_momentum else None, average=x if self.average else None
        )

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return own.parameters - own.anchor

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        if not self.server_momentum:
            return replace(centre, parameters=centre.parameters + total)
        velocity = centre.velocity * self.server_momentum + total
        return replace(
            centre, velocity=velocity, parameters=centre.parameters + total + velocity * self.server_momentum
        )

    def averaged(self, average: Array, parameters: Array, rounds: int) -> Array:
        if self.average == "running":
            return running_mean(average, parameters, rounds)
        return average if self.average is None else moving(average, parameters, 1 - self.moving_rate)

    def memory(self) -> float:
        return 3 + bool(self.server_momentum) + (self.average is not None)
