"""How long training stood still for an exchange, measured by the traced steps themselves."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from algorithms.tensorflow.clock import Clock, moment


def _number(name: str) -> tf.Variable:
    return tf.Variable(0.0, dtype=tf.float64, trainable=False, name=name)


class Exposure:
    """Adds up seconds. Where a step ends when all has landed, that is what passes between backward's end and then.

    Where the exchange crosses into the next step, standing still shows only in how long that step takes: what passes
    between one backward's end and the next step's first gradient, beyond what it takes when nothing is travelling.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._total = _number("exposed_seconds")
        self._backward_ended = _number("backward_ended")
        self._undisturbed = _number("undisturbed_seconds")

    @property
    def seconds(self) -> float:
        return float(self._total.numpy())

    def undisturbed(self, seconds: float) -> None:
        """From a step's beginning to its first gradient, with nothing under way."""
        self._undisturbed.assign(seconds)

    def step_ends(self, ready: Sequence[tf.Tensor], landed: Sequence[tf.Tensor]) -> None:
        """Trace: the step goes on, or the function returns, when all of `landed` is there."""
        waited = moment(self._clock, landed) - moment(self._clock, ready)
        # A stateful operation, which always runs, consumes every average: none can be pruned on one rank only.
        self._total.assign_add(tf.maximum(waited, 0.0))

    def step_crosses(self, ready: Sequence[tf.Tensor], landed: Sequence[tf.Tensor]) -> None:
        """Trace: the next step begins when backward ends, and waits for what it needs."""
        self._backward_ended.assign(moment(self._clock, ready))
        with tf.control_dependencies(landed):  # consumed, see above
            self._total.assign_add(0.0)

    def step_was_crossed(self, first: tf.Tensor) -> None:
        """Trace: another step's exchange was under way until this step's first gradient, or less."""
        passed = moment(self._clock, [first]) - self._backward_ended.read_value()
        self._total.assign_add(tf.maximum(passed - self._undisturbed.read_value(), 0.0))
