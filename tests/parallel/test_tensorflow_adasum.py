"""Adasum on real ranks, which Horovod has over MPI only, takes the virtual driver's trajectory: loops and `fit`."""

from __future__ import annotations

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer
from tests.parallel import tensorflow_problem as problem
from tests.parallel.shared_problem import RULES, STEPS, close, oracle, start

pytestmark = [pytest.mark.ranks(2, 4, mpi=True), pytest.mark.usefixtures("tensorflow_job")]


@pytest.mark.parametrize("optimizer", RULES)
def test_the_virtual_trajectory(optimizer: str, rank: int, ranks: int) -> None:
    held = problem.variables(shift=rank)
    wrapped = DistributedOptimizer(problem.OPTIMIZERS[optimizer](), algorithms.Adasum())

    @tf.function
    def train(step: tf.Tensor) -> None:
        wrapped.apply(problem.gradients(rank, step, held), held)

    for step in range(STEPS):
        train(tf.constant(step))
    wrapped.finish()
    ended, expected = problem.flat(held), oracle(algorithms.Adasum(), optimizer, ranks).workers[rank]
    close(ended, expected)
    told = wrapped.telemetry()
    assert (told.steps, told.rounds, told.used) == (STEPS, STEPS, STEPS)
    assert told.bytes_sent == STEPS * start().nbytes
    everybody = hvd.allgather(tf.constant(ended[None]), name=f"adasum.{optimizer}").numpy()
    assert np.array_equal(everybody, np.repeat(everybody[:1], ranks, axis=0)), "replicas differ"


def test_fit_adds_steps_in_different_directions(rank: int, ranks: int) -> None:
    model = keras.Sequential([keras.Input((ranks,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optimizer=DistributedOptimizer(keras.optimizers.SGD(0.5), algorithms.Adasum()), loss="mse")
    own = np.eye(ranks, dtype="float32")[rank : rank + 1]  # each worker sees one input of its own, whose answer is 1
    model.fit(own, np.ones((1, 1), "float32"), epochs=1, batch_size=1, verbose=0)
    model.optimizer.finish()
    assert model.get_weights()[0].ravel().tolist() == [1.0] * ranks
