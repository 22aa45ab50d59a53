"""The laws of the table, asked of TensorFlow on two ranks; exchanges run the trajectories of the virtual driver."""

from __future__ import annotations

import horovod.tensorflow as hvd
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm, Rounds
from algorithms.mechanisms.telemetry import Telemetry
from algorithms.tensorflow import DistributedOptimizer
from tests.laws.table import LAWS
from tests.parallel import shared_problem, tensorflow_problem
from tests.parallel.shared_problem import DELAYED, EXACT, LAYERS, STEPS

pytestmark = [pytest.mark.ranks(2), pytest.mark.usefixtures("tensorflow_job")]

SIZE = sum(LAYERS) * 8
# Adasum needs a Horovod with MPI or NCCL; test_tensorflow_mistakes has the refusal.
NAMES = [name for name, law in LAWS.items() if not law.typical.virtual_only and name != "adasum"]
LIMITS = [
    (name, limit)
    for name in NAMES
    for limit in LAWS[name].equals_synchronous
    if not (isinstance(limit, Rounds) and limit.gives_up)  # test_tensorflow_mistakes has the refusal
]


def train(algorithm: Algorithm, optimizer: str, steps: int, rank: int) -> tuple[np.ndarray, Telemetry]:
    held = tensorflow_problem.variables(shift=rank)
    wrapped = DistributedOptimizer(tensorflow_problem.OPTIMIZERS[optimizer](), algorithm)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> None:
        wrapped.apply(tensorflow_problem.gradients(rank, number, held), held)

    for number in range(steps):
        step(tf.constant(number))
    wrapped.finish()
    wrapped.finish()
    assert step.experimental_get_tracing_count() <= 2  # once more where the first trace creates variables
    return tensorflow_problem.flat(held), wrapped.telemetry()


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("algorithm", EXACT + DELAYED, ids=str)
def test_custom_loop_runs_the_virtual_trajectory(rank: int, ranks: int, algorithm: Algorithm, optimizer: str) -> None:
    ended, told = train(algorithm, optimizer, STEPS, rank)
    shared_problem.close(ended, shared_problem.oracle(algorithm, optimizer, ranks).workers[rank])
    assert told.steps == STEPS
    assert told.memory_bytes == algorithm.memory() * SIZE


@pytest.fixture(scope="module")
def synchronous() -> dict[str, np.ndarray]:
    """Where twelve steps end with it."""
    return {name: train(algorithms.Synchronous(), name, 12, hvd.rank())[0] for name in ("sgd", "momentum")}


@pytest.mark.parametrize(("name", "limit"), LIMITS, ids=str)
def test_limits_are_synchronous(name: str, limit: Algorithm, synchronous: dict[str, np.ndarray], rank: int) -> None:
    # Averaging models averages gradients only where the optimizer has no state of its own.
    optimizer = "momentum" if LAWS[name].exact else "sgd"
    ended, _ = train(limit, optimizer, 12, rank)
    if LAWS[name].exact:
        assert np.array_equal(ended, synchronous[optimizer])
    else:
        np.testing.assert_allclose(ended, synchronous[optimizer], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_replicas_agree_and_cost_what_is_declared(name: str, rank: int) -> None:
    law = LAWS[name]
    ended, told = train(law.typical, "adamw", 12, rank)
    everybody = hvd.allgather(tf.constant(ended[None]), name=f"laws.{name}").numpy()
    if law.agrees:
        assert np.array_equal(everybody[0], everybody[1])
    assert told.steps == 12
    assert (told.rounds > 0) == (law.per_exchange > 0)
    # What is handed to Horovod, of which a ring sends 2(n-1)/n.
    assert told.bytes_sent == told.rounds * law.per_exchange * SIZE
    assert told.memory_declared == law.typical.memory()
    assert told.memory_bytes <= told.memory_declared * SIZE
