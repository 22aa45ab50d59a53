"""Delayed gradient descent: the average of step t is applied k steps later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, Exchange
from algorithms.mechanisms.validation import one_of, real, whole


@dataclass(frozen=True, kw_only=True)
class Delayed(Exchange):
    """A gradient's average may travel for k whole steps: communication hides behind everything, at the price of staleness.

    Update:     ḡ_t = (1/n) Σ_i ∇C(w_t; B_{i,t})
                w_{t+1} = U(w_t, ḡ_{t-k} + λ ḡ_{t-k} ⊙ ḡ_{t-k} ⊙ (w_t - w_{t-k}))
    Arguments:  steps = k (k = 0 is Synchronous). compensation = λ of DC-ASGD; 0 switches the term off.
                drain: "apply" the last k averages when training finishes, or "drop" them.
    Memory k W of gradients in flight, and k W more of old parameters where λ > 0; bytes 2(n-1)/n W a step.
    Departs:    the paper leaves open what follows. The first k steps apply nothing, to any state of the optimizer;
                the last k averages are applied in order by `finish()`, so that every gradient counts exactly once;
                a gradient gets the learning rate in force when it is applied. Momentum acts on the gradients in the order
                of their application: with μ = 0.9 one step of delay cuts the stable learning rate 38-fold (the edge is
                ηh = 1 - μ instead of 2(1 + μ)), so tune k, η and μ together.
                All workers hold equal parameters at all times, and the compensation is local: it moves no extra bytes.
    Reference:  Daily, Vishnu, Siegel 2016, "Leveraging Asynchronicity in Gradient Descent for Scalable Deep Learning";
                Zheng et al. 2016, "Asynchronous Stochastic Gradient Descent with Delay Compensation" (λ).

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=Delayed(steps=1), optimizer=SGD(learning_rate=0.5),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, w: w)
    >>> [float(w[0]) for w in cluster.run(steps=3).parameters[:4]]
    [1.0, 1.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "delayed"

    steps: int = 1
    compensation: float = 0.0
    drain: str = "apply"

    def __post_init__(self) -> None:
        whole("steps", self.steps, 0)
        real("compensation", self.compensation, 0)
        one_of("drain", self.drain, ("apply", "drop"))

    @property
    def delay(self) -> int:
        return self.steps

    @property
    def hides(self) -> bool:
        return self.steps > 0  # k = 0 is Synchronous, and is held to what that can do

    @property
    def drains(self) -> bool:
        return self.drain == "apply"

    @property
    def compares_parameters(self) -> bool:
        return self.compensation > 0 and self.steps > 0

    def correct(self, gradient: Array, now: Array, then: Array) -> Array:
        if not self.compares_parameters:
            return gradient
        return gradient + self.compensation * gradient * gradient * (now - then)

    def memory(self) -> float:
        return self.steps * (2 if self.compares_parameters else 1)
