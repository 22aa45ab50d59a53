"""The few collectives that the binding needs, every one with a name of its own.

A reduction inside a traced function is plain dataflow: it starts when its input is there and holds up only what uses its
result. Horovod does not mark it stateful, so whoever starts one must consume it, or it is pruned on this rank and the
others wait for ever; and `column` stands before it, or it may happen once, while the graph is optimized, and no more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf
from horovod.common import process_sets

from algorithms.mechanisms.process_sets import first
from algorithms.tensorflow.folding import column
from algorithms.tensorflow.names import one_at_a_time

SUBMITTED = 0.2  # seconds after the call of a function within which its exchange is in Horovod's hands


class _Door:
    """Held by who ends Horovod: two at once would end the process.

    Horovod loses what is submitted while it ends: it looks whether it has ended before it queues, and at its end empties
    the queue. Whoever waits for such an exchange waits for ever. A function of TensorFlow submits in threads of its own, so
    what can be done is to end Horovod some time after the last call.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.called = 0.0


_door = _Door()
_gathering: dict[tuple[str, Any], Any] = {}  # functions by name and ranks: some are asked again and again


def calls() -> None:
    """Say that a thread beside the one that may leave Horovod is about to call a function that exchanges."""
    with _door.lock:
        _door.called = time.monotonic()


def exchange(
    tensor: tf.Tensor, name: str, among: hvd.ProcessSet, op: int = hvd.Average, factor: float = 1.0
) -> tf.Tensor:
    """The mean (or another reduction) of a tensor over these ranks. Horovod fuses only what has the same `factor`."""
    if tensor.dtype == tf.bfloat16:  # unknown to Horovod
        return tf.cast(exchange(tf.cast(tensor, tf.float32), name, among, op, factor), tf.bfloat16)
    with one_at_a_time(name) as lands:
        reduced = lands(
            hvd.allreduce(
                column(tensor), op=op, name=name, prescale_factor=factor, ignore_name_scope=True, process_set=among
            )
        )
    return tf.reshape(reduced, tensor.shape if tensor.shape.is_fully_defined() else tf.shape(tensor))


def gathered(row: tf.Tensor, name: str, among: hvd.ProcessSet) -> tf.Tensor:
    """The rows of these ranks, of equal length, one below the other in order of rank."""
    with one_at_a_time(name) as lands:
        mine = tf.reshape(column(row), (1, *row.shape))
        return lands(hvd.allgather(mine, name=name, ignore_name_scope=True, process_set=among))


def gather(row: np.ndarray, name: str, among: hvd.ProcessSet) -> np.ndarray:
    """The same outside of traces, or inside `tf.init_scope`."""
    key = (name, among.process_set_id)
    if key not in _gathering:
        _gathering[key] = tf.function(lambda mine: gathered(mine, name, among), autograph=False)
    return np.asarray(_gathering[key](tf.constant(row)).numpy())


def known_set(ranks: Sequence[int] | None) -> hvd.ProcessSet:
    """The set of these ranks, with whom a saved optimizer trained; None: of all. Its number is None if there is none."""
    if ranks is None:
        return hvd.global_process_set
    found = hvd.ProcessSet(ranks)
    known = process_sets._basics._get_process_set_ids_and_ranks()
    found.process_set_id = next((number for number, held in known.items() if held == found.ranks), None)
    return found


def leave() -> None:
    """End Horovod here, and with it what is under way, on all ranks. A helper thread may do so at the same time."""
    with _door.lock:
        time.sleep(max(0.0, _door.called + SUBMITTED - time.monotonic()))
        hvd.shutdown()


def broadcast(variables: Sequence[tf.Variable], name: str, among: hvd.ProcessSet) -> None:
    """Give these ranks what the first of them holds. Called outside of traces, or inside `tf.init_scope`."""

    root = first(among, hvd.global_process_set)

    def take() -> None:
        for i, variable in enumerate(variables):
            value = variable.read_value()
            wide = tf.cast(value, tf.float32) if value.dtype == tf.bfloat16 else value
            got = hvd.broadcast(wide, root, name=f"{name}.{i}", ignore_name_scope=True, process_set=among)
            variable.assign(tf.cast(got, variable.dtype))

    if variables:
        tf.function(take, autograph=False)()
