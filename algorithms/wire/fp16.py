"""Half-precision numbers on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.wire.arrays import Array, Arrays
from algorithms.wire.format import Crossing, Format, Journey, Landed, Leg, Memory, Shape, elements


def room(workers: int) -> int:
    """A power of two, so that dividing rounds nothing, and twice what is needed: rounded sums cannot reach the end."""
    return 2 << (workers - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class FP16(Format):
    """Every number travels in half precision, 2 bytes, and the sum is made in it, too.

        sent_i = half(x_i / s),   s a power of two, 2 N or a little more   (`room`)
        mean = s / N * sum_i sent_i

    Dividing before the sum, not behind it as Horovod's `Compression.fp16` does, keeps N large numbers from adding up to
    infinity: where every x_i fits into half precision (magnitudes up to 65504) the sum does. It costs the smallest:
    below s * 6e-8 a number travels as zero. What is larger than 65504 becomes infinite on every worker alike, as an
    overflow does under a loss scale. 11 bits of each number are left, and nothing is remembered of the others: rounding
    to nearest has no direction that would add up.

    Memory: none. Bytes: 2 for each number.

    >>> FP16().bytes((10, 10), 4)
    200
    """

    name: ClassVar[str] = "fp16"

    def journey(self, part: Array, memory: Memory, crossing: Crossing, arrays: Arrays) -> Journey:
        spare = room(crossing.workers)
        total = yield Leg(arrays.cast(part / spare, "float16"))
        return Landed(arrays.like(total, part) * (spare / crossing.divisor), memory)

    def bytes(self, shape: Shape, item: int) -> int:
        return 2 * elements(shape)
