"""Several backward passes for one step: their gradients add up on this rank before anything travels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

Step = Callable[[Mapping[int, tf.Tensor]], None]


class Passes:
    """Sums stand in variables of the optimizer's, one copy of the parameters, and are saved with it."""

    def __init__(self, passes: int, outer: keras.optimizers.Optimizer) -> None:
        self._passes, self._outer = passes, outer
        self._sums: tuple[Any, ...] = ()
        self._present: frozenset[int] | None = None

    def build(self, variables: Sequence[Any]) -> None:
        if self._passes > 1:
            self._sums = tuple(self._outer.add_variable_from_reference(variable, "pass") for variable in variables)
            self._made = self._outer.add_variable((), dtype="int32", name="passes")

    def step(self, gradients: Mapping[int, tf.Tensor], step: Step) -> None:
        """Trace a pass, with the step behind the last."""
        if self._passes == 1:
            step(gradients)
            return
        if self._present is None:
            self._present = frozenset(gradients)
        if self._present != frozenset(gradients):
            raise ValueError("With several passes the same variables must have gradients in each")
        for number, gradient in gradients.items():
            self._sums[number].assign_add(tf.cast(gradient, self._sums[number].value.dtype))
        made = self._made.value + 1

        def last() -> tf.Tensor:
            step({number: self._sums[number].value.read_value() for number in gradients})
            for number in gradients:
                self._sums[number].assign(tf.zeros_like(self._sums[number].value))
            return tf.constant(True)

        tf.cond(tf.equal(made, self._passes), last, lambda: tf.constant(False))
        self._made.assign(made % self._passes)
