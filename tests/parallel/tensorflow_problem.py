"""The shared problem in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tests.parallel.shared_problem import BETAS, DECAY, EPSILON, LAYERS, RATE, SHAPES, start

OPTIMIZERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: keras.optimizers.SGD(RATE),
    "momentum": lambda: keras.optimizers.SGD(RATE, momentum=0.5),
    "nesterov": lambda: keras.optimizers.SGD(RATE, momentum=0.75, nesterov=True),
    "adamw": lambda: keras.optimizers.AdamW(RATE, DECAY, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPSILON),
}


def variables(shift: float) -> list[keras.Variable]:
    """Ranks begin at `start()`, shifted: rank 0 not, the others in vain."""
    pieces = np.split(start() + shift, np.cumsum(LAYERS)[:-1])
    return [keras.Variable(piece.reshape(shape), dtype="float64") for piece, shape in zip(pieces, SHAPES, strict=True)]


def gradients(worker: int, step: tf.Tensor, held: Sequence[keras.Variable]) -> list[tf.Tensor]:
    x = tf.concat([tf.reshape(variable.value, [-1]) for variable in held], 0)
    step = tf.cast(step, tf.float64)
    g = tf.cos(x * (1 + worker)) + 0.5 * x - tf.sin(0.7 * step + worker) + 0.1 * tf.tanh(tf.reduce_mean(x))
    return [tf.reshape(piece, shape) for piece, shape in zip(tf.split(g, LAYERS), SHAPES, strict=True)]


def flat(held: Sequence[keras.Variable]) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in held])
