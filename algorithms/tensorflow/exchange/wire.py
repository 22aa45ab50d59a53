"""Tensors on the wire in a format, as dataflow; what is remembered of them stands in variables of the optimizer's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import horovod.tensorflow as hvd
import tensorflow as tf

from algorithms.mechanisms.plan import Piece
from algorithms.mechanisms.routes import Freight
from algorithms.tensorflow.arrays import TensorFlowArrays, kind_on_wire, shape_of
from algorithms.tensorflow.collectives import exchange
from algorithms.wire import NONE, Format
from algorithms.wire.format import Crossing, Memory, Reduce, elements

OPS = {Reduce.SUM: hvd.Sum, Reduce.MEAN: hvd.Average, Reduce.MAX: hvd.Max}
ARRAYS = TensorFlowArrays()

Create = Callable[..., Any]  # a variable of the optimizer's: shape, initializer, dtype, name


class Carrier:
    """One rank's side of every exchange."""

    def __init__(
        self, form: Format, variables: Sequence[Any], create: Create, among: hvd.ProcessSet, *, mean: bool
    ) -> None:
        self.form, self._among, self._mean = form, among, mean
        self._shapes = [shape_of(variable) for variable in variables]
        self._kinds = [kind_on_wire(variable, form) for variable in variables]
        self._residuals: dict[tuple[int, int], Any] = {}  # by tensor and first element
        self._bases: dict[int, Any] = {}
        for number, (shape, kind) in enumerate(zip(self._shapes, self._kinds, strict=True)):
            if form.leaves(shape):
                for start, stop in form.units(shape) or ():
                    name = f"residual_{number}_{start}"
                    self._residuals[number, start] = create((stop - start,), "zeros", kind.name, name=name)
            basis = form.basis(shape, number)
            if basis is not None:
                begins = _beginning(basis)
                self._bases[number] = create(basis.shape, begins, kind.name, name=f"basis_{number}")

    @property
    def bytes(self) -> int:
        """What one exchange of everything hands to Horovod."""
        return sum(self.form.bytes(shape, kind.size) for shape, kind in zip(self._shapes, self._kinds, strict=True))

    @property
    def freight(self) -> Freight:
        """What a route must know of it."""
        plain = sum(elements(shape) * kind.size for shape, kind in zip(self._shapes, self._kinds, strict=True))
        return Freight(self.bytes / plain if plain else 1.0, tuple(self.form.units(shape) for shape in self._shapes))

    @property
    def variables(self) -> list[Any]:
        return [*self._residuals.values(), *self._bases.values()]

    @property
    def common(self) -> list[Any]:
        """Of these, what is the same on all ranks."""
        return list(self._bases.values())

    @property
    def residuals(self) -> list[Any]:
        """Of these, what is each rank's own."""
        return list(self._residuals.values())

    def whole(self, number: int, tensor: tf.Tensor, name: str, present: tf.Tensor | None = None) -> tf.Tensor:
        """The mean or the sum of one tensor, which is cut as the format cuts it."""
        size = elements(self._shapes[number])
        units = self.form.units(self._shapes[number]) or ((0, size),)
        if not size:
            return tensor
        flat = tf.reshape(tensor, [-1])
        cut = [flat] if len(units) == 1 else tf.split(flat, [stop - start for start, stop in units])
        parts = [
            self.carry(Piece(number, start, stop), part, f"{name}.{start}" if start else name, present)
            for (start, stop), part in zip(units, cut, strict=True)
        ]
        shape = tensor.shape if tensor.shape.is_fully_defined() else tf.shape(tensor)
        return tf.reshape(parts[0] if len(parts) == 1 else tf.concat(parts, 0), shape)

    def carry(self, piece: Piece, part: tf.Tensor, name: str, present: tf.Tensor | None = None) -> tf.Tensor:
        """The mean or the sum of one flat piece. Where this rank is not `present` it sends zeros and keeps its residual."""
        crossing = Crossing(workers=self._among.size(), shape=self._shapes[piece.tensor], mean=self._mean)
        if self.form == NONE:
            return exchange(part, name, self._among, OPS[crossing.plain])
        held, sent = self._memory(piece), tf.cast(part, self._kinds[piece.tensor])
        answers = present is not None and held.residual is not None  # for what it remembers, too
        known = held.without(tf.where(present, held.residual, tf.zeros_like(sent))) if answers else held
        journey = self.form.journey(sent, known, crossing, ARRAYS)
        leg, stage = next(journey), 0
        while True:
            reduced = exchange(leg.array, f"{name}.{stage}" if stage else name, self._among, OPS[leg.reduce])
            try:
                leg, stage = journey.send(reduced), stage + 1
            except StopIteration as end:
                result, memory = end.value.result, end.value.memory
                break
        if answers:
            memory = memory.without(tf.where(present, memory.residual, held.residual))
        self._keep(piece, memory)
        return tf.cast(result, part.dtype)

    def _memory(self, piece: Piece) -> Memory:
        residual, basis = self._residuals.get((piece.tensor, piece.start)), self._bases.get(piece.tensor)
        return Memory(
            None if residual is None else residual.value.read_value(),
            None if basis is None else basis.value.read_value(),
        )

    def _keep(self, piece: Piece, memory: Memory) -> None:
        if memory.residual is not None:
            self._residuals[piece.tensor, piece.start].assign(memory.residual)
        if memory.basis is not None:
            self._bases[piece.tensor].assign(memory.basis)


def _beginning(values: Any) -> Callable[..., tf.Tensor]:
    return lambda shape, dtype=None: tf.cast(tf.constant(values), dtype)
