"""Adasum: workers' steps are added where they are orthogonal and averaged where they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from algorithms.contract import Array, Centre, Own, Reduction, Rounds, Situation


@dataclass(frozen=True, kw_only=True)
class Adasum(Rounds):
    """Each worker takes its own step; what travels is the step, and pairs of steps are combined by their angle.

    Update:     Δ_i = U(x, g_i) - x          x ← x + Δ_{1..n}, combined pairwise, recursively, tensor by tensor:
                Δ_{ab} = (1 - Δ_a·Δ_b / (2‖Δ_a‖²)) Δ_a + (1 - Δ_a·Δ_b / (2‖Δ_b‖²)) Δ_b
    Memory 1 W: the point where the step began; bytes as 2(n-1)/n W a step, plus a few scalars for each tensor.
    Departs:    from Horovod's in nothing; the number of workers must be a power of two, and Horovod does it over MPI
                only (the bindings refuse a job on Gloo). The sum is at most as long as n steps: tune the learning rate
                rather than scaling it by n.
    Reference:  Maleki et al. 2021, "Scaling Distributed Training with Adaptive Summation".

    >>> import numpy as np
    >>> from algorithms.virtual import SGD, Cluster
    >>> cluster = Cluster(workers=2, algorithm=Adasum(), optimizer=SGD(learning_rate=1.0),
    ...                   parameters=np.zeros(2), gradient=lambda worker, step, x: -np.eye(2)[worker])
    >>> cluster.run(steps=1).parameters[1].tolist()
    [1.0, 1.0]
    """

    name: ClassVar[str] = "adasum"
    reduction: ClassVar[Reduction] = Reduction.ADASUM
    refuses_formats: ClassVar[str] = "whose sums depend on the directions of what travels"

    def check(self, workers: int) -> None:
        if workers & (workers - 1):
            raise ValueError(f"workers={workers}: Adasum combines pairs, so it must be a power of two")

    def quorum(self, workers: int) -> int:
        return workers

    def offer(self, own: Own, centre: Centre, situation: Situation) -> Array:
        return own.parameters - centre.parameters

    def close(self, centre: Centre, total: Array, situation: Situation) -> Centre:
        return replace(centre, parameters=centre.parameters + total)

    def memory(self) -> float:
        return 1


def adaptive_sum(steps: Sequence[Array], dot: Callable[[Array, Array], float]) -> Array:
    """Combine a power of two of steps pairwise: neighbours first, then pairs of pairs."""
    while len(steps) > 1:
        steps = [pair(a, b, dot) for a, b in zip(steps[::2], steps[1::2], strict=True)]
    return steps[0]


def pair(a: Array, b: Array, dot: Callable[[Array, Array], float]) -> Array:
    """Two steps as one; a step of length zero adds nothing and changes nothing."""
    overlap, a_squared, b_squared = dot(a, b), dot(a, a), dot(b, b)
    if a_squared == 0 or b_squared == 0:
        return a + b
    return a * (1 - overlap / (2 * a_squared)) + b * (1 - overlap / (2 * b_squared))
