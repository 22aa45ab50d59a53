"""Before the first step: ranks compare what they wrapped, and all begin with rank 0's weights and optimizer state."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from algorithms.tensorflow.wire import broadcast, gather


def initialised(variables: Sequence[tf.Variable]) -> bool:
    """Whether variables hold values yet: those created during a trace get theirs after it."""
    with tf.init_scope():
        if not tf.executing_eagerly():
            raise RuntimeError(
                "DistributedOptimizer needs eager execution around tf.function: it cannot be used inside a "
                "tf.compat.v1 graph or after tf.compat.v1.disable_eager_execution()"
            )
        return all(bool(variable.is_initialized()) for variable in variables)


def begin_alike(description: str, variables: Sequence[tf.Variable], name: str) -> None:
    """Refuse ranks that wrapped something else, then broadcast. May be called while a function is being traced."""
    with tf.init_scope():
        others = _unlike_rank_0(description, f"{name}.description")
        if others:
            raise ValueError(
                f"Ranks {others} wrapped another optimizer, algorithm or set of variables than rank 0; "
                f"this rank has: {description}"
            )
        broadcast(variables, f"{name}.start")


def _unlike_rank_0(description: str, name: str) -> list[int]:
    mine = np.frombuffer(hashlib.sha256(description.encode()).digest(), np.uint8).astype(np.int32)
    everyone = gather(mine, name)
    return [rank for rank, row in enumerate(everyone) if not np.array_equal(row, everyone[0])]


def require_same_gradients(paths: Sequence[str], name: str) -> None:
    """Refuse ranks that have gradients for other variables: each would wait for what the others never send."""
    with tf.init_scope():
        others = _unlike_rank_0(str(sorted(paths)), f"{name}.gradients")
        if others:
            raise ValueError(
                f"Ranks {others} have gradients for other variables than rank 0; this rank has them for: "
                f"{', '.join(sorted(paths))}. Freeze the same variables everywhere, or give zeros there"
            )


def require_alike(variables: Sequence[tf.Variable], name: str) -> None:
    """Refuse ranks with different weights: their first gradients were taken before rank 0's could arrive."""
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    everyone = gather(np.frombuffer(digest.digest(), np.uint8).astype(np.int32), f"{name}.eager")
    if not (everyone == everyone[:1]).all():
        raise ValueError(
            "Ranks took their first gradient at different weights, because this loop is not traced: call "
            "optimizer.start(model.trainable_variables) before the first step, give TrainingCallback to fit, or use "
            "tf.function"
        )
