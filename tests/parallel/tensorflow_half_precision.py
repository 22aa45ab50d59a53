"""A net in mixed_float16 under `fit`, one batch of which overflows on rank 1, and its reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

from algorithms.contract import Algorithm, Place, Rounds
from algorithms.tensorflow import DistributedOptimizer, TrainingCallback
from algorithms.tensorflow.rounds.driver import RoundsDriver
from algorithms.virtual import Cluster
from algorithms.virtual.replay import recording
from tests.parallel.tensorflow_user_loops import SCALE, loss_scale, sgd
from tests.parallel.user_loops_problem import BAD, Rule

STEPS, BATCH, WIDTH = 8, 8, 6
OVERFLOWS = 2  # the batch


@contextmanager
def half_precision() -> Iterator[None]:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def net(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    return keras.Sequential(
        [keras.Input((WIDTH,)), dense(512, activation="tanh"), dense(512, activation="tanh"), dense(1)]
    )


def data(worker: int, overflows: bool) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(worker).normal(size=(STEPS * BATCH, WIDTH)).astype(np.float32)
    y = np.sin(x.sum(axis=1, keepdims=True)) + worker
    if overflows and worker == 1:
        y[OVERFLOWS * BATCH] = 1e6
    return x, y


def flat(model: keras.Model) -> np.ndarray:
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables]).astype(np.float64)


class HalfPrecision:
    """What `fit` made of the net on this rank, and what it should have made of it."""

    def __init__(self, algorithm: Algorithm, rank: int) -> None:
        self.algorithm, self.rank = algorithm, rank
        centred = isinstance(algorithm, Rounds) and algorithm.optimizer_at is Place.CENTRE
        self.overflows = not centred  # these must do with a scale that stays, so that nothing looks for an overflow
        inner = sgd(loss_scale_factor=SCALE) if centred else loss_scale()
        self.optimizer = DistributedOptimizer(inner, algorithm)
        driver = self.optimizer.driver
        records = driver.keep_records() if isinstance(driver, RoundsDriver) else []
        with half_precision():
            model, self._probe = net(3 + rank), net(3)
        self.start = flat(self._probe)
        model.compile(optimizer=self.optimizer, loss="mse", steps_per_execution=2, auto_scale_loss=False)
        model.fit(
            *data(rank, self.overflows),
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            callbacks=[TrainingCallback()],
        )
        with self.optimizer.evaluation():
            self.ended = flat(model)
        self._data = [data(worker, self.overflows) for worker in range(hvd.size())]
        self._gradients = tf.function(self._take, reduce_retracing=True)
        arrives = isinstance(algorithm, Rounds) and algorithm.quorum(hvd.size()) < hvd.size()
        cluster = Cluster(
            workers=hvd.size(),
            algorithm=algorithm,
            optimizer=Rule(skips=self.overflows),
            parameters=self.start,
            gradient=self._gradient,
        )
        replay = recording(algorithm, records, hvd.size()) if arrives else None
        trace = cluster.run(steps=0 if arrives else STEPS, record=0, replay=replay)
        centre = isinstance(algorithm, Rounds) and algorithm.centre(np.zeros(1)).parameters is not None
        self.expected = trace.averages[-1] if centre else trace.workers[rank]

    def _take(self, x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.cast(self._probe(x, training=True), tf.float32) - y)) * SCALE
        return [gradient / SCALE for gradient in tape.gradient(loss, self._probe.trainable_variables)]

    def _gradient(self, worker: int, step: int, x: np.ndarray) -> np.ndarray:
        sizes = [variable.shape.num_elements() for variable in self._probe.trainable_variables]
        for variable, part in zip(self._probe.trainable_variables, np.split(x, np.cumsum(sizes)[:-1]), strict=True):
            variable.assign(part.reshape(variable.shape))
        images, targets = (part[step * BATCH : (step + 1) * BATCH] for part in self._data[worker])
        parts = self._gradients(tf.constant(images), tf.constant(targets, tf.float32))
        gradient = np.concatenate([part.numpy().ravel() for part in parts]).astype(np.float64)
        return np.where(np.isfinite(gradient), gradient, BAD)
