"""One step of the user's optimizer, in which every variable waits for its own gradient only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def update(optimizer: keras.optimizers.Optimizer, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Apply the optimizer without tying the variables together.

    In a replica context Keras sends all gradients through one `IdentityN` (`ReplicaContext.all_reduce`, which reduces
    nothing where there is one replica), and no variable could be updated before the last gradient has come. In the
    cross-replica context of the default strategy Keras leaves that out and does everything else the same.
    """
    context = tf.distribute.get_replica_context()
    if context is None or tf.distribute.has_strategy() or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.apply(gradients, variables)  # a loss scale looks at all gradients anyway
    else:
        context.merge_call(lambda strategy: optimizer.apply(gradients, variables))
