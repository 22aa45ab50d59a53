"""Names of collectives: equal on all ranks, never twice in flight, and few enough for Horovod's cache.

They, and the scopes of updates, hold the number of the variable, so that whoever profiles a traced step can ask whose an
operation is.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

_UPDATE = re.compile(r"(?:^|/)farandole/update\.(\d+)/")
_EXCHANGE = re.compile(
    r"(?:^|/)farandole\.\d+\.\d+\.(\d+)(?:\.\d+){0,2}$"
)  # of a step; behind it first element and leg


def update_scope(variable: int) -> str:
    """Where the operations that update a variable stand. The slash keeps TensorFlow from counting scopes."""
    return f"farandole/update.{variable}/"


def updated(operation: str) -> int | None:
    """The variable that an operation helps to update, and no other."""
    found = _UPDATE.search(operation)
    return int(found[1]) if found else None


def exchanged(operation: str) -> int | None:
    """The variable whose gradient, or a piece of it, an operation exchanges inside a step."""
    found = _EXCHANGE.search(operation)
    return int(found[1]) if found else None


# By name: an operation would keep its graph, and with it the entry, alive.
_landed: weakref.WeakKeyDictionary[tf.Graph, dict[str, str]] = weakref.WeakKeyDictionary()


@contextmanager
def one_at_a_time(name: str) -> Iterator[Callable[[tf.Tensor], tf.Tensor]]:
    """What is started in here starts, in a graph, when what had its name before has landed; call with what has landed.

    Mostly data order the two. But a gradient may depend on no parameter, and then nothing does.
    """
    if tf.executing_eagerly():
        yield lambda tensor: tensor
        return
    graph = tf.compat.v1.get_default_graph()
    held = _landed.setdefault(graph, {})

    def lands(tensor: tf.Tensor) -> tf.Tensor:
        held[name] = tensor.op.name
        return tensor

    with tf.control_dependencies([graph.get_operation_by_name(held[name])] if name in held else []):
        yield lands


class Names:
    """One wrapped optimizer's names.

    Ranks begin to train with their optimizers in the same order, but need not have wrapped as many: one of them may have
    caught an error and tried again. So they agree on a number when they begin (`algorithms.tensorflow.attach`).
    """

    def __init__(self, in_flight: int) -> None:
        self.prefix = "farandole.new"
        self._in_flight = in_flight
        self._steps: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def take(self, number: int) -> None:
        """The number that all ranks have agreed upon."""
        self.prefix = f"farandole.{number}"

    def next_step(self) -> tuple[int, str]:
        """The place of the next step traced into the current graph, and a prefix for its names.

        Steps in one graph may overlap, so neighbours need different prefixes; a prefix comes again when the step that had
        it must have landed. Functions run one after the other.
        """
        graph = tf.compat.v1.get_default_graph()
        step = self._steps.get(graph, 0)
        self._steps[graph] = step + 1
        return step, f"{self.prefix}.{step % self._in_flight}"
