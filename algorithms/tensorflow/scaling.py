"""Loss scales of the user's optimizer, for what must not see gradients as they are scaled.

The user's optimizer divides a gradient by its scale when it applies it. Where the gradient has travelled for some steps, a
scale that changes has changed meanwhile; and a rule that squares or measures gradients means the true ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def innermost(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer that makes the updates."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if scaled else optimizer


class Scales:
    """The scale of today, and of every gradient in flight."""

    def __init__(self, optimizer: keras.optimizers.Optimizer, delay: int, create: Callable[..., Any]) -> None:
        self._optimizer = optimizer
        self._changes = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        self._then = create((delay,), dtype="float32", name="loss_scales") if self._changes else None  # oldest first

    def now(self) -> Any:
        """By what the user's optimizer would divide a gradient that it applied here; None: it would not."""
        return self._optimizer.dynamic_scale.value.read_value() if self._changes else self._optimizer.loss_scale_factor

    def then(self) -> tf.Tensor | None:
        """What it would have divided those in flight by, oldest first; None where that cannot have changed."""
        return None if self._then is None else self._then.value.read_value()

    def push(self, now: Any) -> None:
        """Move up: the oldest has gone, this step's gradient joins."""
        if self._then is not None:
            self._then.assign(tf.concat([self._then.value.read_value()[1:], [now]], 0))

    def restored(self, gradient: tf.Tensor, now: Any, then: tf.Tensor | None) -> tf.Tensor:
        """A gradient as if it had been scaled by the scale of today."""
        return gradient if then is None else gradient * tf.cast(now / then, gradient.dtype)

    def seen(self, rule: Callable[[tf.Tensor], tf.Tensor], gradient: tf.Tensor, now: Any) -> tf.Tensor:
        """What a rule makes of the true gradient, scaled again."""
        if now is None:
            return rule(gradient)
        scale = tf.cast(now, gradient.dtype)
        return rule(gradient / scale) * scale
