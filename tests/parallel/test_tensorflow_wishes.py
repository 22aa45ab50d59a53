"""What a user may ask of the TensorFlow wrapper beside an algorithm: several passes, unequal batches, a clipped average."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import algorithms
from algorithms.contract import Algorithm
from algorithms.tensorflow import DistributedOptimizer
from tests.parallel import shared_problem, tensorflow_problem

pytestmark = [pytest.mark.ranks(2), pytest.mark.usefixtures("tensorflow_job")]

STEPS = 12
SENT = [
    algorithms.Synchronous(),
    algorithms.Synchronous(overlap=True),
    algorithms.LayerWise(),
    algorithms.Delayed(steps=1),
    algorithms.Delayed(steps=3),
    algorithms.Delayed(steps=2, compensation=0.5),
    algorithms.Delayed(steps=2, drain="drop"),
    algorithms.BackupWorkers(spares=0),
]
OWN = [
    algorithms.NoCommunication(),
    algorithms.LocalSGD(period=3),
    algorithms.ElasticAveraging(period=3, momentum=0.5),
    algorithms.ElasticAveraging(period=4, overlap=2),
]


def counts(worker: int, step: int) -> int:
    """Some steps without a sample of one worker, none without any."""
    return (3 * step + 5 * worker) % 7 + 1 if (step + worker) % 5 else 0


def wrapped(algorithm: Algorithm, **wishes: object) -> DistributedOptimizer:
    return DistributedOptimizer(tensorflow_problem.OPTIMIZERS["momentum"](), algorithm, **wishes)


@pytest.mark.parametrize("algorithm", SENT + OWN, ids=str)
def test_unequal_batches_run_the_virtual_trajectory(algorithm: Algorithm, rank: int, ranks: int) -> None:
    held = tensorflow_problem.variables(shift=rank)
    opt = wrapped(algorithm, weighted=True)

    @tf.function(autograph=False)
    def step(number: tf.Tensor, samples: tf.Tensor) -> None:
        made = tensorflow_problem.gradients(rank, number, held)
        opt.weigh(samples)
        opt.apply([tf.where(samples > 0, gradient, np.nan) for gradient in made], held)

    for number in range(STEPS):
        step(tf.constant(number), tf.constant(counts(rank, number)))
    opt.finish()
    expected = shared_problem.oracle(algorithm, "momentum", ranks, STEPS, samples=counts).workers[rank]
    shared_problem.close(tensorflow_problem.flat(held), expected)


@pytest.mark.parametrize("wire", ["fp16", "int16", "powersgd:rank=1"])
def test_unequal_batches_in_a_format(wire: str, rank: int, ranks: int) -> None:
    held = tensorflow_problem.variables(shift=rank)
    opt = wrapped(algorithms.Synchronous(), weighted=True, wire=wire)

    @tf.function(autograph=False)
    def step(number: tf.Tensor) -> None:
        opt.apply(tensorflow_problem.gradients(rank, number, held), held)

    for number in range(STEPS):
        opt.weigh(counts(rank, number))  # before the step, outside of the trace
        step(tf.constant(number))
    opt.finish()
    trace = shared_problem.oracle(algorithms.Synchronous(), "momentum", ranks, STEPS, wire=wire, samples=counts)
    np.testing.assert_allclose(tensorflow_problem.flat(held), trace.workers[rank], rtol=0, atol=1e-2)


@pytest.mark.parametrize("algorithm", [algorithms.Synchronous(), algorithms.Delayed(steps=1)], ids=str)
@pytest.mark.parametrize("wire", ["none", "fp16"])
def test_weighing_makes_no_gradient_too_large(algorithm: Algorithm, wire: str, rank: int) -> None:
    held = [keras.Variable(np.zeros(3), dtype="float16")]
    opt = DistributedOptimizer(keras.optimizers.SGD(1 / 4096), algorithm, weighted=True, wire=wire)

    @tf.function(autograph=False)
    def step() -> None:
        opt.weigh([1500, 700][rank])
        opt.apply([tf.constant([20480.0, 10240.0][rank], "float16", (3,))], held)

    for _ in range(2):
        step()
    opt.finish()
    expected = -2 * (5 * 1500 + 2.5 * 700) / 2200
    assert held[0].numpy().astype(np.float64) == pytest.approx(np.full(3, expected), rel=5e-3)


@pytest.mark.parametrize("algorithm", [*SENT, *OWN], ids=str)
def test_passes_add_up_before_they_travel(algorithm: Algorithm, rank: int, ranks: int) -> None:
    def two(worker: int, step: int, x: np.ndarray) -> np.ndarray:
        return shared_problem.gradient(worker, 2 * step, x) + shared_problem.gradient(worker, 2 * step + 1, x)

    held = tensorflow_problem.variables(shift=rank)
    opt = wrapped(algorithm, passes=2)

    @tf.function(autograph=False)
    def backward(number: tf.Tensor) -> None:
        opt.apply(tensorflow_problem.gradients(rank, number, held), held)

    for number in range(2 * STEPS):
        backward(tf.constant(number))
    opt.finish()
    told = opt.telemetry()
    assert told.steps == STEPS
    expected = shared_problem.oracle(algorithm, "momentum", ranks, STEPS, gradient=two).workers[rank]
    shared_problem.close(tensorflow_problem.flat(held), expected)


@pytest.mark.parametrize(
    "algorithm",
    [algorithms.Synchronous(), algorithms.LayerWise(), algorithms.Delayed(steps=1), algorithms.BackupWorkers(spares=0)],
    ids=str,
)
def test_the_average_is_clipped_and_not_what_it_is_made_of(algorithm: Algorithm, rank: int) -> None:
    held = [keras.Variable(np.zeros(2)), keras.Variable(np.zeros(2))]
    opt = DistributedOptimizer(keras.optimizers.SGD(1.0), algorithm, clip_norm=1.0)
    mine = [[9.0, 0.0], [-3.0, 0.0]][rank]

    @tf.function(autograph=False)
    def step() -> None:
        opt.apply([tf.constant(mine), tf.constant([0.0, 4.0])], held)

    step()
    opt.finish()
    # The average is (3, 0, 0, 4), of length 5. Clipped one by one they would have given another direction.
    np.testing.assert_allclose(tensorflow_problem.flat(held), [-0.6, 0, 0, -0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"passes": 0}, "passes=0: must be a whole number >= 1"),
        ({"weighted": 1}, "weighted=1: must be True or False"),
        ({"clip_norm": 0.0}, "clip_norm=0.0: must be a number"),
    ],
    ids=str,
)
def test_wishes_out_of_range(wishes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrapped(algorithms.Synchronous(), **wishes)


def test_the_control_averages_ranks() -> None:
    with pytest.raises(ValueError, match="stock Horovod averages ranks"):
        wrapped(algorithms.StockHorovod(), weighted=True)
    with pytest.raises(ValueError, match="needs DistributedOptimizer"):
        wrapped(algorithms.Synchronous()).weigh(3)


def test_a_rank_that_was_not_weighed_is_named_on_all(rank: int) -> None:
    held = tensorflow_problem.variables(shift=0)
    opt = wrapped(algorithms.Synchronous(), weighted=True)

    @tf.function(autograph=False)
    def step() -> None:
        opt.apply(tensorflow_problem.gradients(rank, tf.constant(0), held), held)

    if rank == 0:
        opt.weigh(2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"rank(.|\n)*1(.|\n)*needs weigh"):
        step()


def test_a_step_without_any_sample_is_told(rank: int) -> None:
    held = tensorflow_problem.variables(shift=0)
    opt = wrapped(algorithms.Synchronous(), weighted=True)

    @tf.function(autograph=False)
    def step() -> None:
        opt.weigh(0)
        opt.apply(tensorflow_problem.gradients(rank, tf.constant(0), held), held)

    with pytest.raises(tf.errors.InvalidArgumentError, match="no rank had a sample"):
        step()


def test_wishes_are_saved_with_the_optimizer() -> None:
    opt = wrapped(algorithms.Synchronous(), passes=3, weighted=True, clip_norm=2.0)
    again = DistributedOptimizer.from_config(opt.get_config())
    assert again.get_config() == opt.get_config()
    assert (again.passes, again.weighted, again.inner_optimizer.global_clipnorm) == (3, True, 2.0)
