"""Asynchronous gradient descent: nobody waits for anybody, gradients are applied however old they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.contract import Array, Centre, GradientRounds, Own, Situation
from algorithms.mechanisms.validation import flag, optional_real, whole


@dataclass(frozen=True, kw_only=True)
class Asynchronous(GradientRounds):
    """Every gradient moves the centre as soon as it arrives; its worker has long gone on from what it last read.

    Update:     θ_{t+1} = U(θ_t, Σ_i s(τ_i) c(G_i))      over the gradients G_i that arrived for round t, each taken τ_i
                rounds ago; c(G) = G min(1, C/‖G‖);  s(τ) = 1/τ for τ > 0 with staleness_scaling, else 1
    Arguments:  max_staleness: gradients older than this are dropped; None applies all. staleness_scaling: η_i = η/τ_i.
                clip_norm = C, over all parameters together; None does not clip. averaging: see BackupWorkers.
                ahead=True: a worker goes on while its gradient travels (with one, not more), so that its own last one is
                missing from what it reads and mean staleness is about n; False: it waits for its own gradient to be
                applied, as a worker that talks to a server in one call does; n - 1, and one worker is the local optimizer.
    Memory 3 W: the centre's replica, the gradient that travels and the next one (2 W without `ahead`, +1 W with averaging);
    bytes 2(n-1)/n W a round, which is a full collective however few take part; a parameter server would move 2 W for
    each gradient.
    Departs:    gradients that arrive together are applied as one sum, which for plain SGD is the same as one after the
                other.
    Reference:  Chen et al. 2017, "Revisiting Distributed Synchronous SGD" (Async-Opt, clipping); Zhang, Gupta, Lian, Liu
                2016, "Staleness-aware Async-SGD for Distributed Deep Learning" (scaling).

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=Asynchronous(max_staleness=4), optimizer=SGD(learning_rate=0.1),
    ...                   parameters=np.ones(1), gradient=lambda worker, step, w: w)
    >>> max(cluster.run(steps=50).staleness) <= 4
    True
    """

    name: ClassVar[str] = "asynchronous"

    max_staleness: int | None = None
    staleness_scaling: bool = False
    clip_norm: float | None = None
    ahead: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_staleness is not None:
            whole("max_staleness", self.max_staleness, 0)
        flag("staleness_scaling", self.staleness_scaling)
        flag("ahead", self.ahead)
        optional_real("clip_norm", self.clip_norm, 0, low_allowed=False)

    def quorum(self, workers: int) -> int:
        return 1

    @property
    def waits(self) -> bool:
        return not self.ahead

    def accept(self, staleness: int) -> bool:
        return self.max_staleness is None or staleness <= self.max_staleness

    @property
    def needs_norm(self) -> bool:
        return self.clip_norm is not None

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        scale = 1 / max(1, situation.staleness) if self.staleness_scaling else 1.0
        if self.clip_norm is not None and own.gradient_norm is not None and own.gradient_norm > self.clip_norm:
            scale = scale * self.clip_norm / own.gradient_norm
        return own.gradient if scale == 1.0 else own.gradient * scale

    def combine(self, total: Array, situation: Situation) -> Array:
        return total

    def memory(self) -> float:
        return super().memory() + self.ahead
