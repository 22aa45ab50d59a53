"""What wire formats do with arrays, in TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from algorithms.wire.format import Format, Shape, elements

Array = NDArray[Any]

BORDER = 64  # bytes; what a callback hands over TensorFlow takes as it is where it begins there, and writes into it


def shared_memory(tensor: Any) -> Array:
    """A tensor's elements without a copy. Nobody may write into them; TensorFlow itself never does."""
    return np.asarray(tensor)


def given_away(array: Array) -> Array:
    """The array for a callback to hand over, whoever else reads it."""
    if array.ctypes.data % BORDER:
        return array  # TensorFlow copies it
    room = np.empty(array.nbytes + BORDER, np.uint8)
    start = -room.ctypes.data % BORDER
    mine: Array = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    mine[...] = array
    return mine


class TensorFlowArrays:
    """Inside or outside of traces."""

    def made(self, values: NDArray[np.float64], like: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.constant(values), like.dtype)

    def cast(self, x: tf.Tensor, kind: str) -> tf.Tensor:
        return tf.cast(tf.cast(x, tf.float32) if kind == "float16" else x, kind)  # as everywhere, by way of singles

    def like(self, x: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, other.dtype)

    def largest(self, x: tf.Tensor) -> tf.Tensor:
        highest = tf.reshape(tf.reduce_max(tf.abs(x)), [1])
        return self.chosen(self.finite(x), highest, float("inf"))

    def whole(self, x: tf.Tensor) -> tf.Tensor:
        return tf.round(x)

    def finite(self, x: tf.Tensor) -> Any:
        return tf.reduce_all(tf.math.is_finite(x))

    def chosen(self, condition: Any, yes: tf.Tensor, no: Any) -> tf.Tensor:
        return tf.where(condition, yes, tf.cast(no, yes.dtype))

    def shaped(self, x: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
        return tf.reshape(x, shape)

    def turned(self, x: tf.Tensor) -> tf.Tensor:
        return tf.transpose(x)

    def joined(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        return tf.concat([first, second], 0)

    def orthonormal(self, x: tf.Tensor) -> tf.Tensor:
        return tf.linalg.qr(x).q


def shape_of(variable: Any) -> Shape:
    """As a format sees it: a matrix has a column for each output, which Keras's layers have last."""
    shape = tuple(variable.shape)
    return (elements(shape),) if len(shape) < 2 else (elements(shape[:-1]), shape[-1])


def kind_on_wire(variable: Any, form: Format) -> tf.DType:
    """What a format is given. What it leaves behind of half a number would itself need more than half a number."""
    kind = variable.value.dtype
    return tf.float32 if form.feeds_back and kind in (tf.float16, tf.bfloat16) else kind


def bytes_of(variables: Iterable[Any]) -> int:
    """What they hold."""
    return sum(variable.value.dtype.size * variable.shape.num_elements() for variable in variables)
