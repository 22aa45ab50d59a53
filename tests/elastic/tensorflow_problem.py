"""The same small net and data in Keras."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

BATCH = 8


def net() -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(4)])
    model.build((None, 20))
    return model


def batch(rank: int, step: int) -> tuple[tf.Tensor, tf.Tensor]:
    inputs = np.random.default_rng(1000 * step + rank).standard_normal((BATCH, 20)).astype(np.float32)
    return tf.constant(inputs), tf.constant(np.sin(inputs[:, :4]))
