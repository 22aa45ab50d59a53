"""Whether ranks hold the same parameters: silence is what hurts, so it is asked rather than hoped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from algorithms.mechanisms import agreement
from algorithms.mechanisms.agreement import require_equal
from algorithms.mechanisms.validation import flag, whole
from algorithms.tensorflow.collectives import gather, gathered


@dataclass(frozen=True, kw_only=True)
class Checks:
    """When to ask: after the first update, and so many updates apart (0: not again)."""

    first: bool
    every: int

    def __post_init__(self) -> None:
        flag("check_agreement", self.first)
        whole("check_every", self.every, 0)

    def due(self, updates: int) -> bool:
        """Whether to ask after so many updates in this process."""
        return (self.first and updates == 1) or (self.every > 0 and updates % self.every == 0)


_BITS = {2: tf.int16, 4: tf.int32, 8: tf.int64}


CHUNK = 1 << 20  # elements looked at at once: what is made of each of them takes six times the memory of a float32


def digest(value: tf.Tensor) -> tf.Tensor:
    """A number that two tensors share only if they are equal bit by bit, or by a rare accident."""
    bits = tf.reshape(tf.bitcast(value, _BITS[value.dtype.size]), [-1])
    size = tf.size(bits, out_type=tf.int64)

    def add(start: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        stop = tf.minimum(start + CHUNK, size)
        place = tf.range(start + 1, stop + 1, dtype=tf.int64)
        return stop, total + tf.reduce_sum(tf.cast(bits[start:stop], tf.int64) * place)

    zero = tf.constant(0, tf.int64)
    return tf.while_loop(lambda start, total: start < size, add, (zero, zero), parallel_iterations=1)[1]


def require_agreement(
    values: Sequence[tf.Tensor], paths: Sequence[str], name: str, step: tf.Tensor, among: hvd.ProcessSet
) -> None:
    """In a traced step: fail on every rank, naming what differs, unless all ranks hold the same bits."""

    def compare(everyone: NDArray[np.int64], step: Any) -> bool:
        require_equal(everyone.tolist(), paths, f"after step {int(step)}")
        return True

    # Stateful, or nobody would ask it: what it returns is of no use.
    tf.numpy_function(compare, [gathered(tf.stack([digest(value) for value in values]), name, among), step], tf.bool)


def require_equal_arrays(
    arrays: Sequence[NDArray[np.generic]], paths: Sequence[str], name: str, when: str, among: hvd.ProcessSet
) -> None:
    """The same of arrays, outside of traces: raise RanksDisagree."""
    mine = np.array([agreement.digest(array) for array in arrays], np.int64)
    require_equal(gather(mine, name, among).tolist(), paths, when)


class Comparison:
    """Has a traced step compare parameters with the other ranks', after the first update and every so many steps."""

    def __init__(self, checks: Checks, *, travels: bool) -> None:
        self._every = checks.every if travels else 0
        self._unchecked = tf.Variable(checks.first and travels, trainable=False, name="unchecked")

    def trace(
        self, variables: Sequence[Any], name: str, step: tf.Tensor, applied: tf.Tensor, among: hvd.ProcessSet
    ) -> None:
        """`applied`: whether this step has changed anything."""
        with tf.init_scope():
            first = bool(self._unchecked.numpy())
        if not first and not self._every:
            return  # a trace made later does without the question
        due = tf.logical_and(self._unchecked, applied)
        if self._every:
            due = tf.logical_or(due, tf.equal(step % self._every, 0))

        def compare() -> tf.Tensor:
            values = [variable.value.read_value() for variable in variables]
            require_agreement(values, [variable.path for variable in variables], name, step, among)
            self._unchecked.assign(False)
            return tf.constant(True)

        tf.cond(due, compare, lambda: tf.constant(False))
