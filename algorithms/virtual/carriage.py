"""All workers' numbers on one wire: coded, added up and decoded in step, with what each worker remembers of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from algorithms.virtual.optimizers import Vector
from algorithms.wire.arrays import NumPyArrays
from algorithms.wire.format import Crossing, Format, Journey, Landed, Leg, Memory, Reduce, Shape, elements

_ADDED: dict[Reduce, Callable[[list[Any]], Any]] = {
    Reduce.SUM: lambda arrays: sum(arrays[1:], arrays[0]),
    Reduce.MEAN: lambda arrays: sum(arrays[1:], arrays[0]) / len(arrays),
    Reduce.MAX: lambda arrays: np.max(arrays, axis=0),
}


def in_step(journeys: Sequence[Journey]) -> list[Landed]:
    """All workers' journeys, each leg reduced over all of them."""
    legs: list[Leg] = [next(journey) for journey in journeys]
    while True:
        reduced = _ADDED[legs[0].reduce]([leg.array for leg in legs])
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


class Carriage:
    """Vectors of a fixed layout, exchange after exchange."""

    def __init__(self, form: Format, workers: int, shapes: Sequence[Shape], *, mean: bool) -> None:
        if all(form.units(shape) is None for shape in shapes):  # where one may cut, one need not
            shapes = ((sum(map(elements, shapes)),),)
        self.form, self.workers, self.shapes, self.mean = form, workers, shapes, mean
        self.arrays = NumPyArrays()
        self.memories: dict[tuple[int, int, int], Memory] = {}  # by worker, tensor and unit

    def bytes(self, item: int) -> int:
        """What one exchange hands to the wire."""
        return sum(self.form.bytes(shape, item) for shape in self.shapes)

    def __call__(self, parts: Sequence[Vector | None]) -> Vector:
        """The mean or the sum. None: this worker has nothing to send, not even what it remembers."""
        like = next(part for part in parts if part is not None)
        result = np.empty_like(like)
        begin = 0
        for tensor, shape in enumerate(self.shapes):
            size = elements(shape)
            for unit, (start, stop) in enumerate(self.form.units(shape) or ((0, size),)):
                if start < stop:
                    span = slice(begin + start, begin + stop)
                    result[span] = self._unit(tensor, unit, [None if p is None else p[span] for p in parts], like[span])
            begin += size
        return result

    def _unit(self, tensor: int, unit: int, parts: Sequence[Vector | None], like: Vector) -> Vector:
        shape = self.shapes[tensor]
        crossing = Crossing(workers=self.workers, shape=shape, mean=self.mean)
        kept = [self._memory(worker, tensor, unit, like) for worker in range(self.workers)]
        journeys = []
        for part, memory in zip(parts, kept, strict=True):
            sent = part if part is not None else np.zeros_like(like)
            known = memory if part is not None else memory.without(sent)
            journeys.append(self.form.journey(sent, known, crossing, self.arrays))
        landed = in_step(journeys)
        for worker, (part, old, end) in enumerate(zip(parts, kept, landed, strict=True)):
            new = end.memory if part is not None else end.memory.without(old.residual)
            self.memories[worker, tensor, unit] = new
        result: Vector = landed[0].result
        return result

    def _memory(self, worker: int, tensor: int, unit: int, like: Vector) -> Memory:
        if (worker, tensor, unit) not in self.memories:
            shape = self.shapes[tensor]
            basis = self.form.basis(shape, tensor)
            return Memory(
                np.zeros_like(like) if self.form.leaves(shape) else None,
                None if basis is None else basis.astype(like.dtype),
            )
        return self.memories[worker, tensor, unit]
