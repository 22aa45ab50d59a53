"""Synchronous gradient descent: everybody waits for everybody, every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Exchange, Moment, Role
from algorithms.mechanisms.validation import flag


@dataclass(frozen=True, kw_only=True)
class Synchronous(Exchange):
    """One average of all gradients per step, applied by all.

    Update:     ḡ_t = (1/n) Σ_i g^i_t          w_{t+1} = U(w_t, ḡ_t)
    Arguments:  overlap=False: one blocking exchange after backward, the papers' baseline (A1);
                overlap=True: each gradient leaves as soon as backward has produced it, one wait at the end (A2).
    Memory 0, bytes 2(n-1)/n W a step.
    Departs:    the authors' Caffe multiplies the learning rate by 1/n and divides the weight decay by the same factor;
                averaging the gradients alone, as here, is the same update.
    Reference:  Daily, Vishnu, Siegel 2016, "Leveraging Asynchronicity in Gradient Descent for Scalable Deep Learning".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=4, algorithm=Synchronous(), optimizer=SGD(learning_rate=1.0),
    ...                   parameters=np.zeros(1), gradient=lambda worker, step, w: w - worker)
    >>> float(cluster.run(steps=1).parameters[1][0])
    1.5
    """

    name: ClassVar[str] = "synchronous"

    overlap: bool = False

    def __post_init__(self) -> None:
        flag("overlap", self.overlap)

    @property
    def role(self) -> Role:
        return Role.ALGORITHM if self.overlap else Role.REFERENCE

    @property
    def start(self) -> Moment:
        return Moment.GRADIENT_READY if self.overlap else Moment.BACKWARD_ENDED
