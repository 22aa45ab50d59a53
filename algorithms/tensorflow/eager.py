"""Steps of loops without `tf.function`, traced all the same.

Horovod's eager collectives block one by one and ignore their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class EagerSteps:
    """Traces a step at its first call, and again only where other variables have gradients."""

    def __init__(self, step: Callable[[Sequence[int], Sequence[tf.Tensor]], None]) -> None:
        self._step = step
        self._traced: Any = None

    def step(self, keys: Sequence[int], gradients: Sequence[Any]) -> None:
        """`keys`: the number of the variable that each gradient is for."""
        if self._traced is None:
            self._traced = tf.function(self._step, reduce_retracing=True, autograph=False)
        present = [(key, g) for key, g in zip(keys, gradients, strict=True) if g is not None]
        self._traced(tuple(key for key, _ in present), [tf.convert_to_tensor(g) for _, g in present])
