"""Keeping TensorFlow's graph optimizers away from what only looks like a pure function of its inputs.

Horovod does not mark its operations stateful, and neither are our calls of a clock. Where such an operation has constant
inputs, constant folding runs it once while the graph is optimized and puts the result in its place: the reductions of all
later steps silently do not happen. Two of them with the same input become one. What depends on the value of a variable is
no constant, and no two reads of it are the same.
"""

from __future__ import annotations

from functools import cache

import tensorflow as tf


@cache
def _one_column() -> tf.Variable:
    """A shape with two unknown dimensions, as far as the optimizers can see; a single one they would infer."""
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.Variable([-1, 1], dtype=tf.int32, trainable=False, name="one_column")


def column(tensor: tf.Tensor) -> tf.Tensor:
    """A tensor's elements one below the other, without a copy, never taken for a constant or for another tensor's."""
    return tf.reshape(tensor, _one_column().read_value())
