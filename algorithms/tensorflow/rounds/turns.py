"""Callbacks that wait for a round, one after the other in a function however many optimizers it applies.

Each holds one of TensorFlow's few inter-op threads while it waits. Nothing else orders those of two optimizers, and
together they could hold all threads, with none left for what they wait for.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

# By name: an operation would keep its graph, and with it the entry, alive.
_last: weakref.WeakKeyDictionary[tf.Graph, str] = weakref.WeakKeyDictionary()


@contextmanager
def in_turn() -> Iterator[None]:
    """What is traced in here runs when the last one in this graph has come to its end."""
    graph = tf.compat.v1.get_default_graph()
    before = [graph.get_operation_by_name(_last[graph])] if graph in _last else []
    with tf.control_dependencies(before):
        yield


def comes_to_its_end(with_: tf.Tensor) -> None:
    """What waited in its turn is over when this is there."""
    _last[tf.compat.v1.get_default_graph()] = with_.op.name
