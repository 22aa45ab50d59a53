"""Gradients of ranks with unequal batches: a mean over all samples, not over ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import horovod.tensorflow as hvd
import tensorflow as tf

from algorithms.tensorflow.collectives import gathered

UNSAID = -1.0


class Samples:
    """How many samples this rank's next gradient is the mean of."""

    def __init__(self) -> None:
        self._said = tf.Variable(UNSAID, dtype=tf.float64, trainable=False, name="samples")

    def say(self, samples: Any) -> None:
        self._said.assign(tf.cast(samples, tf.float64))

    def taken(self) -> tf.Tensor:
        """What was said, for this step alone."""
        said = self._said.read_value()
        with tf.control_dependencies([said]):
            self._said.assign(UNSAID)
        return said


def shares(weight: tf.Tensor, name: str, among: hvd.ProcessSet) -> tuple[tf.Tensor, tf.Tensor]:
    """This rank's samples and the mean number of all, which no rank goes without having said."""
    everyone = tf.reshape(gathered(tf.reshape(weight, [1]), name, among), [-1])
    silent = tf.reshape(tf.where(everyone < 0), [-1])
    said = tf.debugging.Assert(
        tf.size(silent) == 0, ["rank", silent, ": weighted=True needs weigh(samples) before each apply()"]
    )
    some = tf.debugging.Assert(
        tf.reduce_sum(everyone) > 0, ["no rank had a sample: at least one must call weigh() with more than 0"]
    )
    with tf.control_dependencies([said, some]):
        return tf.identity(weight), tf.reduce_sum(everyone) / among.size()


def weighed(
    gradients: Mapping[int, tf.Tensor], weight: tf.Tensor, name: str, among: hvd.ProcessSet, *, for_good: bool
) -> tuple[dict[int, tf.Tensor], tf.Tensor | None]:
    """What travels, so that the mean over ranks is one over samples, and what that must still be multiplied by.

    Relatively, or half precision could not hold it; but where a format remembers what it has not sent (`for_good`), a
    sample counts the same in every step.
    """
    mine, mean = shares(weight, name, among)
    share, after = (mine, 1 / mean) if for_good else (mine / mean, None)

    def times(gradient: tf.Tensor) -> tf.Tensor:
        # An empty batch may have made it NaN.
        return tf.where(share > 0, gradient * tf.cast(share, gradient.dtype), tf.zeros_like(gradient))

    return {number: times(gradient) for number, gradient in gradients.items()}, after
