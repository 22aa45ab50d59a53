"""No communication: the ceiling that every speed-up is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Exchange, Role


@dataclass(frozen=True, kw_only=True)
class NoCommunication(Exchange):
    """Each worker trains alone; nothing travels, so the rate is the machine's and the models are meaningless.

    Update:     w^i_{t+1} = U(w^i_t, g^i_t)                     U is the user's optimizer
    Memory 0, bytes 0.
    Reference:  the "no comm" bars of Daily, Vishnu, Siegel 2016, "Leveraging Asynchronicity in Gradient Descent for
                Scalable Deep Learning" (submitted to ICLR 2017).

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=NoCommunication(), optimizer=SGD(learning_rate=0.5),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, w: w - worker)
    >>> [float(w[0]) for w in cluster.run(steps=2).workers]
    [0.25, 1.0]
    """

    name: ClassVar[str] = "no_communication"
    reduces: ClassVar[bool] = False

    @property
    def role(self) -> Role:
        return Role.CEILING

    def bytes_per_exchange(self, workers: int, parameter_bytes: float) -> float:
        return 0.0
