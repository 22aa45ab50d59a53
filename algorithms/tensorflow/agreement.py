"""Whether ranks hold the same parameters: silence is what hurts, so it is asked rather than hoped."""

from __future__ import annotations

from collections.abc import Sequence

import horovod.tensorflow as hvd
import tensorflow as tf

_BITS = {2: tf.int16, 4: tf.int32, 8: tf.int64}


def digest(value: tf.Tensor) -> tf.Tensor:
    """A number that two tensors share only if they are equal bit by bit, or by a rare accident."""
    bits = tf.reshape(tf.bitcast(value, _BITS[value.dtype.size]), [-1])
    place = tf.range(1, tf.size(bits, out_type=tf.int64) + 1, dtype=tf.int64)
    return tf.reduce_sum(tf.cast(bits, tf.int64) * place)


def require_agreement(values: Sequence[tf.Tensor], paths: Sequence[str], name: str, when: str) -> None:
    """Fail on every rank, naming the parameters, unless all ranks hold the same bits."""
    mine = tf.stack([digest(value) for value in values])
    everyone = hvd.allgather(mine[None], name=name, ignore_name_scope=True)
    equal = tf.reduce_all(everyone == everyone[:1], axis=0)
    wrong = tf.boolean_mask(tf.constant(list(paths)), ~equal)
    tf.debugging.Assert(
        tf.reduce_all(equal),
        [f"Parameters differ between ranks {when}, although every rank must hold the same:", wrong],
    )
