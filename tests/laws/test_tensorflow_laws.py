"""The laws of the table, asked of TensorFlow in one process; tests/parallel has those that need two."""

from __future__ import annotations

from collections.abc import Iterator

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer
from tests.laws.table import LAWS
from tests.parallel import tensorflow_problem as problem

NAMES = [name for name, law in LAWS.items() if not law.typical.virtual_only]


@pytest.fixture(autouse=True)
def _horovod(gloo_alone: None) -> Iterator[None]:
    tf.get_logger().setLevel("ERROR")
    hvd.init()
    yield
    hvd.shutdown()


def train(optimizer: keras.optimizers.Optimizer) -> np.ndarray:
    held = problem.variables(shift=0)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> None:
        optimizer.apply(problem.gradients(0, number, held), held)

    optimizer.build(held)
    for number in range(12):
        step(tf.constant(number))
    if isinstance(optimizer, DistributedOptimizer):
        optimizer.finish()
    return problem.flat(held)


@pytest.mark.parametrize("name", NAMES)
def test_one_worker_is_the_local_optimizer(name: str) -> None:
    for make in (problem.OPTIMIZERS["momentum"], problem.OPTIMIZERS["adamw"]):
        ours, alone = train(DistributedOptimizer(make(), LAWS[name].alone)), train(make())
        np.testing.assert_allclose(ours, alone, rtol=1e-12)  # deltas and means are formed and undone, which rounds


@pytest.mark.parametrize(("algorithm", "workers"), [case for name in NAMES for case in LAWS[name].impossible], ids=str)
def test_impossible_clusters_are_refused(algorithm: Algorithm, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hvd.global_process_set, "size", lambda: workers)
    with pytest.raises(ValueError, match=r"must be|unstable"):
        DistributedOptimizer(keras.optimizers.SGD(0.1), algorithm)


class Ignoring(keras.optimizers.SGD):
    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Drop every gradient."""


def test_an_optimizer_that_ignores_gradients_is_found_in_one_process() -> None:
    with pytest.raises(RuntimeError, match="does not use the averaged gradients"):
        train(DistributedOptimizer(Ignoring(0.1), algorithms.LayerWise()))
