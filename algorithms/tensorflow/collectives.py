"""The few collectives that the binding needs, every one with a name of its own.

A reduction inside a traced function is plain dataflow: it starts when its input is there and holds up only what uses its
result. Horovod does not mark it stateful, so whoever starts one must consume it, or it is pruned on this rank and the
others wait for ever; and `column` stands before it, or it may happen once, while the graph is optimized, and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf

from algorithms.tensorflow.folding import column

_leaving = threading.Lock()


def exchange(tensor: tf.Tensor, name: str, op: int = hvd.Average) -> tf.Tensor:
    """The mean (or another reduction) of a tensor over all ranks."""
    if tensor.dtype == tf.bfloat16:  # unknown to Horovod
        return tf.cast(exchange(tf.cast(tensor, tf.float32), name, op), tf.bfloat16)
    reduced = hvd.allreduce(column(tensor), op=op, name=name, ignore_name_scope=True)
    return tf.reshape(reduced, tensor.shape if tensor.shape.is_fully_defined() else tf.shape(tensor))


def gathered(row: tf.Tensor, name: str) -> tf.Tensor:
    """The rows of all ranks, of equal length, one below the other in order of rank."""
    return hvd.allgather(tf.reshape(column(row), (1, *row.shape)), name=name, ignore_name_scope=True)


def gather(row: np.ndarray, name: str) -> np.ndarray:
    """The same outside of traces, or inside `tf.init_scope`."""
    return np.asarray(tf.function(lambda mine: gathered(mine, name), autograph=False)(tf.constant(row)).numpy())


def leave() -> None:
    """End Horovod here, and with it what is under way, on all ranks. A helper thread may do so at the same time."""
    with _leaving:  # two that join Horovod's one thread would end the process
        hvd.shutdown()


def broadcast(variables: Sequence[tf.Variable], name: str) -> None:
    """Give all ranks what rank 0 holds. Called outside of traces, or inside `tf.init_scope`."""

    def take() -> None:
        for i, variable in enumerate(variables):
            value = variable.read_value()
            wide = tf.cast(value, tf.float32) if value.dtype == tf.bfloat16 else value
            got = hvd.broadcast(wide, 0, name=f"{name}.{i}", ignore_name_scope=True)
            variable.assign(tf.cast(got, variable.dtype))

    if variables:
        tf.function(take, autograph=False)()
