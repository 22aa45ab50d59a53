"""How long training stood still for an exchange, measured by the traced steps themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from algorithms.tensorflow.clock import Clock, moment


def _number(value: float, name: str) -> tf.Variable:
    return tf.Variable(value, dtype=tf.float64, trainable=False, name=name)


class Exposure:
    """Adds up seconds. What passes between the end of backward and the last landing, where a step ends with that.

    Where the exchange crosses into the next step, standing still shows only in how long that step takes: what passes
    between one backward's end and the next step's first gradient, beyond what it takes when nothing is travelling. As
    long as that has not been measured, only the ends of functions are counted, where everything lands.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._total = _number(0.0, "exposed_seconds")
        self._ended = _number(0.0, "backward_ended")
        self._landed = _number(0.0, "landed")
        self._undisturbed = _number(math.inf, "undisturbed_seconds")

    @property
    def seconds(self) -> float:
        return float(self._total.numpy()) + max(0.0, float(self._landed.numpy() - self._ended.numpy()))

    def undisturbed(self, seconds: float) -> None:
        """From a step's beginning to its first gradient, with nothing under way."""
        self._undisturbed.assign(seconds)

    def step(self, ready: Sequence[tf.Tensor], landed: Sequence[tf.Tensor], crossed: bool, first: tf.Tensor) -> None:
        """Trace: gradients `ready`, of which `first` comes first, and averages `landed` of one step.

        crossed: the exchange of the step before may go on during this one.
        """
        waited = self._landed.read_value() - self._ended.read_value()
        if crossed:
            waited = moment(self._clock, [first]) - self._ended.read_value() - self._undisturbed.read_value()
        self._total.assign_add(tf.maximum(waited, 0.0))
        self._ended.assign(moment(self._clock, ready))
        # A stateful operation, which always runs, consumes every average: none can be pruned on one rank only.
        self._landed.assign(moment(self._clock, landed))
