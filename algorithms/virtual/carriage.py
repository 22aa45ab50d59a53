"""All workers' numbers on one wire: coded, added up and decoded in step, with what each worker remembers of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from algorithms.wire.arrays import Array, Arrays
from algorithms.wire.format import Crossing, Format, Journey, Landed, Leg, Memory, Reduce, Shape, elements


def in_step(journeys: Sequence[Journey], arrays: Arrays) -> list[Landed]:
    """All workers' journeys, each leg reduced over all of them."""
    legs: list[Leg] = [next(journey) for journey in journeys]
    while True:
        reduced = _reduced(legs[0].reduce, [leg.array for leg in legs], arrays)
        landed: list[Landed] = []
        following: list[Leg] = []
        for journey in journeys:
            try:
                following.append(journey.send(reduced))
            except StopIteration as end:
                landed.append(end.value)
        if landed:
            return landed
        legs = following


def _reduced(how: Reduce, parts: Sequence[Array], arrays: Arrays) -> Array:
    if how is Reduce.MAX:
        return reduce(lambda one, other: arrays.chosen(one > other, one, other), parts)
    total = reduce(lambda one, other: one + other, parts)
    return total / len(parts) if how is Reduce.MEAN else total


class Carriage:
    """Vectors of a fixed layout, exchange after exchange."""

    def __init__(self, form: Format, workers: int, shapes: Sequence[Shape], arrays: Arrays, *, mean: bool) -> None:
        if all(form.units(shape) is None for shape in shapes):  # where one may cut, one need not
            shapes = ((sum(map(elements, shapes)),),)
        self.form, self.workers, self.shapes, self.arrays, self.mean = form, workers, shapes, arrays, mean
        self.memories: dict[tuple[int, int, int], Memory] = {}  # by worker, tensor and unit

    def bytes(self, item: int) -> int:
        """What one exchange hands to the wire."""
        return sum(self.form.bytes(shape, item) for shape in self.shapes)

    def __call__(self, parts: Sequence[Array | None]) -> Array:
        """The mean or the sum. None: this worker has nothing to send, not even what it remembers."""
        nothing = next(part for part in parts if part is not None) * 0
        landed: list[Array] = []
        begin = 0
        for tensor, shape in enumerate(self.shapes):
            size = elements(shape)
            for unit, (start, stop) in enumerate(self.form.units(shape) or ((0, size),)):
                span = slice(begin + start, begin + stop)
                given = [None if part is None else part[span] for part in parts]
                if start < stop:
                    landed.append(self._unit(tensor, unit, given, nothing[span]))
            begin += size
        return reduce(self.arrays.joined, landed) if landed else nothing

    def _unit(self, tensor: int, unit: int, parts: Sequence[Array | None], nothing: Array) -> Array:
        crossing = Crossing(workers=self.workers, shape=self.shapes[tensor], mean=self.mean)
        kept = [self._memory(worker, tensor, unit, nothing) for worker in range(self.workers)]
        journeys = []
        for part, memory in zip(parts, kept, strict=True):
            known = memory if part is not None else memory.without(nothing)
            journeys.append(self.form.journey(nothing if part is None else part, known, crossing, self.arrays))
        landed = in_step(journeys, self.arrays)
        for worker, (part, old, end) in enumerate(zip(parts, kept, landed, strict=True)):
            new = end.memory if part is not None else end.memory.without(old.residual)
            self.memories[worker, tensor, unit] = new
        return landed[0].result

    def _memory(self, worker: int, tensor: int, unit: int, nothing: Array) -> Memory:
        if (worker, tensor, unit) in self.memories:
            return self.memories[worker, tensor, unit]
        shape = self.shapes[tensor]
        basis = self.form.basis(shape, tensor)
        made = None if basis is None else self.arrays.made(basis, nothing)
        return Memory(nothing if self.form.leaves(shape) else None, made)
