"""Names of collectives: equal on all ranks, never twice in flight, and few enough for Horovod's cache.

They, and the scopes of updates, hold the number of the variable, so that whoever profiles a traced step can ask whose an
operation is.
"""

from __future__ import annotations

import re
import weakref
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
