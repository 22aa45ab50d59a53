"""Matrices travel as the product of two thin ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from algorithms.mechanisms.validation import whole
from algorithms.wire.arrays import Array, Arrays
from algorithms.wire.format import Crossing, Format, Journey, Landed, Leg, Memory, Shape, Units, elements


@dataclass(frozen=True, kw_only=True)
class PowerSGD(Format):
    """Of every matrix the `rank` main directions travel, found by one step of power iteration, and the rest waits.

        M_i = X_i + E_i
        P = orthonormal columns of  sum_i M_i Q            an all-reduce of rows * rank numbers
        Q_i = M_i^T P;   Q' = sum_i Q_i                    an all-reduce of columns * rank numbers
        mean = P Q'^T / N;   E_i' = M_i - P Q_i^T

    Q begins with random columns, the same everywhere, and is carried on, so that the iteration converges over the steps
    (warm start). A tensor of more dimensions is a matrix of its outputs and all else. Vectors, and matrices that two thin
    ones would not make smaller, travel as they are. Where a number is not finite the mean is NaN on every worker, and Q and
    E_i stay as they were.

    `rank` is r. Departures from the paper: E_i is what this worker has not sent, M_i - P Q_i^T, and not
    M_i - P Q'^T / N; both add up to the same over all workers. All workers compute P from the same sum; unlike
    processors may round it differently, which `check_every` tells.

    Of use for changes of parameters, not for parameters themselves: what is missing of them is no small change.

    Memory: E_i, one copy, and Q. Bytes: (rows + columns) * rank numbers for a matrix.

    Vogels, Karimireddy and Jaggi, "PowerSGD", 2019.

    >>> PowerSGD(rank=2).bytes((100, 50), 4)
    1200
    """

    name: ClassVar[str] = "powersgd"
    feeds_back: ClassVar[bool] = True
    of_changes_only: ClassVar[bool] = True

    rank: int = 4

    def __post_init__(self) -> None:
        whole("rank", self.rank, 1)

    def journey(self, part: Array, memory: Memory, crossing: Crossing, arrays: Arrays) -> Journey:
        if not self._thin(crossing.shape):
            result = yield Leg(part, crossing.plain)
            return Landed(result, memory)
        wanted = arrays.shaped(part + memory.residual, crossing.shape)
        spanned = yield Leg(wanted @ arrays.turned(memory.basis))
        finite = arrays.finite(spanned)
        p = arrays.orthonormal(arrays.chosen(finite, spanned, 0.0))
        own = arrays.turned(p) @ wanted  # Q_i^T: a product with the large matrix turned would take far longer
        left = arrays.shaped(wanted - p @ own, (elements(crossing.shape),))
        q = yield Leg(own)
        mean = arrays.shaped(p @ (q / crossing.divisor), (elements(crossing.shape),))
        finite = finite & arrays.finite(q)
        lives = finite & (arrays.largest(q) > 0)  # of zeros nothing would ever come again
        kept = Memory(arrays.chosen(finite, left, memory.residual), arrays.chosen(lives, q, memory.basis))
        return Landed(arrays.chosen(finite, mean, float("nan")), kept)

    def _thin(self, shape: Shape) -> int:
        """Columns that travel of each of the two; 0: the tensor travels as it is."""
        if len(shape) != 2:
            return 0
        rank = min(self.rank, *shape)
        return rank if rank * sum(shape) < elements(shape) else 0

    def bytes(self, shape: Shape, item: int) -> int:
        rank = self._thin(shape)
        return item * (rank * sum(shape) if rank else elements(shape))

    def units(self, shape: Shape) -> Units | None:
        return ((0, elements(shape)),) if self._thin(shape) else None

    def basis(self, shape: Shape, number: int) -> NDArray[np.float64] | None:
        rank = self._thin(shape)
        return np.random.default_rng(number).standard_normal((rank, shape[1])) if rank else None

    def leaves(self, shape: Shape) -> bool:
        return bool(self._thin(shape))
