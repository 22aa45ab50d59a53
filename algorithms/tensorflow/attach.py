"""Before the first step: ranks compare what they wrapped, and all begin with rank 0's weights and optimizer state."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from algorithms.tensorflow.collectives import broadcast, gather
from algorithms.tensorflow.names import Names


def initialised(variables: Sequence[tf.Variable]) -> bool:
    """Whether variables hold values yet: those created during a trace get theirs after it."""
    with tf.init_scope():
        if not tf.executing_eagerly():
            raise RuntimeError(
                "DistributedOptimizer needs eager execution around tf.function: it cannot be used inside a "
                "tf.compat.v1 graph or after tf.compat.v1.disable_eager_execution()"
            )
        return all(bool(variable.is_initialized()) for variable in variables)


@dataclass
class _Process:
    """What this process remembers from one wrapped optimizer to the next."""

    begun: int = 0  # numbers that may have been given to optimizers here


_process = _Process()


def begin_alike(description: str, variables: Sequence[tf.Variable], names: Names, among: hvd.ProcessSet) -> None:
    """Refuse ranks that wrapped something else, then broadcast. May be called while a function is being traced."""
    with tf.init_scope():
        # Always the same name: a rank that began with another optimizer is met here, and told, rather than waited for.
        everyone = gather(np.array([*_hashed(description), _process.begun], np.int32), "farandole.begin", among)
        number = int(everyone[:, -1].max())
        names.take(number)
        _process.begun = number + 1
        others = _unlike_first(everyone[:, :-1])
        if others:
            raise ValueError(
                f"Ranks {others} wrapped another optimizer, algorithm or set of variables than rank 0; "
                f"this rank has: {description}"
            )
        broadcast(variables, f"{names.prefix}.start", among)


def _hashed(text: str) -> NDArray[np.int32]:
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8).astype(np.int32)


def _unlike_first(rows: NDArray[np.int32]) -> list[int]:
    return [rank for rank, row in enumerate(rows) if not np.array_equal(row, rows[0])]


def require_same_gradients(paths: Sequence[str], name: str, among: hvd.ProcessSet) -> None:
    """Refuse ranks that have gradients for other variables: each would wait for what the others never send."""
    with tf.init_scope():
        others = _unlike_first(gather(_hashed(str(sorted(paths))), f"{name}.gradients", among))
        if others:
            raise ValueError(
                f"Ranks {others} have gradients for other variables than rank 0; this rank has them for: "
                f"{', '.join(sorted(paths))}. Freeze the same variables everywhere, or give zeros there"
            )


def share(variables: Sequence[Any], name: str, among: hvd.ProcessSet) -> None:
    """Give all ranks what the first of them holds, if all have the same variables. Called outside of traces."""
    shapes = [(variable.path, tuple(variable.shape), str(variable.dtype)) for variable in variables]
    others = _unlike_first(gather(_hashed(str([what[1:] for what in shapes])), f"{name}.others", among))
    if others:
        raise ValueError(f"Ranks {others} share other variables than rank 0; this rank has: {shapes}")
    broadcast([variable.value for variable in variables], f"{name}.other", among)


def require_alike(variables: Sequence[tf.Variable], among: hvd.ProcessSet) -> None:
    """Refuse ranks with different weights: their first gradients were taken before rank 0's could arrive."""
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    everyone = gather(np.frombuffer(digest.digest(), np.uint8).astype(np.int32), "farandole.eager", among)
    if not (everyone == everyone[:1]).all():
        raise ValueError(
            "Ranks took their first gradient at different weights, because this loop is not traced: call "
            "optimizer.start(model.trainable_variables) before the first step, give TrainingCallback to fit, or use "
            "tf.function"
        )
