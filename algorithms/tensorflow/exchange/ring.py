"""What a delay keeps between steps: averages that wait for their turn, and the last step's own gradients.

The newest gradients are reduced during the *next* step: their exchange depends on nothing in it, so it hides behind the
whole of it, whoever traced the step. Their average then waits in line until the delay is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from algorithms.contract import Exchange

Create = Callable[[Any, str], Any]  # (reference variable, name) -> Keras variable of its shape, filled with zeros


class Ring:
    """The state of one variable. Lines move by assigning whole tensors, which share their buffers: nothing is copied."""

    def __init__(self, algorithm: Exchange, variable: Any, create: Create) -> None:
        self._algorithm = algorithm
        delay = algorithm.delay
        self.waiting = tuple(create(variable, f"average_{age}") for age in range(delay, 1, -1))  # oldest first
        self.newest = create(variable, "gradient")
        compares = algorithm.compares_parameters
        self.then = tuple(create(variable, f"parameters_{age}") for age in range(delay, 0, -1)) if compares else ()

    @property
    def variables(self) -> tuple[Any, ...]:
        return (*self.waiting, self.newest, *self.then)

    def line(self, average: tf.Tensor) -> list[tf.Tensor]:
        """All averages in flight, oldest first."""
        return [*(slot.value.read_value() for slot in self.waiting), average]

    def taken_at(self) -> list[tf.Tensor | None]:
        """The parameters that these were taken at."""
        return [slot.value.read_value() for slot in self.then] or [None] * (len(self.waiting) + 1)

    def push(self, average: tf.Tensor, gradient: tf.Tensor, parameters: tf.Tensor) -> None:
        """Move up: the oldest has gone, this step's gradient joins."""
        _shift(self.waiting, [*(slot.value.read_value() for slot in self.waiting[1:]), average])
        _shift(self.then, [*(slot.value.read_value() for slot in self.then[1:]), parameters])
        self.newest.assign(gradient)

    def corrected(self, average: tf.Tensor, now: tf.Tensor, then: tf.Tensor | None) -> tf.Tensor:
        """What the algorithm applies of an average that is due."""
        return self._algorithm.correct(average, now, then)


def _shift(slots: Sequence[Any], values: Sequence[tf.Tensor]) -> None:
    for slot, value in zip(slots, values, strict=False):  # without slots `values` holds the newcomer alone
        slot.assign(value)
