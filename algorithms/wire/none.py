"""Numbers travel as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from algorithms.wire.arrays import Array, Arrays
from algorithms.wire.format import Crossing, Format, Journey, Landed, Leg, Memory, Shape, elements


@dataclass(frozen=True, kw_only=True)
class Uncoded(Format):
    """Numbers travel as they are: b bytes each, nothing lost, nothing kept.

    >>> Uncoded().bytes((10, 10), 4)
    400
    """

    name: ClassVar[str] = "none"

    def journey(self, part: Array, memory: Memory, crossing: Crossing, arrays: Arrays) -> Journey:
        result = yield Leg(part, crossing.plain)
        return Landed(result, memory)

    def bytes(self, shape: Shape, item: int) -> int:
        return elements(shape) * item
