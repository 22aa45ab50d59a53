"""One step of the user's optimizer, in which every variable waits for its own gradient only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from algorithms.tensorflow.names import update_scope


def update(optimizer: keras.optimizers.Optimizer, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Apply the optimizer without tying the variables together.

    In a replica context Keras sends all gradients through one `IdentityN` (`ReplicaContext.all_reduce`, which reduces
    nothing where there is one replica), and no variable could be updated before the last gradient has come. In the
    cross-replica context of the default strategy Keras leaves that out and does everything else the same.
    """
    context = tf.distribute.get_replica_context()
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    with named_updates(optimizer.inner_optimizer if scaled else optimizer):
        if context is None or tf.distribute.has_strategy() or scaled:
            optimizer.apply(gradients, variables)  # a loss scale looks at all gradients anyway
        else:
            context.merge_call(lambda strategy: optimizer.apply(gradients, variables))


@contextmanager
def named_updates(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """What is traced in here says whose update it is: Keras names all of them for the optimizer."""
    own = vars(optimizer).get("update_step")  # a user may have one for this very object
    plain = optimizer.update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        with tf.name_scope(update_scope(optimizer._get_variable_index(variable))):
            plain(gradient, variable, learning_rate)

    optimizer.update_step = update_step
    try:
        yield
    finally:
        del optimizer.update_step
        if own is not None:
            optimizer.update_step = own


def require_consumed(gradients: Sequence[Any], paths: Sequence[str]) -> None:
    """Refuse a trace in which the optimizer ignored an average: on a rank where nothing uses it it may never be sent."""
    ignored = [
        path
        for gradient, path in zip(gradients, paths, strict=True)
        if gradient is not None and hasattr(gradient, "consumers") and not gradient.consumers()
    ]
    if ignored:
        raise RuntimeError(
            f"The optimizer does not use the averaged gradients of {', '.join(ignored)}: freeze these variables on every "
            "rank instead, or a rank that drops an exchange keeps the others waiting"
        )
