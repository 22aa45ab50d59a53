"""Whole numbers of 16 bits on a scale that all workers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.mechanisms.plan import cut
from algorithms.wire.arrays import Array, Arrays
from algorithms.wire.format import Crossing, Format, Journey, Landed, Leg, Memory, Reduce, Shape, Units, elements

LARGEST = 32767  # that 16 bits hold
SMALLEST = 2.0**-120  # step: numbers of 32 bits lose bits below 2^-126
UNIT = 1 << 19  # elements that share a scale at most: 1 MB on the wire, the best piece on two hosts at 400 Mbit/s


def half(size: int) -> int:
    return (size + 1) // 2


def in_pairs(counts: Array, limit: int) -> Array:
    """The first half in the lower 16 bits, made positive so that nothing is carried, and the second in the upper ones."""
    size = counts.shape[0]
    return counts[size - half(size) :] * 65536 + (counts[: half(size)] + limit)


def out_of_pairs(total: Array, limit: int, like: Array, arrays: Arrays) -> Array:
    """The whole numbers again, of the kind of `like`, from a sum of pairs that were made positive by `limit` in all."""
    size = like.shape[0]
    lower = total & 65535
    second = arrays.like(total - lower, like) / 65536
    return arrays.joined(arrays.like(lower, like)[: size - half(size)] - limit, second)


@dataclass(frozen=True, kw_only=True)
class Int16(Format):
    """Every number travels as a multiple of one small step that all workers share, and what is left waits.

        m_i = x_i + e_i
        step = max_i max |m_i| / floor(32767 / N)          an all-reduce of one number for each unit
        q_i = round(m_i / step);   e_i' = m_i - q_i * step
        mean = step / N * sum_i q_i                        whole numbers, whose sum fits into 16 bits

    Sums of whole numbers are exact, whatever their order: all workers hold the same bits. 15 - log2(N) bits are left of
    each number, relative to the largest of its unit; sent and left behind add up to m_i to the last bit. Where any number
    is not finite the mean is NaN on every worker and e_i stays as it was, so that a loss scaler leaves out the step.
    Under a scale that changes, e_i is that of the scale before.

    Horovod's operations know no int16, so two of them travel as one int32.

    Memory: e_i, one copy. Bytes: 2 for each number and one number for each unit of at most 2^19.

    Shared scales let a sum-only all-reduce add up quantised numbers; error feedback is Seide et al.'s, 2014.

    >>> Int16().bytes((10, 10), 4)
    204
    """

    name: ClassVar[str] = "int16"
    feeds_back: ClassVar[bool] = True

    def journey(self, part: Array, memory: Memory, crossing: Crossing, arrays: Arrays) -> Journey:
        wanted = part + memory.residual
        highest = yield Leg(arrays.largest(wanted), Reduce.MAX)
        finite, limit = arrays.finite(highest), LARGEST // crossing.workers
        step = highest / limit
        # Without a number that counts everything waits: of a step that small the last bits would be missing.
        counts = arrays.whole(wanted / arrays.chosen(step > SMALLEST, step, float("inf")))
        left = arrays.chosen(finite, wanted - counts * step, memory.residual)
        total = yield Leg(in_pairs(arrays.cast(counts, "int32"), limit))
        counts = out_of_pairs(total, limit * crossing.workers, part, arrays)
        return Landed(counts * (step / crossing.divisor), Memory(left))

    def bytes(self, shape: Shape, item: int) -> int:
        return sum(4 * half(stop - start) + item for start, stop in self.units(shape))

    def units(self, shape: Shape) -> Units:
        return tuple((piece.start, piece.stop) for piece in cut([elements(shape)], UNIT))
