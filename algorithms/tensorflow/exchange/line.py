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


class Line:
    """The state of one variable. Lines move by assigning whole tensors, which share their buffers: nothing is copied."""

    def __init__(self, algorithm: Exchange, variable: Any, create: Create) -> None:
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

    def keep(self, flying: Sequence[tf.Tensor], then: Sequence[Any]) -> None:
        """What is in flight from now on, and where it was taken, oldest first."""
        for slot, value in zip((*self.waiting, self.newest), flying, strict=True):
            slot.assign(value)
        if self.then:
            for slot, value in zip(self.then, then, strict=True):
                slot.assign(value)
