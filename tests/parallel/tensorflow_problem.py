"""A small problem with the same gradients in NumPy and in TensorFlow, and what the virtual driver makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from algorithms.contract import Algorithm
from algorithms.virtual import Cluster
from algorithms.virtual.optimizers import SGD, AdamW, Optimizer
from algorithms.virtual.trace import Trace

SHAPES = ((4, 3), (3,), (2, 2))
LAYERS = tuple(int(np.prod(shape)) for shape in SHAPES)

# Keras adds epsilon to the uncorrected root, torch and the virtual driver to the corrected one: too small to matter.
EPSILON = 1e-14
# Exact in float32, in which Keras keeps learning rates and through which it casts decay rates.
RATE = 0.0625
BETAS = (0.875, 0.984375)
OPTIMIZERS: dict[str, tuple[Any, Optimizer]] = {
    "momentum": (
        lambda: keras.optimizers.SGD(RATE, momentum=0.5),
        SGD(learning_rate=RATE, momentum=0.5),
    ),
    "nesterov": (
        lambda: keras.optimizers.SGD(RATE, momentum=0.75, nesterov=True),
        SGD(learning_rate=RATE, momentum=0.75, nesterov=True),
    ),
    "adamw": (
        lambda: keras.optimizers.AdamW(RATE, 0.125, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPSILON),
        AdamW(learning_rate=RATE, weight_decay=0.125, betas=BETAS, epsilon=EPSILON),
    ),
}


def start() -> np.ndarray:
    return np.random.default_rng(7).normal(size=sum(LAYERS))


def gradient(worker: int, step: int, x: np.ndarray) -> np.ndarray:
    return np.cos(x * (1 + worker)) + 0.5 * x - np.sin(0.7 * step + worker) + 0.1 * np.tanh(x.mean())


def variables() -> list[keras.Variable]:
    """Rank 0 begins at `start()`, the others elsewhere."""
    import horovod.tensorflow as hvd

    pieces = np.split(start() + hvd.rank(), np.cumsum(LAYERS)[:-1])
    return [keras.Variable(piece.reshape(shape), dtype="float64") for piece, shape in zip(pieces, SHAPES, strict=True)]


def gradients(worker: int, step: tf.Tensor, held: Sequence[keras.Variable]) -> list[tf.Tensor]:
    x = tf.concat([tf.reshape(variable.value, [-1]) for variable in held], 0)
    step = tf.cast(step, tf.float64)
    g = tf.cos(x * (1 + worker)) + 0.5 * x - tf.sin(0.7 * step + worker) + 0.1 * tf.tanh(tf.reduce_mean(x))
    return [tf.reshape(piece, shape) for piece, shape in zip(tf.split(g, LAYERS), SHAPES, strict=True)]


def flat(held: Sequence[keras.Variable]) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in held])


def oracle(algorithm: Algorithm, optimizer: Optimizer, workers: int, steps: int) -> Trace:
    return Cluster(
        workers=workers, algorithm=algorithm, optimizer=optimizer, parameters=start(), gradient=gradient, layers=LAYERS
    ).run(steps=steps)
