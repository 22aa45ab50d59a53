"""Layer-wise gradient descent: exact, and each layer travels on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Exchange, Finish
from algorithms.mechanisms.validation import one_of

FINISH = {
    "all": Finish.TOGETHER,
    "backward": Finish.BACKWARD,
    "completion": Finish.COMPLETION,
    "forward": Finish.NEXT_USE,
}


@dataclass(frozen=True, kw_only=True)
class LayerWise(Exchange):
    """Every layer's average leaves when its gradient is ready and is waited for on its own.

    Update:     for each layer l:  ḡ^l_t = (1/n) Σ_i g^{i,l}_t         w^l_{t+1} = U(w^l_t, ḡ^l_t)
    Arguments:  order="all": wait for all, then apply (A2). "backward": wait and apply from the last layer to the first
                (A3). "completion": apply whichever has landed (A4). "forward": wait for a layer right before the next
                forward uses it, so that the exchange hides behind the next step's forward too.
    Memory 0 (the paper's receive buffer of 1 W is not needed where a gradient is final when its event fires),
    bytes 2(n-1)/n W a step.
    Departs:    "forward" is not in the paper; it is the cross-barrier idea of P3 (Jayarajan et al. 2019) and ByteScheduler
                (Peng et al. 2019), with one order of transmission planned for all workers instead of priorities.
                All four are exact: the same numbers as Synchronous.
    Reference:  Daily, Vishnu, Siegel 2016, "Leveraging Asynchronicity in Gradient Descent for Scalable Deep Learning".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=4, algorithm=LayerWise(order="forward"), optimizer=SGD(learning_rate=1.0),
    ...                   parameters=np.zeros(1), gradient=lambda worker, step, w: w - worker)
    >>> float(cluster.run(steps=1).parameters[1][0])
    1.5
    """

    name: ClassVar[str] = "layerwise"

    order: str = "forward"

    def __post_init__(self) -> None:
        one_of("order", self.order, tuple(FINISH))

    @property
    def finish(self) -> Finish:
        return FINISH[self.order]
