"""Stock Horovod: the control, untouched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Exchange, Role


@dataclass(frozen=True, kw_only=True)
class StockHorovod(Exchange):
    """What a user gets from Horovod itself: reductions start during backward, one wait before the optimizer.

    Update:     w_{t+1} = U(w_t, (1/n) Σ_i g^i_t)
    Memory 0 (gradients are reduced in place; Horovod's own fusion buffers are not counted), bytes 2(n-1)/n W a step.
    Departs:    torch: `hvd.DistributedOptimizer` itself. TensorFlow: what `hvd.DistributedGradientTape` does, because
                Horovod 0.28.1's Keras optimizers silently reduce nothing on Keras 3.
    Reference:  Sergeev and Del Balso 2018, "Horovod: fast and easy distributed deep learning in TensorFlow".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=StockHorovod(), optimizer=SGD(learning_rate=0.5),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, w: w - worker)
    >>> [float(w[0]) for w in cluster.run(steps=60).workers]
    [0.5, 0.5]
    """

    name: ClassVar[str] = "stock_horovod"
    refuses_formats: ClassVar[str] = "the control, which leaves Horovod as it is"

    @property
    def role(self) -> Role:
        return Role.CONTROL
