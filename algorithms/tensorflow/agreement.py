"""Whether ranks hold the same parameters: silence is what hurts, so it is asked rather than hoped."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

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


def require_agreement(values: Sequence[tf.Tensor], paths: Sequence[str], name: str, when: tf.Tensor) -> None:
    """Fail on every rank, naming the parameters, unless all ranks hold the same bits."""
    mine = tf.stack([digest(value) for value in values])
    everyone = gathered(mine, name)
    equal = tf.reduce_all(everyone == everyone[:1], axis=0)
    wrong = tf.boolean_mask(tf.constant(list(paths)), ~equal)
    others = tf.reshape(tf.where(tf.reduce_any(everyone != everyone[:1], axis=1)), [-1])
    tf.debugging.Assert(
        tf.reduce_all(equal),
        [
            *("Parameters differ between ranks", when, "although every rank must hold the same:", wrong),
            *("; unlike rank 0's are those of ranks", others),
        ],
    )


def require_equal_arrays(arrays: Sequence[NDArray[np.generic]], paths: Sequence[str], name: str, when: str) -> None:
    """The same of arrays, outside of traces."""
    mine = np.array([zlib.crc32(np.ascontiguousarray(array).data) for array in arrays], np.int64)
    everyone = gather(mine, name)
    wrong = [path for path, equal in zip(paths, (everyone == everyone[:1]).all(axis=0), strict=True) if not equal]
    if wrong:
        others = np.flatnonzero((everyone != everyone[:1]).any(axis=1)).tolist()
        raise RuntimeError(
            f"Parameters differ between ranks {when}, although every rank must hold the same: {wrong}; "
            f"unlike rank 0's are those of ranks {others}"
        )
