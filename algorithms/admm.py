"""ADMM: the elastic paper's example of what is unstable in round-robin order. Virtual driver only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from algorithms.contract import Array, Centre, Own, Reads, Rounds, Situation
from algorithms.mechanisms.validation import real


@dataclass(frozen=True, kw_only=True)
class ADMM(Rounds):
    """Alternating direction method of multipliers, linearised, one worker after the other.

    Update:     λ^i ← λ^i - (x^i - x̃)          x^i ← (x^i - η ∇F(x^i) + η ρ (λ^i + x̃)) / (1 + η ρ)
                x̃ ← (1/p) Σ_j (x^j - λ^j)
    Arguments:  penalty = ρ; η is the learning rate of the optimizer, which must be plain SGD.
    Memory 3 W: the centre's replica, λ and the x - λ that the centre holds of this worker; bytes 2(n-1)/n W a round.
    Departs:    the centre is updated by the change of this worker's x - λ, which is the same mean.
    Reference:  Zhang, Choromanska, LeCun 2015, "Deep learning with Elastic Averaging SGD", section 5: each worker's map is
                stable, their composition is not (η = 0.001, ρ = 2.5, p = 3 explodes after some 1e5 updates).

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=ADMM(penalty=1.0), optimizer=SGD(learning_rate=0.1),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, x: x, arrivals="round_robin")
    >>> abs(float(cluster.run(steps=300).parameters[-1][0])) < 0.01
    True
    """

    name: ClassVar[str] = "admm"
    virtual_only: ClassVar[bool] = True

    penalty: float = 1.0

    def __post_init__(self) -> None:
        real("penalty", self.penalty, 0, low_allowed=False)

    def quorum(self, workers: int) -> int:
        return 1

    def own(self, x: Array) -> Own:
        return Own(parameters=x, anchor=x, multiplier=x * 0)

    @property
    def local_reads(self) -> Reads | None:
        return Reads.BEFORE | Reads.CENTRE | Reads.RATE

    def local(self, own: Own, moved: Array, centre: Centre, situation: Situation) -> Own:
        multiplier = own.multiplier - (own.parameters - centre.parameters)
        pull = situation.learning_rate * self.penalty
        parameters = (moved + (multiplier + centre.parameters) * pull) / (1 + pull)
        return Own(parameters=parameters, anchor=own.anchor, multiplier=multiplier)

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return (own.parameters - own.multiplier - own.anchor) / situation.workers

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        return replace(centre, parameters=centre.parameters + total)

    def adopt(self, own: Own, contribution: Array, centre: Centre) -> Own:
        return replace(own, anchor=own.parameters - own.multiplier)

    def memory(self) -> float:
        return 3
