"""Elastic averaging: workers drift, and a spring ties each to a common centre."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from algorithms.contract import Array, Centre, Moment, Own, Reads, Rounds, Situation
from algorithms.mechanisms.schedules import after_every, before_every
from algorithms.mechanisms.validation import flag, one_of, overlapping, real, whole


@dataclass(frozen=True, kw_only=True)
class ElasticAveraging(Rounds):
    """EASGD and EAMSGD: every tau steps a worker and the centre move towards each other by the same elastic difference.

    Update:     τ | t:  d^i = α (x^i - x̃),  x^i ← x^i - d^i,  x̃ ← x̃ + Σ_i d^i         α = β/p
                every t, with g and d^i both taken at the old point:  x^i ← x^i - η g(x^i)                        (δ = 0)
                v^i ← δ v^i - η g(x^i + δ v^i),  x^i ← x^i + v^i                                          (EAMSGD, δ > 0)
    Arguments:  period = τ, moving_rate = β, momentum = δ. asynchronous=False: all p workers meet at once;
                True: each on its own clock, with whoever has come as far. order="gradient_first": the difference is
                taken after the local step instead, as many re-implementations do; it differs at O(ηα).
                overlap: local steps that may pass before d^i is subtracted, so that the exchange hides behind them.
    Memory 2 W: the centre's replica and the difference (+1 W of the true position x where δ > 0, since the model then
    holds the look-ahead point x + δ v); bytes 2(n-1)/n W every τ steps.
    Departs:    no server: every worker has a replica of the centre (the all-reduce form of torch-distlearn, equal to the
                paper's at multiples of τ). -η g is whatever displacement the user's optimizer makes; with momentum > 0
                give it plain SGD, else there are two momenta.
    Reference:  Zhang, Choromanska, LeCun 2015, "Deep learning with Elastic Averaging SGD".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=4, algorithm=ElasticAveraging(period=2), optimizer=SGD(learning_rate=0.5),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, x: x - worker)
    >>> abs(float(cluster.run(steps=200).parameters[-1][0]) - 1.5) < 0.01
    True
    """

    name: ClassVar[str] = "elastic_averaging"

    period: int = 10
    moving_rate: float = 0.9
    momentum: float = 0.0
    asynchronous: bool = False
    order: str = "paper"
    overlap: int = 0

    def __post_init__(self) -> None:
        whole("period", self.period, 1)
        real("moving_rate", self.moving_rate, 0)
        real("momentum", self.momentum, 0, 1, high_allowed=False)
        flag("asynchronous", self.asynchronous)
        one_of("order", self.order, ("paper", "gradient_first"))
        overlapping(self.overlap, self.period)
        if self.overlap and self.asynchronous:
            raise ValueError(f"overlap={self.overlap}: must be 0 with asynchronous=True, which waits for nobody anyway")

    def check(self, workers: int) -> None:
        """The stable range for vanishing learning rates: section 5 and lemma 7.1 of the paper."""
        bound = workers if self.asynchronous else 2 * workers / (workers + 1)
        if self.moving_rate > bound or (self.moving_rate == bound and not self.asynchronous):
            rule = "p (α <= 1)" if self.asynchronous else "2p/(p+1)"
            raise ValueError(
                f"moving_rate={self.moving_rate}: unstable with p={workers} workers, must be below {rule} = {bound:.4g}"
            )

    @property
    def departs(self) -> Moment:
        return Moment.STEP_BEGINS if self.order == "paper" else Moment.STEP_ENDED

    def quorum(self, workers: int) -> int:
        return 1 if self.asynchronous else workers

    def meets(self, step: int) -> bool:
        return before_every(self.period, step) if self.order == "paper" else after_every(self.period, step)

    def own(self, x: Array) -> Own:
        return Own(parameters=x, anchor=x if self.momentum else None)

    @property
    def local_reads(self) -> Reads | None:
        return Reads.NOTHING if self.momentum else None

    @property
    def late_reads_offered(self) -> bool:
        return False

    def local(self, own: Own, moved: Array, centre: Centre, situation: Situation) -> Own:
        if not self.momentum:
            return Own(parameters=moved)
        velocity = moved - own.anchor  # `moved` is x + δv - ηg, which is the new true position
        return Own(parameters=moved + self.momentum * velocity, anchor=moved)

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        position = own.anchor if self.momentum else own.parameters
        return (position - centre.parameters) * (self.moving_rate / situation.workers)

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        return replace(centre, parameters=centre.parameters + total)

    def adopt(self, own: Own, contribution: Array, centre: Centre) -> Own:
        anchor = own.anchor - contribution if self.momentum else None
        return Own(parameters=own.parameters - contribution, anchor=anchor)

    def adopt_late(self, own: Own, offered: Own, contribution: Array, centre: Centre) -> Own:
        return self.adopt(own, contribution, centre)  # a difference is subtracted from wherever the worker is

    def memory(self) -> float:
        return 3 if self.momentum else 2
