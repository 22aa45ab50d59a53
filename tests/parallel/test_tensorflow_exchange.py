"""Exchange algorithms in TensorFlow: the numbers of the virtual driver, through every way of training."""

from __future__ import annotations

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.tensorflow import DistributedOptimizer
from tests.parallel import tensorflow_problem as problem

pytestmark = pytest.mark.ranks(2)

EXACT = [
    algorithms.NoCommunication(),
    algorithms.StockHorovod(),
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    *(algorithms.LayerWise(order=order) for order in ("all", "backward", "completion", "forward")),
]
DELAYED = [
    algorithms.Delayed(steps=0),
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=3),
    algorithms.Delayed(steps=2, compensation=0.5),
    algorithms.Delayed(steps=2, drain="drop"),
]
STEPS = 50


@pytest.fixture(autouse=True, scope="module")
def _horovod() -> None:
    tf.config.threading.set_inter_op_parallelism_threads(2)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    hvd.init()


def close(value: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert np.linalg.norm(value - expected) <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("algorithm", EXACT + DELAYED, ids=str)
def test_custom_loop_runs_the_virtual_trajectory(rank: int, ranks: int, algorithm: object, optimizer: str) -> None:
    make, rule = problem.OPTIMIZERS[optimizer]
    held = problem.variables()
    wrapped = DistributedOptimizer(make(), algorithm)

    @tf.function
    def train(step: tf.Tensor) -> None:
        wrapped.apply(problem.gradients(rank, step, held), held)

    for step in range(STEPS):
        train(tf.constant(step))
    wrapped.finish()
    wrapped.finish()
    assert train.experimental_get_tracing_count() <= 2  # once more where the first trace creates variables
    trace = problem.oracle(algorithm, rule, ranks, STEPS)
    close(problem.flat(held), trace.workers[rank], 1e-9)
    told = wrapped.telemetry()
    assert told.steps == STEPS
    assert told.memory_bytes == algorithm.memory() * sum(problem.LAYERS) * 8
